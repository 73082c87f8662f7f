import CSpindle
import Synchronization

/// A place where threads and tasks sleep until somebody who changed something says "try again".
///
/// Everything in Spindle that waits inside one process waits here. One word: a list of waiters in the order they
/// came, its guard, and a mark. Nobody waits: the word is 0, and the waker's whole cost is one load.
///
///     sleeper                                  waker
///     S1 try; if it can be done, done          W1 change the state (sequentially consistent)
///     S2 guard, append to the list, unguard    W2 load the word; 0: done
///     S3 full fence                            W3 guard, take n waiters from the front, unguard
///     S4 try once more; done: leave            W4 end each of them; a sleeping one is woken
///     S5 sleep until ended
///
/// Why no wake-up is lost, what a waiter that gives up owes, and why nobody starves: PROTOCOL.md beside this file.
///
/// It is a part of its owner and must stay where it is; the owner, a class, lives as long as anyone waits.
// SAFETY: all state is the atomic word and, behind its guard bit, the waiters' links.
@usableFromInline
package struct ParkingSpot: ~Copyable, @unchecked Sendable {
  /// Bit 0: the guard. Bit 1: reserved. The rest: the first waiter or 0. The list is a ring of references.
  @usableFromInline let word = Atomic<UInt>(0)

  @usableFromInline static var guardBit: UInt { 1 }
  @usableFromInline static var reservedBit: UInt { 2 }
  static var bits: UInt { 3 }

  /// A waiter that others overtook this often while it was waking up is served before any newcomer.
  static var patience: Int { 8 }

  @inlinable
  package init() {}

  deinit { assert(word.load(ordering: .relaxed) == 0, "a parking spot ends while somebody waits on it") }

  // MARK: For wakers

  /// Whether somebody waits (or is about to). The waker's change must be sequentially consistent and come before.
  @inlinable
  package var hasWaiters: Bool {
    // Pairs with S2/S3: see PROTOCOL.md.
    word.load(ordering: .sequentiallyConsistent) != 0
  }

  /// Tells up to `count` of those who wait to try again, longest waiting first.
  @inlinable
  package func wake(_ count: Int = 1) {
    if hasWaiters { _ = end(count, code: 0) }
  }

  /// Tells everyone who waits to try again.
  @inlinable
  package func wakeAll() {
    if hasWaiters { _ = end(.max, code: 0) }
  }

  /// Ends the sleep of up to `count` waiters with a code that `park` returns to them. Returns how many there were.
  @inline(never) @usableFromInline
  @discardableResult
  package func end(_ count: Int, code: UInt32) -> Int {
    guard count > 0 else { return 0 }
    var head = lockGuard()
    var first: Waiter?
    var last: Waiter?
    var taken = 0
    while taken < count, let waiter = Self.first(of: head) {
      head = unlink(waiter, from: head)
      // Out of the list, `next` is ours: chain what was taken, to end them after the guard is released.
      if let last { last.next = waiter } else { first = waiter }
      last = waiter
      taken += 1
    }
    unlockGuard(head)
    while let waiter = first {
      first = waiter.next
      waiter.next = nil
      waiter.end(as: Waiter.woken + code)
    }
    return taken
  }

  // MARK: For sleepers: the reservation

  /// Whether a waiter was overtaken too often: newcomers line up behind it instead of trying.
  @inlinable
  package var isReserved: Bool {
    word.load(ordering: .relaxed) & Self.reservedBit != 0
  }

  /// The waiter that reserved the spot has ended. All try again: those who lined up meanwhile did not look.
  func unreserve() {
    let head = lockGuard()
    unlockGuard(head & ~Self.reservedBit)
    _ = end(.max, code: 0)
  }

  // MARK: The list, behind the guard

  /// Takes the guard; returns the word without its bit. Sequentially consistent: it is S2 of the protocol.
  func lockGuard() -> UInt {
    var spin = SpinPolicy()
    while true {
      let now = word.load(ordering: .relaxed)
      if now & Self.guardBit == 0,
        word.weakCompareExchange(expected: now, desired: now | Self.guardBit, ordering: .sequentiallyConsistent).exchanged
      {
        return now
      }
      // A guarded section is a few pointer writes. If its thread lost the processor there, let it have ours.
      if !spin.pauseOrYield() { spindle_nap(50_000) }
    }
  }

  func unlockGuard(_ head: UInt) {
    word.store(head, ordering: .releasing)  // pairs with the acquiring half of lockGuard
  }

  /// Lists a waiter, as the last or (for one that was woken and overtaken) as the first.
  func enqueue(_ waiter: Waiter, first: Bool = false, reserving: Bool = false) {
    let head = lockGuard()
    var newHead = head
    if let old = Self.first(of: head) {
      let tail = old.previous!
      waiter.next = old
      waiter.previous = tail
      tail.next = waiter
      old.previous = waiter
      if first { newHead = Self.word(of: waiter) }
    } else {
      waiter.next = waiter
      waiter.previous = waiter
      newHead = Self.word(of: waiter)
    }
    waiter.isListed = true
    unlockGuard(newHead & ~Self.bits | head & Self.reservedBit | (reserving ? Self.reservedBit : 0))
  }

  /// Takes a waiter out of the list if a waker has not done so. True when it was still listed.
  func remove(_ waiter: Waiter) -> Bool {
    let head = lockGuard()
    let found = waiter.isListed
    unlockGuard(found ? unlink(waiter, from: head) : head)
    return found
  }

  /// Ends a waiter as having given up, unless a waker was faster. True when it gave up.
  @discardableResult
  func giveUp(_ waiter: Waiter) -> Bool {
    guard remove(waiter) else { return false }
    waiter.end(as: Waiter.gaveUp)
    return true
  }

  /// Unlinks a listed waiter; returns the new head with the old mark. The caller holds a reference of its own.
  private func unlink(_ waiter: Waiter, from head: UInt) -> UInt {
    waiter.isListed = false
    let next = waiter.next!
    let previous = waiter.previous!
    waiter.next = nil
    waiter.previous = nil
    if next === waiter { return head & Self.bits }
    next.previous = previous
    previous.next = next
    return head & ~Self.bits == Self.word(of: waiter) ? Self.word(of: next) | head & Self.bits : head
  }

  private static func word(of waiter: Waiter) -> UInt {
    unsafe UInt(bitPattern: Unmanaged.passUnretained(waiter).toOpaque())
  }

  // SAFETY: a listed waiter is kept alive by its neighbours in the ring, or by itself when it is alone.
  private static func first(of head: UInt) -> Waiter? {
    unsafe UnsafeRawPointer(bitPattern: head & ~bits).map { unsafe Unmanaged.fromOpaque($0).takeUnretainedValue() }
  }
}
