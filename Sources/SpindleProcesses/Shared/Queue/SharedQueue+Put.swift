internal import SpindleGround
import SpindleQueues

extension SharedQueue {
  /// Puts an element in, and waits while the queue is full. Throws `QueueError.shutDown`, also when that happens
  /// meanwhile, and what encoding the element throws.
  @available(*, noasync, message: "in a task use 'try await put'")
  @inlinable
  public func put(_ item: Item) throws {
    if let numbers { return unsafe try withUnsafeBytes(of: item) { unsafe try numbers.put($0) } }
    try putEncoded(item)
  }

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

  /// What is to be put: made once, however often it is tried, for encoding runs code of `Item`.
  private enum Parcel: ~Copyable {
    case bytes(WireWriter)
    case packet(PacketSocket.Packet)

    mutating func put(into ring: SharedRing) -> SharedRing.Outcome {
      switch consume self {
      case .bytes(let writer):
        let outcome = unsafe writer.withBytes { unsafe ring.put($0) }
        self = .bytes(writer)
        return outcome
      case .packet(var packet):
        let outcome = packet.hasDescriptors ? ring.put(&packet) : unsafe packet.withBytes { unsafe ring.put($0) }
        self = .packet(packet)
        return outcome
      }
    }
  }

  private func parcel(_ item: Item, _ ring: SharedRing) throws -> Parcel {
    if ring.line == nil {
      let writer = WireWriter()
      try writer.encode(item)
      return .bytes(writer)
    }
    var packet = try PacketSocket.Packet { try $0.encode(item) }
    if packet.hasDescriptors {
      do throws(PacketSocket.Failure) { try packet.finish() } catch {
        throw SharedMemoryError(operation: "putting an element with descriptors", reason: "\(error.asError)")
      }
    }
    return .packet(packet)
  }

  @usableFromInline
  func putEncoded(_ item: Item) throws { try put(item, until: .never) }

  private func put(_ item: Item, until deadline: Deadline) throws {
    // SAFETY: a number's bytes, for as long as the call takes.
    if let numbers { return unsafe try withUnsafeBytes(of: item) { unsafe try numbers.put($0, until: deadline) } }
    let ring = try body.get().ring
    var parcel = try parcel(item, ring)
    var outcome = parcel.put(into: ring)
    if outcome.mustWait {
      _ = ring.waitForRoom(until: deadline) {
        outcome = parcel.put(into: ring)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .full)
  }

  nonisolated(nonsending) private func put(_ item: Item, until deadline: Deadline) async throws {
    let body = try body.get()
    var outcome = SharedRing.Outcome.mustWait
    if numbers != nil {
      _ = try await body.room.wait("room in a shared queue", until: deadline) {
        outcome = unsafe withUnsafeBytes(of: item) { unsafe body.ring.put($0) }
        return !outcome.mustWait
      }
    } else {
      var parcel = try parcel(item, body.ring)
      _ = try await body.room.wait("room in a shared queue", until: deadline) {
        outcome = parcel.put(into: body.ring)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .full)
  }
}
