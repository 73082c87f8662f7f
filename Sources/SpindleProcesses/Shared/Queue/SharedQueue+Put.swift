internal import SpindleGround
import SpindleQueues

extension SharedQueue {
  /// Puts an element in, and waits while the queue is full. Throws `QueueError.shutDown`, also when that happens
  /// meanwhile, and what encoding the element throws.
  @available(*, noasync, message: "in a task use 'try await put'")
  public func put(_ item: Item) throws { try put(item, until: .never) }

  /// Puts an element in, and waits up to `timeout` while the queue is full; zero or less tries once.
  /// Throws `QueueError.full` when the time is over.
  @available(*, noasync, message: "in a task use 'try await put'")
  public func put(_ item: Item, timeout: Duration) throws { try put(item, until: Deadline(after: timeout)) }

  /// Puts an element in at once, or throws `QueueError.full` or `.shutDown`. Never waits for room.
  public func putNoWait(_ item: Item) throws { try put(item, until: .immediate) }

  /// Puts an element in at once, or hands it back when the queue is full or shut down. Never waits for room.
  public func tryPut(_ item: Item) throws -> Item? {
    do {
      try put(item, until: .immediate)
      return nil
    } catch is QueueError {
      return item
    }
  }

  /// Puts an element in, and suspends the task while the queue is full. Throws `QueueError.shutDown`, also when that
  /// happens meanwhile, and `CancellationError` when the task is cancelled before there was room.
  nonisolated(nonsending) public func put(_ item: Item) async throws { try await put(item, until: .never) }

  /// Puts an element in, and suspends the task up to `timeout` while the queue is full; zero or less tries once.
  /// Throws `QueueError.full` when the time is over, `.shutDown`, or `CancellationError`.
  nonisolated(nonsending) public func put(_ item: Item, timeout: Duration) async throws {
    try await put(item, until: Deadline(after: timeout))
  }

  // MARK: Inside

  private func put(_ item: Item, until deadline: Deadline) throws {
    let ring = try body.get().ring
    // Encoding runs code of `Item`: not under the queue's lock, and once, however often the put is tried.
    let writer = WireWriter()
    try writer.encode(item)
    var outcome = SharedRing.Outcome.mustWait
    unsafe writer.withBytes { bytes in
      _ = ring.room.wait(until: deadline) {
        unsafe outcome = ring.put(bytes)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .full)
  }

  nonisolated(nonsending) private func put(_ item: Item, until deadline: Deadline) async throws {
    let body = try body.get()
    let bytes = try Wire.encode(item)
    var outcome = SharedRing.Outcome.mustWait
    _ = try await body.room.wait("room in a shared queue", until: deadline) {
      // SAFETY: the bytes are copied during the call.
      outcome = unsafe bytes.withUnsafeBytes { unsafe body.ring.put($0) }
      return !outcome.mustWait
    }
    try outcome.check(waiting: .full)
  }
}
