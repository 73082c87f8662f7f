internal import SpindleGround
import SpindleQueues
internal import SpindleThreads

extension SharedQueue {
  /// Takes the next element, and waits while there is none. Throws `QueueError.shutDown` when there will be none any
  /// more, and what decoding the element throws; then that element is gone.
  @available(*, noasync, message: "in a task use 'try await get'")
  @inlinable
  public func get() throws -> Item {
    if let numbers { return unsafe try number { unsafe try numbers.get(into: $0) } }
    return try getEncoded()
  }

  /// Takes the next element, and waits up to `timeout` while there is none; zero or less tries once.
  /// Throws `QueueError.empty` when the time is over, `.shutDown` when there will be none any more.
  @available(*, noasync, message: "in a task use 'try await get'")
  public func get(timeout: Duration) throws -> Item { try get(until: Deadline(after: timeout)) }

  /// Takes the next element at once, or throws `QueueError.empty` or `.shutDown`. Never waits for an element.
  public func getNoWait() throws -> Item { try get(until: .immediate) }

  /// Takes the next element at once; nil when there is none. Never waits for an element.
  public func tryGet() throws -> Item? {
    do { return try get(until: .immediate) } catch is QueueError { return nil }
  }

  /// Takes the next element, and suspends the task while there is none. Throws `QueueError.shutDown` when there will be
  /// none any more, `CancellationError` when the task is cancelled before there was one.
  nonisolated(nonsending) public func get() async throws -> Item { try await get(until: .never) }

  /// Takes the next element, and suspends the task up to `timeout` while there is none; zero or less tries once.
  /// Throws `QueueError.empty` when the time is over, `.shutDown`, or `CancellationError`.
  nonisolated(nonsending) public func get(timeout: Duration) async throws -> Item {
    try await get(until: Deadline(after: timeout))
  }

  // MARK: Inside

  @usableFromInline
  func getEncoded() throws -> Item { try get(until: .never) }

  private func get(until deadline: Deadline) throws -> Item {
    if let numbers { return unsafe try number { unsafe try numbers.get(into: $0, until: deadline) } }
    let ring = try body.get().ring
    var element = SharedRing.Element()
    var outcome = ring.take(&element)
    if outcome.mustWait {
      _ = ring.waitForElement(until: deadline) {
        outcome = ring.take(&element)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .empty)
    return try element.decode(Item.self)
  }

  nonisolated(nonsending) private func get(until deadline: Deadline) async throws -> Item {
    let body = try body.get()
    var outcome = SharedRing.Outcome.mustWait
    if numbers != nil {
      var room: NumberRoom = (0, 0)
      _ = try await body.elements.wait("an element of a shared queue", until: deadline) {
        outcome = unsafe withUnsafeMutableBytes(of: &room) {
          unsafe body.ring.take(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<MemoryLayout<Item>.size]))
        }
        return !outcome.mustWait
      }
      try outcome.check(waiting: .empty)
      return unsafe withUnsafeBytes(of: room) { unsafe $0.loadUnaligned(as: Item.self) }
    }
    var element = SharedRing.Element()
    _ = try await body.elements.wait("an element of a shared queue", until: deadline) {
      outcome = body.ring.take(&element)
      return !outcome.mustWait
    }
    try outcome.check(waiting: .empty)
    return try element.decode(Item.self)
  }
}

extension SharedRing.Element {
  consuming func decode<Item: Decodable>(_ type: Item.Type) throws -> Item {
    if var arrival = arrival.take() { return try arrival.decode(type) }
    return try parcel.decode(type)
  }
}

extension SharedQueue: Sequence {
  /// Takes elements out of the queue until it is shut down and empty. Blocks the thread while there is none.
  ///
  /// An element that cannot be decoded is left out, and standard error is told.
  public struct Iterator: IteratorProtocol {
    let queue: SharedQueue

    public mutating func next() -> Item? {
      while true {
        do { return try queue.get(until: .never) } catch is DecodingError {
          writeError("Spindle: an element of a shared queue cannot be read as \(Item.self), and is left out")
        } catch is QueueError {
          return nil
        } catch {
          writeError("Spindle: reading a shared queue ends: \(error)")
          return nil
        }
      }
    }
  }

  public func makeIterator() -> Iterator { Iterator(queue: self) }
}

extension SharedQueue: AsyncSequence {
  /// Takes elements out of the queue until it is shut down and empty, or the task is cancelled.
  ///
  /// An element that cannot be decoded is left out, and standard error is told.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let queue: SharedQueue

    nonisolated(nonsending) public mutating func next() async -> Item? {
      while true {
        do { return try await queue.get(until: .never) } catch is DecodingError {
          writeError("Spindle: an element of a shared queue cannot be read as \(Item.self), and is left out")
        } catch is QueueError {
          return nil
        } catch is CancellationError {
          return nil
        } catch {
          writeError("Spindle: reading a shared queue ends: \(error)")
          return nil
        }
      }
    }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws(Never) -> Item? { await next() }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: self) }
}
