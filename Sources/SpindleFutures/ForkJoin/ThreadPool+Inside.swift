import CSpindle
import SpindleGround
import SpindleThreads

extension ThreadPool {
  /// Runs `body` where it can fork: here, if this thread is a worker of the pool or finds a seat among them, else on a worker.
  ///
  /// Where no worker takes it (the pool was shut down), it runs here, and nothing in it is forked.
  @inlinable
  func inside<Result: ~Copyable, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    if unsafe core.lane != nil { return try body() }
    if let seat = core.takeSeat() {
      defer { core.leave(seat) }
      return try body()
    }
    var result: Swift.Result<Result, Failure>?
    core.onWorker { result = Swift.Result(catching: body) }
    if let result = consume result { return try result.get() }
    return try body()
  }

  /// The same for a task, which waits without blocking its thread; also when it is cancelled, as `body` borrows from it.
  @inlinable
  nonisolated(nonsending) func inside<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) async throws(Failure) -> Result {
    var result: Swift.Result<Result, Failure>?
    await core.onWorker { result = Swift.Result(catching: body) }
    if let result = consume result { return try result.get() }
    return try body()
  }
}

/// The words of a closure on their way to another thread.
// SAFETY: who sends them waits until they were called for the last time.
@safe private struct SentClosure: @unchecked Sendable {
  let words: spindle_closure
}

extension PoolCore {
  /// Runs `body` on a worker, and waits for it. Does nothing when the pool takes in nothing more.
  @usableFromInline
  func onWorker(_ body: () -> Void) {
    if let future = unsafe begin(wordsOfClosure(body)) { _ = future.wait(until: .never) }
    keepClosure(body)
  }

  /// The same for a task.
  @usableFromInline
  nonisolated(nonsending) func onWorker(_ body: () -> Void) async {
    if let future = unsafe begin(wordsOfClosure(body)) {
      await withCheckedContinuation { continuation in future.onDone { _ in continuation.resume() } }
    }
    keepClosure(body)
  }

  private func begin(_ words: spindle_closure) -> Future<Void>? {
    let sent = unsafe SentClosure(words: words)
    let future = Future<Void>(home: number) { [self] in
      let seat = takeSeat()
      unsafe spindle_call_closure(sent.words)
      if let seat { leave(seat) }
    }
    return submit(future) ? future : nil
  }
}
