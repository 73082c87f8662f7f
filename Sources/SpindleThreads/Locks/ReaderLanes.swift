import CSpindle
import Synchronization

/// The readers of a `ReadWriteLock` for which many come at once, counted on the processor they run on.
///
/// A count that all processors change travels between them with each change; of these each stays where it is. A reader that has moved
/// meanwhile leaves on another lane than it came by: only the sum says how many there are.
///
///     reader                                       writer
///     R1 its lane += 1                             X1 the bit `writer` is set
///     R2 load the state; no bit: it reads          X2 add up the state's readers and all lanes; not 0: sleep on `drain`
///     R3 else the same lane -= 1, wake `drain`     X3 the bit `writing` is set; add up again; not 0: take it back, and X2
///     R4 a lane -= 1, wake `drain`                 X4 write
///                                                  X5 the bits are cleared; wake readers and a writer
///
/// At R2 a reader looks for `writer`; one that may read already, for which a writer may be waiting, for `writing` only.
///
/// All are sequentially consistent. A reader that did not see the bit at R2 came before it with R1, so a sum after it sees that; what
/// it subtracts, it subtracts after it has read; and R3 takes from the lane what R1 gave it, so no lane is seen too low. So the
/// sum at X3 is never less than the number of those who read, although it is not read at once. That at X2 may be, when one who reads
/// again comes by a lane that has been looked at and leaves by one that has not: it only says when to try X3.
///
/// Lanes come to a lock while it is used (`ReadWriteLock.spread`), and stay. One of its readers publishes them, and wakes the writers,
/// who wait for the state to be 0. It leaves by a lane, so the state never is 0 again: a writer that does not see the lanes cannot take
/// the lock. A reader that does not counts in the state, where X2 and X3 find it.
// SAFETY: the lock owns the memory, which holds nothing but atomics.
@usableFromInline
@safe struct ReaderLanes {
  @usableFromInline typealias Count = Atomic<Int>
  /// As many bytes, so that no two lie in what processors fetch at once.
  @usableFromInline static var stride: Int { 128 }

  @usableFromInline let first: UnsafeMutableRawPointer

  /// Nil for 0.
  @inlinable
  init?(_ address: UInt) {
    guard let first = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    unsafe self.first = first
  }

  var address: UInt { UInt(bitPattern: unsafe first) }

  static func make() -> ReaderLanes {
    // A power of two, for a mask. Among the processors that this process may use some numbers may be missing.
    let needed = min(Int(spindle_online_processors()), 2 * Int(spindle_processors()), 64)
    var count = 1
    while count < needed { count *= 2 }
    // One more, where the mask is.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: (count + 1) * stride, alignment: stride)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: (count + 1) * stride)
    unsafe memory.storeBytes(of: count - 1, as: Int.self)
    return ReaderLanes(UInt(bitPattern: memory))!
  }

  func deallocate() { unsafe first.deallocate() }

  @inlinable
  subscript(index: Int) -> UnsafeMutablePointer<Count> {
    unsafe (first + (index + 1) * Self.stride).assumingMemoryBound(to: Count.self)
  }

  @inlinable
  var here: UnsafeMutablePointer<Count> {
    unsafe self[Int(spindle_processor()) & first.load(as: Int.self)]
  }

  var sum: Int {
    unsafe (0...first.load(as: Int.self)).reduce(0) { unsafe $0 + self[$1].pointee.load(ordering: .sequentiallyConsistent) }
  }
}
