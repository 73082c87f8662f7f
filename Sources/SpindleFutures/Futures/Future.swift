import SpindleGround

/// A result that will be there later: the value or the error of a closure that runs elsewhere.
///
///     let pool = ThreadPool(maxWorkers: 5)
///     let future = pool.submit { try download(url) }
///     future.onDone { print("finished:", $0.isCancelled ? "cancelled" : "ran") }
///     let data = try future.result()          // in a task: try await future.result()
///
/// It ends once: with a value, with an error, or cancelled before its work began; every future of a pool ends,
/// whatever happens to the pool. Threads and tasks may wait for the same future. Time-outs end the wait, not the work.
/// What the work did happens before whatever a thread does after it has seen the end. One object, which is
/// also the pool's job: a submitted task allocates nothing else but what its closure captured, or an argument of more than two words,
/// and room for a value of more than two.
public class Future<Value: Sendable>: AnyFuture, @unchecked Sendable {
  /// A future for `work`, which `execute` will do.
  @inlinable
  init(home: UInt32, work: consuming @escaping () throws -> Value) {
    super.init(state: AnyFuture.pending, home: home)
    let place = unsafe self.place
    unsafe place.initializeMemory(as: Work.self, to: Work(consume work))
    // Made here, where the value's type is known, so that it is specialised.
    let runner = FutureContent.Runner { future in
      // SAFETY: the closure is stored in an object of this very class, and called with that object.
      unsafe unsafeDowncast(future, to: Future<Value>.self).doClosure()
    }
    unsafe FutureContent.keep(runner, in: place.assumingMemoryBound(to: UInt.self))
  }

  /// A future that somebody else ends.
  @usableFromInline
  override init(state: UInt32 = AnyFuture.pending, home: UInt32 = 0) {
    super.init(state: state, home: home)
  }

  deinit {
    if stage == AnyFuture.value, !(Self.fits && _isPOD(Value.self)) { destroyValue() }
  }

  /// A future that has failed already.
  package static func failed(_ error: any Error) -> Future {
    let future = Future(state: AnyFuture.failed)
    future.put(failure: error)
    return future
  }

  @inlinable
  override func doWork() { doClosure() }

  /// By itself and never overridden, so that it is specialised where the future is made.
  @inlinable @inline(__always)
  final func doClosure() { publish(outcome { try take(Work.self).body() }) }

  /// Does the work and writes what comes of it. What `work` takes out of the future is released when this returns: before the end
  /// is published.
  @inlinable @inline(never)
  final func outcome(_ work: () throws -> Value) -> UInt32 {
    do {
      put(try work())
      return AnyFuture.value
    } catch {
      put(failure: error)
      return AnyFuture.failed
    }
  }

  /// The result of a future that has ended.
  @inlinable
  final func ended() throws -> Value {
    switch stage {
    case AnyFuture.value: return value
    case AnyFuture.failed: throw failure
    default: throw CancellationError()
    }
  }

  @usableFromInline
  final func endedError() throws(CancellationError) -> (any Error)? {
    switch stage {
    case AnyFuture.value: return nil
    case AnyFuture.failed: return failure
    default: throw CancellationError()
    }
  }

  // MARK: Results, for threads

  /// Waits for the end; returns the value, or throws the error. Throws `CancellationError` when it was cancelled.
  ///
  /// A worker of the same pool that waits for a future which has not begun does its work itself, here and now.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.result()'")
  @inlinable
  public final func result() throws -> Value {
    if !isDone { _ = wait(until: .never) }
    return try ended()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then. Zero or less: looks once.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.result(timeout:)'")
  @inlinable
  public final func result(timeout: Duration) throws -> Value {
    if !isDone, !wait(until: Deadline(after: timeout)) { throw TimeoutError(operation: "a future's result") }
    return try ended()
  }

  /// Waits for the end; nil when there is a value. Throws `CancellationError` when it was cancelled.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.error()'")
  public final func error() throws(CancellationError) -> (any Error)? {
    if !isDone { _ = wait(until: .never) }
    return try endedError()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.error(timeout:)'")
  public final func error(timeout: Duration) throws -> (any Error)? {
    if !isDone, !wait(until: Deadline(after: timeout)) { throw TimeoutError(operation: "a future's end") }
    return try endedError()
  }

  // MARK: Results, for tasks

  /// Waits for the end without blocking a thread. Cancelling the waiting task ends the wait with
  /// `CancellationError`; the future goes on.
  @inlinable
  nonisolated(nonsending) public final func result() async throws -> Value {
    if !isDone { _ = try await wait(until: .never) }
    return try ended()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  @inlinable
  nonisolated(nonsending) public final func result(timeout: Duration) async throws -> Value {
    if !isDone, !(try await wait(until: Deadline(after: timeout))) {
      throw TimeoutError(operation: "a future's result")
    }
    return try ended()
  }

  /// Waits for the end without blocking a thread; nil when there is a value.
  nonisolated(nonsending) public final func error() async throws(CancellationError) -> (any Error)? {
    if !isDone { _ = try await wait(until: .never) }
    return try endedError()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  nonisolated(nonsending) public final func error(timeout: Duration) async throws -> (any Error)? {
    if !isDone, !(try await wait(until: Deadline(after: timeout))) {
      throw TimeoutError(operation: "a future's end")
    }
    return try endedError()
  }

  // MARK: Callbacks

  /// Calls `body` once when the future has ended, however it ended.
  ///
  ///     future.onDone { future in log("done, cancelled: \(future.isCancelled)") }
  ///
  /// Callbacks run in the order in which they were added, one after the other, on the thread that ended the future
  /// (a worker, or whoever cancelled it), with no lock held; added after all others have been called, at
  /// once on the calling thread. Whoever waits for the result may go on before they have run.
  public final func onDone(_ body: @escaping @Sendable (Future<Value>) -> Void) {
    addCallback { future in
      // SAFETY: the list belongs to this object, and it calls with itself.
      body(unsafe unsafeDowncast(future, to: Future<Value>.self))
    }
  }
}

extension Future: CustomStringConvertible {
  public var description: String {
    let words: String
    switch stage {
    case AnyFuture.pending: words = "pending"
    case AnyFuture.running: words = "running"
    case AnyFuture.cancelled: words = "cancelled"
    case AnyFuture.value: words = "returned \(Value.self)"
    default:
      let error = (try? endedError()).flatMap { $0 }
      words = error.map { "threw \(type(of: $0))" } ?? "threw"
    }
    return "Future<\(Value.self)>(\(words))"
  }
}
