internal import SpindleGround
internal import Synchronization

/// A table from three words to an object that is read without a lock.
///
/// It is only added to and has an upper bound; what does not fit any more is made anew each time by those who ask. So a
/// program with ever new functions and types costs time and not memory.
// SAFETY: a slot is written once, under the lock, before its mark is published, and never freed: a table is a static.
@safe final class WordTable<Value: AnyObject & Sendable>: @unchecked Sendable {
  struct Key: Hashable {
    var a: UInt
    var b: UInt = 0
    var c: UInt = 0

    /// Never 0, which marks an empty slot.
    fileprivate var mark: UInt {
      var hash = UInt64(a) &* 0x9E37_79B9_7F4A_7C15
      hash = (hash ^ hash >> 29 ^ UInt64(b)) &* 0xBF58_476D_1CE4_E5B9
      hash = (hash ^ hash >> 32 ^ UInt64(c)) &* 0x94D0_49BB_1331_11EB
      return UInt(truncatingIfNeeded: hash ^ hash >> 31) | 1
    }
  }

  private struct Slot: ~Copyable {
    let mark = Atomic<UInt>(0)
    var key = Key(a: 0)
    var value: Value?
  }

  private let slots: UnsafeMutablePointer<Slot>
  private let slotCount: Int
  private let count = RawGuarded(0)

  /// - Parameter slotCount: a power of two; three quarters of them are used.
  init(slotCount: Int) {
    unsafe slots = .allocate(capacity: slotCount)
    for index in 0..<slotCount { unsafe (slots + index).initialize(to: Slot()) }
    self.slotCount = slotCount
  }

  func find(_ key: Key) -> Value? {
    let mark = key.mark
    var index = Int(truncatingIfNeeded: mark >> 1) & (slotCount - 1)
    while true {
      let slot = unsafe slots + index
      let found = unsafe slot.pointee.mark.load(ordering: .acquiring)  // Pairs with the release in `insert`.
      if found == 0 { return nil }
      if found == mark, unsafe slot.pointee.key == key { return unsafe slot.pointee.value }
      index = (index + 1) & (slotCount - 1)
    }
  }

  /// The first value for a key stays; gives the one that is in the table, or `value` when there is no room.
  @discardableResult
  func insert(_ value: Value, for key: Key) -> Value {
    count.withLock { count in
      let mark = key.mark
      var index = Int(truncatingIfNeeded: mark >> 1) & (slotCount - 1)
      while true {
        let slot = unsafe slots + index
        let found = unsafe slot.pointee.mark.load(ordering: .relaxed)
        if found == 0 {
          guard count < slotCount / 4 * 3 else { return value }
          unsafe slot.pointee.key = key
          unsafe slot.pointee.value = value
          unsafe slot.pointee.mark.store(mark, ordering: .releasing)
          count += 1
          return value
        }
        if found == mark, unsafe slot.pointee.key == key { return unsafe slot.pointee.value! }
        index = (index + 1) & (slotCount - 1)
      }
    }
  }
}
