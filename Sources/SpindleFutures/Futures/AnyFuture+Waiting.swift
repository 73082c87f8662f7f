import SpindleGround

extension AnyFuture {
  /// Blocks the thread until the future has ended. False when the deadline passed first.
  ///
  /// A worker of the pool that queues this future does its work itself instead of waiting for another worker: so
  /// a pool whose workers all wait for its own futures goes on.
  @inline(never) @usableFromInline
  final func wait(until deadline: Deadline) -> Bool {
    if isDone { return true }
    if deadline == .immediate { return false }
    if let remote {
      remote.attend(self)
      if isDone { return true }
    }
    if let worker = PoolWorker.current {
      if deadline.isNever, worker.help(self) { return true }
      return worker.blocking { sleep(until: deadline) }
    }
    return sleep(until: deadline)
  }

  /// Most ends come while we look: only who must sleep makes the extras.
  private final func sleep(until deadline: Deadline) -> Bool {
    var spin = SpinPolicy(glances: true)
    while spin.pauseOrYield() {
      if isDone { return true }
    }
    // They come before the mark: whoever sees the mark sees them.
    let extras = extras
    if !mark(Self.awaited) { return true }
    return extras.spot.park("a future's end", until: deadline, spinning: false) { !isDone } != nil || isDone
  }

  /// Suspends the task until the future has ended. False when the deadline passed first.
  @inline(never) @usableFromInline
  nonisolated(nonsending) final func wait(until deadline: Deadline) async throws(CancellationError) -> Bool {
    if isDone { return true }
    if deadline == .immediate { return false }
    if Task.isCancelled { throw CancellationError() }
    var spin = SpinPolicy()
    while spin.pause() {
      if isDone { return true }
    }
    let extras = extras
    if !mark(Self.awaited) { return true }
    return try await extras.spot.park("a future's end", owner: extras, until: deadline) { !isDone } != nil || isDone
  }
}

// For tests.
extension AnyFuture {
  /// Whether a thread or a task sleeps until this future ends.
  package final var isAwaited: Bool { extrasWord.existing?.spot.hasWaiters ?? false }

  /// Whether a `wait` or an `asCompleted` observes this future, or a callback is to be called.
  package final var isListenedTo: Bool {
    guard let extras = extrasWord.existing else { return false }
    extras.lock.acquire()
    defer { extras.lock.release() }
    return extras.phase == .collecting && !(extras.observers.isEmpty && extras.callbacks.isEmpty)
  }
}
