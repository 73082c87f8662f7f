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
      return worker.blocking {
        spot.wait("a future's end", until: deadline) { isDone }
      }
    }
    return spot.wait("a future's end", until: deadline) { isDone }
  }

  /// Suspends the task until the future has ended. False when the deadline passed first.
  @inline(never) @usableFromInline
  nonisolated(nonsending) final func wait(until deadline: Deadline) async throws(CancellationError) -> Bool {
    if isDone { return true }
    return try await spot.wait("a future's end", owner: self, until: deadline) { isDone }
  }
}

// For tests.
extension AnyFuture {
  /// Whether a thread or a task sleeps until this future ends.
  package final var isAwaited: Bool { spot.hasWaiters }

  /// Whether a `wait` or an `asCompleted` observes this future, or a callback is to be called.
  package final var isListenedTo: Bool {
    guard let extras = extrasWord.existing else { return false }
    extras.lock.acquire()
    defer { extras.lock.release() }
    return extras.phase == .collecting && !(extras.observers.isEmpty && extras.callbacks.isEmpty)
  }
}
