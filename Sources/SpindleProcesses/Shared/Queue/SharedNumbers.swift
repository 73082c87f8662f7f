internal import SpindleGround
import SpindleQueues

/// The calls of a `SharedQueue` of numbers, which travel as they lie in memory: what does not depend on the kind of number, so
/// that a put and a get are a short generic shim in the user's module and one plain function here.
@usableFromInline final class SharedNumbers: Sendable {
  private let ring: SharedRing

  init(_ ring: SharedRing) { self.ring = ring }

  /// Waits for room.
  @usableFromInline
  func put(_ bytes: UnsafeRawBufferPointer) throws { unsafe try put(bytes, until: .never) }

  /// Waits for an element; `target` has the size of one.
  @usableFromInline
  func get(into target: UnsafeMutableRawBufferPointer) throws { unsafe try get(into: target, until: .never) }

  @inline(__always)
  func put(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline) throws {
    let outcome = unsafe ring.put(bytes)
    if case .done = outcome { return }
    unsafe try putSlowly(bytes, until: deadline, outcome)
  }

  @inline(__always)
  func get(into target: UnsafeMutableRawBufferPointer, until deadline: Deadline) throws {
    let outcome = unsafe ring.take(into: target)
    if case .done = outcome { return }
    unsafe try getSlowly(into: target, until: deadline, outcome)
  }

  @inline(never)
  private func putSlowly(
    _ bytes: UnsafeRawBufferPointer, until deadline: Deadline, _ before: SharedRing.Outcome
  ) throws {
    var outcome = before
    if outcome.mustWait {
      _ = ring.waitForRoom(until: deadline) {
        unsafe outcome = ring.put(bytes)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .full)
  }

  @inline(never)
  private func getSlowly(
    into target: UnsafeMutableRawBufferPointer, until deadline: Deadline, _ before: SharedRing.Outcome
  ) throws {
    var outcome = before
    if outcome.mustWait {
      _ = ring.waitForElement(until: deadline) {
        unsafe outcome = ring.take(into: target)
        return !outcome.mustWait
      }
    }
    try outcome.check(waiting: .empty)
  }
}

/// Room for an element that is a number, of whichever kind.
@usableFromInline typealias NumberRoom = (UInt64, UInt64)

extension SharedQueue {
  /// The next element of a queue of numbers.
  @inlinable @inline(__always)
  func number(_ get: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows -> Item {
    var room: NumberRoom = (0, 0)
    return try unsafe withUnsafeMutableBytes(of: &room) { room in
      try unsafe get(UnsafeMutableRawBufferPointer(rebasing: room[..<MemoryLayout<Item>.size]))
      // SAFETY: a queue has `numbers` only if Item is a number, for which every bit pattern is a value.
      return unsafe UnsafeRawPointer(room.baseAddress!).loadUnaligned(as: Item.self)
    }
  }
}
