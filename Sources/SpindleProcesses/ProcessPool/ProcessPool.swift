public import SpindleFutures
internal import SpindleGround
internal import SpindleThreads
internal import Synchronization

/// A number of processes that run functions, and futures for what these return.
///
///     let pool = ProcessPool(maxWorkers: 4)
///     let hash = pool.submit(sha256, of: file)
///     for count in try pool.map(files, chunkSize: 10, { countWords(in: $0) }).collect() { total += count }
///     print(try hash.result())
///     pool.shutdown()
///
/// A function runs in another process of the same program: a crash in it (a trap, an index out of bounds, `exit`,
/// `kill -9`) ends that process and nothing else. Only the call that was running fails, with `WorkerDiedError`;
/// another worker takes the place, and what had not begun runs there. No call is run twice, unless its
/// ``CallOptions`` allow it.
///
/// What can be sent: functions, static methods, initialisers, and closures that capture nothing; arguments and
/// results that are `Codable`; `Job` values. A closure with captures is refused: its future has failed with
/// `CapturedContextError`, which names them. Workers do not run `main`, and share no memory with the program: globals
/// have their initial values, except those declared in main.swift, which have none. Standard output and error are the
/// program's own.
///
/// Workers are started when there are more calls than idle workers, and sleep without waking up while there is
/// nothing to do. Each runs one call at a time; calls begin in the order in which they were submitted. While calls
/// are short, some of them are handed to a worker before it has done with the one before: those begin in nearly that
/// order, can be cancelled as ever, and move to another worker when that one is idle. `shutdown()` ends the pool;
/// `withProcessPool` does so by itself. A pool that is released without it still does what was submitted, then its
/// workers end; so it does when the process exits. Workers end with the process, however that ends.
public final class ProcessPool: JobPool {
  @usableFromInline let core: ProcessPoolCore

  private static let count = Atomic<Int>(0)

  /// A pool of up to `maxWorkers` processes; by default as many as the cores that this process may use, or
  /// the part of them that falls to the worker of another pool that makes it: ``Processors/share``.
  ///
  /// - `initializer`: called by each worker before its first call. If it throws, the pool is broken: its futures fail
  ///   with `BrokenPoolError`, and so they do when workers cannot be started. It can capture nothing either.
  /// - `maxTasksPerChild`: a worker ends after so many calls, and another takes its place.
  /// - `maxResidentMemory`: a worker that holds more bytes of memory after a call ends, and another takes its place.
  /// - `idleTimeout`: a worker that has had nothing to do for so long ends; one is started again when it is needed.
  /// - `output`: whether the lines that workers print are labelled with their names.
  ///
  /// `maxWorkers`, `maxTasksPerChild` or `maxResidentMemory` below 1 is a mistake.
  public init(
    maxWorkers: Int? = nil, initializer: (@Sendable () throws -> Void)? = nil, maxTasksPerChild: Int? = nil,
    startMethod: StartMethod = .spawn, maxResidentMemory: Int? = nil, idleTimeout: Duration? = nil,
    output: ProcessOutput = .inherited
  ) {
    let maxWorkers = maxWorkers ?? Processors.share
    if maxWorkers < 1 { mistake("ProcessPool(maxWorkers: \(maxWorkers)): a pool needs at least one worker") }
    if let maxTasksPerChild, maxTasksPerChild < 1 {
      mistake("ProcessPool(maxTasksPerChild: \(maxTasksPerChild)): a worker runs at least one call")
    }
    if let maxResidentMemory, maxResidentMemory < 1 {
      mistake("ProcessPool(maxResidentMemory: \(maxResidentMemory)): a worker holds some memory")
    }
    let name = "ProcessPool-\(Self.count.wrappingAdd(1, ordering: .relaxed).newValue)"
    let call = initializer.map { initializer in Swift.Result { try Call(initializer) } }
    core = ProcessPoolCore(
      name: name,
      limits: .init(
        maxWorkers: maxWorkers, maxTasksPerChild: maxTasksPerChild, maxResidentMemory: maxResidentMemory,
        idleTimeout: idleTimeout),
      initializer: try? call?.get(), startMethod: startMethod, output: output)
    if case .failure(let error)? = call {
      core.fail(BrokenPoolError(pool: name, reason: "its initializer cannot be sent: \(error)", cause: error))
    }
  }

  deinit { core.close() }

  /// At most so many calls run at the same time.
  public var maxWorkers: Int { core.maxWorkers }

  // MARK: The end

  /// Takes in no more calls. Those in line are still done, or cancelled with `cancelFutures`.
  ///
  /// `wait`: returns when the last call has ended and the workers are gone. May be called again.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.shutdown()'")
  public func shutdown(wait: Bool = true, cancelFutures: Bool = false) {
    core.close()
    if cancelFutures { core.cancelCalls() }
    if wait { core.waitForEnd() }
  }

  /// The same without blocking a thread. Waits to the end also when the task is cancelled.
  public func shutdown(wait: Bool = true, cancelFutures: Bool = false) async {
    core.close()
    if cancelFutures { core.cancelCalls() }
    if wait { await core.waitForEnd() }
  }
}

extension ProcessPool: CustomStringConvertible {
  public var description: String { "ProcessPool(\(core.name), maxWorkers: \(maxWorkers))" }
}

/// Runs `body` with a new pool, and shuts the pool down: waits for its calls, also when `body` throws.
///
///     let counts = try withProcessPool(maxWorkers: 4) { pool in
///       try files.map { pool.submit(countWords, $0) }.map { try $0.result() }
///     }
@available(*, noasync, message: "a task must not block its thread: use 'await withProcessPool'")
public func withProcessPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, initializer: (@Sendable () throws -> Void)? = nil, maxTasksPerChild: Int? = nil,
  startMethod: StartMethod = .spawn, maxResidentMemory: Int? = nil, idleTimeout: Duration? = nil,
  output: ProcessOutput = .inherited, _ body: (ProcessPool) throws(Failure) -> Result
) throws(Failure) -> Result {
  let pool = ProcessPool(
    maxWorkers: maxWorkers, initializer: initializer, maxTasksPerChild: maxTasksPerChild, startMethod: startMethod,
    maxResidentMemory: maxResidentMemory, idleTimeout: idleTimeout, output: output)
  defer { pool.shutdown() }
  return try body(pool)
}

/// Runs `body` with a new pool, and shuts the pool down: waits for its calls, also when `body` throws or the task is
/// cancelled.
nonisolated(nonsending) public func withProcessPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, initializer: (@Sendable () throws -> Void)? = nil, maxTasksPerChild: Int? = nil,
  startMethod: StartMethod = .spawn, maxResidentMemory: Int? = nil, idleTimeout: Duration? = nil,
  output: ProcessOutput = .inherited, _ body: nonisolated(nonsending) (ProcessPool) async throws(Failure) -> Result
) async throws(Failure) -> Result {
  let pool = ProcessPool(
    maxWorkers: maxWorkers, initializer: initializer, maxTasksPerChild: maxTasksPerChild, startMethod: startMethod,
    maxResidentMemory: maxResidentMemory, idleTimeout: idleTimeout, output: output)
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
nonisolated(nonsending) public func withProcessPool<Result, Failure: Error>(
  maxWorkers: Int? = nil, initializer: (@Sendable () throws -> Void)? = nil, maxTasksPerChild: Int? = nil,
  startMethod: StartMethod = .spawn, maxResidentMemory: Int? = nil, idleTimeout: Duration? = nil,
  output: ProcessOutput = .inherited, _ body: (ProcessPool) throws(Failure) -> Result
) async throws(Failure) -> Result {
  let pool = ProcessPool(
    maxWorkers: maxWorkers, initializer: initializer, maxTasksPerChild: maxTasksPerChild, startMethod: startMethod,
    maxResidentMemory: maxResidentMemory, idleTimeout: idleTimeout, output: output)
  do {
    let result = try body(pool)
    await pool.shutdown()
    return result
  } catch {
    await pool.shutdown()
    throw error
  }
}
