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
/// also the pool's job: a submitted task allocates nothing else but what its closure captured.
public final class Future<Value: Sendable>: AnyFuture, @unchecked Sendable {
  @usableFromInline
  enum Body {
    case empty
    case work(() throws -> Value)
    case value(Value)
    case failure(any Error)
  }

  // SAFETY: see AnyFuture: one owner until an end is published, constant afterwards.
  @exclusivity(unchecked) @usableFromInline var body: Body

  /// A future for `work`, which `execute` will do.
  @inlinable
  init(home: UInt, work: @escaping () throws -> Value) {
    unsafe body = .work(work)
    super.init(state: AnyFuture.pending, home: home) { future in
      // SAFETY: the closure is stored in an object of this very class, and called with that object.
      unsafe unsafeDowncast(future, to: Future<Value>.self).doWork()
    }
  }

  /// A future that a promise ends.
  init(state: UInt32 = AnyFuture.pending, body: Body = .empty) {
    unsafe self.body = body
    super.init(state: state, home: 0) { _ in }
  }

  /// A future whose work is done elsewhere.
  @inlinable
  override init(remote: any RemoteWork) {
    unsafe body = .empty
    super.init(remote: remote)
  }

  /// A future that has failed already.
  package static func failed(_ error: any Error) -> Future {
    Future(state: AnyFuture.failed, body: .failure(error))
  }

  @inlinable
  func doWork() {
    // What the work captured is released when `outcome` returns: before the end is published.
    unsafe body = outcome()
    if case .failure = unsafe body { publish(AnyFuture.failed) } else { publish(AnyFuture.value) }
  }

  @inlinable @inline(never)
  func outcome() -> Body {
    var taken = Body.empty
    unsafe swap(&taken, &body)
    guard case .work(let work) = consume taken else { return .empty }
    do {
      return .value(try work())
    } catch {
      return .failure(error)
    }
  }

  @usableFromInline override func discardWork() { unsafe body = .empty }
  @usableFromInline override func write(failure: any Error) { unsafe body = .failure(failure) }
  @inlinable
  func write(value: Value) { unsafe body = .value(value) }

  /// The result of a future that has ended.
  @inlinable
  func ended() throws -> Value {
    // A cancelled future's body is not read: whoever cancelled it may be dropping the work just now.
    if stage != AnyFuture.cancelled {
      if case .value(let value) = unsafe body { return value }
      if case .failure(let error) = unsafe body { throw error }
    }
    throw CancellationError()
  }

  @usableFromInline
  func endedError() throws(CancellationError) -> (any Error)? {
    if isCancelled { throw CancellationError() }
    if case .failure(let error) = unsafe body { return error }
    return nil
  }

  // MARK: Results, for threads

  /// Waits for the end; returns the value, or throws the error. Throws `CancellationError` when it was cancelled.
  ///
  /// A worker of the same pool that waits for a future which has not begun does its work itself, here and now.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.result()'")
  @inlinable
  public func result() throws -> Value {
    if !isDone { _ = wait(until: .never) }
    return try ended()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then. Zero or less: looks once.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.result(timeout:)'")
  @inlinable
  public func result(timeout: Duration) throws -> Value {
    if !isDone, !wait(until: Deadline(after: timeout)) { throw TimeoutError(operation: "a future's result") }
    return try ended()
  }

  /// Waits for the end; nil when there is a value. Throws `CancellationError` when it was cancelled.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.error()'")
  public func error() throws(CancellationError) -> (any Error)? {
    if !isDone { _ = wait(until: .never) }
    return try endedError()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  @available(*, noasync, message: "a task must not block its thread: use 'try await future.error(timeout:)'")
  public func error(timeout: Duration) throws -> (any Error)? {
    if !isDone, !wait(until: Deadline(after: timeout)) { throw TimeoutError(operation: "a future's end") }
    return try endedError()
  }

  // MARK: Results, for tasks

  /// Waits for the end without blocking a thread. Cancelling the waiting task ends the wait with
  /// `CancellationError`; the future goes on.
  @inlinable
  nonisolated(nonsending) public func result() async throws -> Value {
    if !isDone { _ = try await wait(until: .never) }
    return try ended()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  @inlinable
  nonisolated(nonsending) public func result(timeout: Duration) async throws -> Value {
    if !isDone, !(try await wait(until: Deadline(after: timeout))) {
      throw TimeoutError(operation: "a future's result")
    }
    return try ended()
  }

  /// Waits for the end without blocking a thread; nil when there is a value.
  nonisolated(nonsending) public func error() async throws(CancellationError) -> (any Error)? {
    if !isDone { _ = try await wait(until: .never) }
    return try endedError()
  }

  /// The same with a time-out: throws `TimeoutError` when the future has not ended by then.
  nonisolated(nonsending) public func error(timeout: Duration) async throws -> (any Error)? {
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
  public func onDone(_ body: @escaping @Sendable (Future<Value>) -> Void) {
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
