import SpindleGround
import SpindleThreads
import Synchronization

/// A fixed number of threads that run closures, and futures for what they return.
///
///     let pool = ThreadPool(maxWorkers: 5)
///     let page = pool.submit { try download(url) }
///     for size in pool.map(files, { sizeOf($0) }) { print(size) }     // in order, as they come
///     print(try page.result())
///     pool.shutdown()
///
/// Closures may block: these threads are not Swift's cooperative ones. They are started when there are more jobs than
/// idle threads, and sleep without waking up while there is nothing to do. Jobs begin in the order in which they were
/// submitted.
///
/// A job that waits for a future of its own pool does not block the pool: if that job has not begun, the waiting
/// thread does it at once, itself; and when all threads wait while jobs are in line, a spare one helps out until they
/// go on.
///
/// Another order, or a bound for what is in line, comes from a queue of yours: jobs go there, and the pool is told to take
/// the next. So a `LIFOQueue` does the latest first, and `put` waits while a `Queue(capacity: 100)` is full.
///
///     let line = PriorityQueue<Order>()
///     func add(_ order: Order) throws {
///       try line.put(order)
///       pool.execute { (try? line.get())?.process() }
///     }
///
/// `shutdown()` ends it; `withThreadPool` does so by itself. A pool that is released without it still does what was
/// submitted, then its threads end; so it does when the process exits.
public final class ThreadPool: JobPool {
  @usableFromInline let core: PoolCore

  private static let count = Atomic<Int>(0)

  /// A pool of up to `maxWorkers` threads; by default as many as the cores that this process may use, or the
  /// part of them that falls to the worker of another pool that makes it: ``Processors/share``.
  ///
  /// Threads are named `threadNamePrefix_0`, `_1` and so on; by default `ThreadPool-1_0`. Each calls `initializer`
  /// before its first job; if that throws, the pool is broken: its futures fail with `BrokenPoolError`. `maxWorkers`
  /// below 1 is a mistake.
  public init(
    maxWorkers: Int? = nil, threadNamePrefix: String? = nil, initializer: (@Sendable () throws -> Void)? = nil
  ) {
    let maxWorkers = maxWorkers ?? Processors.share
    if maxWorkers < 1 { mistake("ThreadPool(maxWorkers: \(maxWorkers)): a pool needs at least one worker") }
    let name = "ThreadPool-\(Self.count.wrappingAdd(1, ordering: .relaxed).newValue)"
    core = PoolCore(
      name: name, maxWorkers: maxWorkers, threadNamePrefix: threadNamePrefix ?? name, initializer: initializer)
  }

  /// One thread, and spare ones, that serve another pool: they run until that pool shuts them down, also at exit.
  package init(helping name: String) {
    core = PoolCore(name: name, maxWorkers: 1, threadNamePrefix: name, initializer: nil, isHelper: true)
  }

  deinit { core.close() }

  /// At most so many jobs run at the same time.
  public var maxWorkers: Int { core.maxWorkers }

  // MARK: Jobs

  /// Runs `work` on one of the threads; the future gets what it returns or throws.
  ///
  /// After `shutdown` the future has failed with `ShutdownError`, in a broken pool with `BrokenPoolError`: `submit`
  /// itself neither throws nor waits. O(1), one allocation beside what the closure captured, which is released before
  /// the future ends; one more for a value of more than two words.
  @inlinable
  @discardableResult
  public func submit<Value: Sendable>(_ work: consuming @escaping @Sendable () throws -> Value) -> Future<Value> {
    let future = Future(home: core.number, work: consume work)
    core.submit(future)
    return future
  }

  /// Runs `function(argument)` on one of the threads.
  ///
  /// As with a closure, but an argument of up to two words (a number, an object, a string) lies in the future: the only allocation.
  /// For many short jobs that makes half as much again in the same time.
  @inlinable
  @discardableResult
  public func submit<Argument: Sendable, Value: Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument
  ) -> Future<Value> {
    guard CallFuture<Argument, Value>.fitsArgument else { return submit { try function(argument) } }
    let future = CallFuture(home: core.number, function, argument)
    core.submit(future)
    return future
  }

  /// Runs a function with its arguments on one of the threads.
  @inlinable
  @discardableResult
  public func submit<First: Sendable, each Argument: Sendable, Value: Sendable>(
    _ function: @escaping @Sendable (First, repeat each Argument) throws -> Value, _ first: First,
    _ argument: repeat each Argument
  ) -> Future<Value> {
    let arguments = (repeat each argument)
    return submit { try function(first, repeat each arguments) }
  }

  /// Runs `work` on one of the threads, and tells nobody how it ends.
  ///
  ///     for line in lines { pool.execute { log.write(line) } }
  ///
  /// For those who do not want the future of `submit`: it costs a fraction, and allocates nothing beside what the closure
  /// captured, which is released before the thread goes on. Jobs of both kinds stand in one line. Nobody can cancel `work`
  /// by itself; `shutdown(cancelFutures: true)` drops it if it has not begun. False when the pool was shut down or is
  /// broken: then it is dropped at once.
  @inlinable
  @discardableResult
  public func execute(_ work: consuming @escaping @Sendable () -> Void) -> Bool {
    core.execute(Job(work))
  }

  // MARK: The end

  /// Takes in no more jobs. Those in line are still done, or cancelled with `cancelFutures`.
  ///
  /// `wait`: returns when the last job has ended and the threads are gone. May be called again. A job of this very pool
  /// may call it; it does not wait then, for it would wait for itself.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.shutdown()'")
  public func shutdown(wait: Bool = true, cancelFutures: Bool = false) {
    core.close()
    if cancelFutures { core.cancelJobs() }
    if wait { core.waitForEnd() }
  }

  /// The same without blocking a thread. Waits to the end also when the task is cancelled.
  public func shutdown(wait: Bool = true, cancelFutures: Bool = false) async {
    core.close()
    if cancelFutures { core.cancelJobs() }
    if wait { await core.waitForEnd() }
  }
}

extension ThreadPool: CustomStringConvertible {
  public var description: String {
    "ThreadPool(\(core.name), maxWorkers: \(maxWorkers)\(core.jobs.isShut ? ", shut down" : ""))"
  }
}

/// Runs `body` with a new pool, and shuts the pool down: waits for its jobs, also when `body` throws.
///
///     let sizes = try withThreadPool(maxWorkers: 5) { pool in
///       try files.map { file in pool.submit { try size(of: file) } }.map { try $0.result() }
///     }
@available(*, noasync, message: "a task must not block its thread: use 'await withThreadPool'")
public func withThreadPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, threadNamePrefix: String? = nil, initializer: (@Sendable () throws -> Void)? = nil,
  _ body: (ThreadPool) throws(Failure) -> Result
) throws(Failure) -> Result {
  let pool = ThreadPool(maxWorkers: maxWorkers, threadNamePrefix: threadNamePrefix, initializer: initializer)
  defer { pool.shutdown() }
  return try body(pool)
}

/// Runs `body` with a new pool, and shuts the pool down: waits for its jobs, also when `body` throws or the task is
/// cancelled.
nonisolated(nonsending) public func withThreadPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, threadNamePrefix: String? = nil, initializer: (@Sendable () throws -> Void)? = nil,
  _ body: nonisolated(nonsending) (ThreadPool) async throws(Failure) -> Result
) async throws(Failure) -> Result {
  let pool = ThreadPool(maxWorkers: maxWorkers, threadNamePrefix: threadNamePrefix, initializer: initializer)
  do {
    let result = try await body(pool)
    await pool.shutdown()
    return result
  } catch {
    await pool.shutdown()
    throw error
  }
}

/// The same for a body without `await`, called from a task: the compiler would not take it for an asynchronous one.
nonisolated(nonsending) public func withThreadPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, threadNamePrefix: String? = nil, initializer: (@Sendable () throws -> Void)? = nil,
  _ body: (ThreadPool) throws(Failure) -> Result
) async throws(Failure) -> Result {
  let pool = ThreadPool(maxWorkers: maxWorkers, threadNamePrefix: threadNamePrefix, initializer: initializer)
  do {
    let result = try body(pool)
    await pool.shutdown()
    return result
  } catch {
    await pool.shutdown()
    throw error
  }
}
