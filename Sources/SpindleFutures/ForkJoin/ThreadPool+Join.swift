import CSpindle
import SpindleGround
import SpindleThreads

extension ThreadPool {
  /// Runs both closures, perhaps at the same time, and returns what both return.
  ///
  ///     func sum(_ numbers: ArraySlice<Int>) -> Int {
  ///       if numbers.count < 1000 { return numbers.reduce(0, +) }
  ///       let middle = numbers.startIndex + numbers.count / 2
  ///       let (left, right) = pool.join { sum(numbers[..<middle]) } _: { sum(numbers[middle...]) }
  ///       return left + right
  ///     }
  ///
  /// For work that splits in two again and again. The calling worker runs the first; the second is offered to the
  /// workers that have nothing to do, and run by the caller when nobody took it. Called on a thread that is no worker of
  /// this pool, that thread works in the place of a worker without work; if there is none, the whole runs on a worker in its turn, and
  /// the caller waits. A worker whose second closure runs elsewhere does other forked work meanwhile: so do not hold a lock there that
  /// the closures want. A thread from outside does nothing for other calls than its own. The closures may borrow what lies on the
  /// caller's stack.
  ///
  /// The first error is thrown: the first closure's before the second's. After an error of the first, the second is not begun; it
  /// has ended in any case when this returns. No allocation, but one for a thread from outside; some nanoseconds more than two calls.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.join'")
  @inlinable
  public func join<A: Sendable, B: Sendable, Failure: Error>(
    _ first: @Sendable () throws(Failure) -> A, _ second: @Sendable () throws(Failure) -> B
  ) throws(Failure) -> (A, B) {
    guard let lane = unsafe core.lane else { return try joinElsewhere(first, second) }
    var b: Result<B, Failure>?
    let a = unsafe fork(
      lane,
      { () -> Result<A, Failure> in
        do throws(Failure) { return .success(try first()) } catch { return .failure(error) }
      },
      {
        do throws(Failure) { b = .success(try second()) } catch { b = .failure(error) }
      }, unless: { if case .failure = $0 { true } else { false } })
    return (try a.get(), try b!.get())
  }

  /// The same for closures that throw nothing.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.join'")
  @inlinable @inline(__always)
  public func join<A: Sendable, B: Sendable>(_ first: @Sendable () -> A, _ second: @Sendable () -> B) -> (A, B) {
    guard let lane = unsafe core.lane else { return joinElsewhere(first, second) }
    var b: B?
    let a = unsafe fork(lane, first, { b = second() }, unless: { _ in false })
    return (a, unsafe b.unsafelyUnwrapped)
  }

  @inlinable @inline(__always)
  func fork<A>(
    _ lane: UnsafeMutablePointer<Lane>, _ first: () -> A, _ second: () -> Void, unless isEnough: (A) -> Bool
  ) -> A {
    unsafe withUnsafeTemporaryAllocation(of: ForkJob.self, capacity: 1) { memory in
      let job = unsafe memory.baseAddress.unsafelyUnwrapped
      unsafe job.initialize(to: ForkJob(wordsOfClosure(second)))
      unsafe lane.pointee.push(ForkItem(job))
      let a = first()
      let popped = unsafe lane.pointee.pop()
      if unsafe popped == ForkItem(job).word || lane.pointee.takeBack(job, popped: popped) {
        if !isEnough(a) { second() }
      }
      // What `second` captured must live until here, not only until its words were taken.
      keepClosure(second)
      return a
    }
  }

  @inlinable @inline(never)
  func joinElsewhere<A: Sendable, B: Sendable, Failure: Error>(
    _ first: @Sendable () throws(Failure) -> A, _ second: @Sendable () throws(Failure) -> B
  ) throws(Failure) -> (A, B) {
    try inside { () throws(Failure) in
      if unsafe core.lane != nil { return try join(first, second) }
      return (try first(), try second())
    }
  }

  /// The same for a task: the closures run on workers of the pool, and the task waits, also when it is cancelled.
  @inlinable
  nonisolated(nonsending) public func join<A: Sendable, B: Sendable, Failure: Error>(
    _ first: @Sendable () throws(Failure) -> A, _ second: @Sendable () throws(Failure) -> B
  ) async throws(Failure) -> (A, B) {
    try await inside { () throws(Failure) in try joinElsewhere(first, second) }
  }
}
