internal import SpindleGround
import SpindleQueues

extension SharedQueue {
  /// Says that the work on one element got from the queue is done; `join`, in any process, waits for it.
  ///
  /// Calling it more often than elements were put ends the program: the count would be wrong from then on.
  public func taskDone() {
    guard let ring = try? body.get().ring else { return }
    if !ring.taskDone() { mistake("taskDone() called more often than elements were put into the queue") }
  }

  /// Waits until `taskDone` has been called for every element that was put, but for those that died with their reader.
  @available(*, noasync, message: "in a task use 'try await join'")
  public func join() { _ = join(until: .never) }

  /// Waits up to `timeout` until every element put is done. False when the time was over first.
  @available(*, noasync, message: "in a task use 'try await join'")
  public func join(timeout: Duration) -> Bool { join(until: Deadline(after: timeout)) }

  /// Suspends the task until every element put is done. Throws `CancellationError` when the task is cancelled before.
  nonisolated(nonsending) public func join() async throws { _ = try await join(until: .never) }

  /// Suspends the task up to `timeout` until every element put is done. False when the time was over first.
  nonisolated(nonsending) public func join(timeout: Duration) async throws -> Bool {
    try await join(until: Deadline(after: timeout))
  }

  /// Shuts the queue down, for all processes: puts are refused with `.shutDown`, also those that wait now; gets go on
  /// until the queue is empty, then they are refused too.
  ///
  /// `immediate: true` empties it at once: what was in it counts as done. May be called again.
  public func shutdown(immediate: Bool = false) { (try? body.get())?.ring.close(immediate: immediate) }

  // MARK: Inside

  private func join(until deadline: Deadline) -> Bool {
    guard let ring = try? body.get().ring else { return true }
    return ring.allDone.wait(until: deadline, patrol: { ring.patrol() }) { ring.isAllDone }
  }

  nonisolated(nonsending) private func join(until deadline: Deadline) async throws -> Bool {
    let body = try body.get()
    return try await body.allDone.wait("the tasks of a shared queue to be done", until: deadline) {
      body.ring.isAllDone
    }
  }
}
