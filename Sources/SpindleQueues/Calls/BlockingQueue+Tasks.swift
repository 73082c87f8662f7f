import SpindleGround

extension BlockingQueue where Element: ~Copyable {
  /// Says that the work on one element got from the queue is done; `join` waits for it.
  ///
  /// Calling it more often than elements were put ends the program: the count would be wrong from then on.
  public final func taskDone() { unsafe state.pointee.taskDone() }

  /// Waits until `taskDone` has been called for every element that was put.
  @available(*, noasync, message: "in a task use 'try await join'; in main.swift inside a func")
  public final func join() { _ = join(until: .never) }

  /// Waits up to `timeout` until every element put is done. False when the time was over first.
  @available(*, noasync, message: "in a task use 'try await join'; in main.swift inside a func")
  public final func join(timeout: Duration) -> Bool { join(until: Deadline(after: timeout)) }

  /// Suspends the task until every element put is done. Throws `CancellationError` when the task is cancelled before.
  nonisolated(nonsending) public final func join() async throws { _ = try await join(until: .never) }

  /// Suspends the task up to `timeout` until every element put is done. False when the time was over first.
  nonisolated(nonsending) public final func join(timeout: Duration) async throws -> Bool {
    try await join(until: Deadline(after: timeout))
  }

  /// Shuts the queue down: puts are refused with `.shutDown`, also those that wait now; gets go on until the queue is
  /// empty, then they are refused too.
  ///
  /// `immediate: true` empties it at once: what was in it is destroyed and counts as done. May be called again.
  public final func shutdown(immediate: Bool = false) {
    unsafe state.pointee.close()
    if immediate {
      let dropped = discardAll()
      if dropped > 0 { unsafe state.pointee.discard(dropped) }
    }
    unsafe state.pointee.elements.wakeAll()
    unsafe state.pointee.room.wakeAll()
  }

  // MARK: Inside

  private static var joining: StaticString { "the tasks of a queue to be done" }

  final func join(until deadline: Deadline) -> Bool {
    unsafe state.pointee.allDone.wait(Self.joining, until: deadline) { unsafe state.pointee.isAllDone }
  }

  nonisolated(nonsending) final func join(until deadline: Deadline) async throws -> Bool {
    try await unsafe state.pointee.allDone.wait(Self.joining, owner: self, until: deadline) {
      unsafe state.pointee.isAllDone
    }
  }
}
