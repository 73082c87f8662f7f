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
  /// Bit 0: the guard. Bits 1 to 3: how many have reserved, the mark. Bit 63: held, in a lock's spot
  /// (`ParkingSpot+Lock.swift`), which may change while another thread has the guard. The rest: the first waiter or 0. The
  /// list is a ring of references; objects lie at multiples of 16, as `malloc` promises on 64-bit systems, and in the lower
  /// half of the address space.
  @usableFromInline let word = Atomic<UInt>(0)

  @usableFromInline static var guardBit: UInt { 1 }
  @usableFromInline static var heldBit: UInt { 1 << 63 }
  /// One reservation.
  static var reservation: UInt { 2 }
  @usableFromInline static var reservations: UInt { 14 }
  static var bits: UInt { 15 }

  /// A waiter that others overtook this often while it was waking up is served before any newcomer.
  static var patience: Int { 8 }

  @inlinable
  package init() {}

  deinit { assert(word.load(ordering: .relaxed) & ~Self.heldBit == 0, "a parking spot ends while somebody waits on it") }

  // MARK: For wakers

  /// Whether somebody waits (or is about to). The waker's change must be sequentially consistent and come before. Not for the spot of a
  /// lock, whose word says more.
  @inlinable
  package var hasWaiters: Bool {
    // Pairs with S2/S3: see PROTOCOL.md.
    word.load(ordering: .sequentiallyConsistent) != 0
  }

  /// Whether somebody stands in line: for those who would rather line up behind them, not for wakers.
  ///
  /// Not `hasWaiters`: a waker, or a waiter that leaves, may hold the guard of an empty list for a moment, and who
  /// lines up behind that lines up behind nobody, whom nobody will wake.
  @inlinable
  package var hasLine: Bool {
    word.load(ordering: .sequentiallyConsistent) & ~Self.guardBit != 0
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
    let group = take(count)
    group.end(code: code)
    return group.count
  }

  /// Takes up to `count` waiters from the front of the list. They sleep on until their group is ended, or put back and woken.
  package func take(_ count: Int) -> Group {
    var group = Group()
    guard count > 0 else { return group }
    withHead { take(count, from: &$0, into: &group) }
    return group
  }

  /// Lists again, as the last, who were taken and sleep on. Who does so then passes a fence and looks in their stead, S3 and S4, and wakes
  /// one if there is need.
  package func putBack(_ group: Group) {
    var next = group.first
    while let waiter = next {
      next = waiter.next
      waiter.next = nil
      enqueue(waiter)
    }
  }

  /// Runs `body`, a few instructions, unless somebody waits, has reserved or has the guard; nobody lines up meanwhile.
  package func ifNobodyWaits(_ body: () -> Void) {
    if !hasWaiters { withHead { if $0 == 0 { body() } } }
  }

  /// How many wait. O(n).
  package var waiterCount: Int { withHead { count(in: $0) } }

  /// Waiters that were taken out of a list and sleep on until `end`.
  package struct Group {
    fileprivate var first: Waiter?
    fileprivate var last: Waiter?
    package fileprivate(set) var count = 0

    /// Ends their sleep, the longest waiting first.
    package func end(code: UInt32) {
      var next = first
      while let waiter = next {
        // Once it is ended its own thread may list it again: read the link before.
        next = waiter.next
        waiter.next = nil
        waiter.end(as: Waiter.woken + code)
      }
    }
  }

  // MARK: For sleepers: the reservation

  /// Whether a waiter was overtaken too often: newcomers line up behind it instead of trying.
  @inlinable
  package var isReserved: Bool {
    word.load(ordering: .relaxed) & Self.reservations != 0
  }

  /// A waiter that reserved the spot has ended. After the last all try again: those who lined up meanwhile did not look.
  func unreserve() {
    let isLast = withHead { head in
      head -= Self.reservation
      return head & Self.reservations == 0
    }
    if isLast { _ = end(.max, code: 0) }
  }

  // MARK: The list, behind the guard

  /// Runs `body` with the guard held, on the word without the bits that are not the list's.
  @inline(__always)
  private func withHead<Result>(_ body: (inout UInt) -> Result) -> Result {
    let before = lockGuard()
    var head = before
    let result = body(&head)
    // Only what changed is written, with the guard's bit: a lock may be taken and released meanwhile. Releasing: pairs with the
    // acquiring half of lockGuard.
    word.wrappingAdd(head &- (before | Self.guardBit), ordering: .releasing)
    return result
  }

  /// Takes the guard. Sequentially consistent: it is S2 of the protocol.
  private func lockGuard() -> UInt {
    var spin = SpinPolicy()
    while true {
      if word.load(ordering: .relaxed) & Self.guardBit == 0,
        word.bitwiseOr(Self.guardBit, ordering: .sequentiallyConsistent).oldValue & Self.guardBit == 0
      {
        return word.load(ordering: .relaxed) & ~(Self.guardBit | Self.heldBit)
      }
      // A guarded section is a few pointer writes. If its thread lost the processor there, let it have ours.
      if !spin.pauseOrYield() { spindle_nap(50_000) }
    }
  }

  /// Lists a waiter, as the last or (for one that was woken and overtaken) as the first. True when it has reserved:
  /// not if more than seven would; it has the next chance when it is overtaken again.
  @discardableResult
  func enqueue(_ waiter: Waiter, first: Bool = false, reserving: Bool = false) -> Bool {
    withHead { head in
      append(waiter, to: &head)
      // In a ring the last becomes the first by moving the head to it.
      if first { head = Self.word(of: waiter) | head & Self.bits }
      let reserves = reserving && head & Self.reservations != Self.reservations
      if reserves { head += Self.reservation }
      return reserves
    }
  }

  /// Takes a waiter out of the list if a waker has not done so. True when it was still listed.
  func remove(_ waiter: Waiter) -> Bool {
    withHead { head in
      let found = waiter.isListed
      if found { unlink(waiter, from: &head) }
      return found
    }
  }

  /// Ends a waiter as having given up, unless a waker was faster. True when it gave up.
  @discardableResult
  func giveUp(_ waiter: Waiter) -> Bool {
    guard remove(waiter) else { return false }
    waiter.end(as: Waiter.gaveUp)
    return true
  }

  private func append(_ waiter: Waiter, to head: inout UInt) {
    waiter.isListed = true
    guard let first = Self.first(of: head) else {
      waiter.next = waiter
      waiter.previous = waiter
      head |= Self.word(of: waiter)
      return
    }
    let last = first.previous!
    waiter.next = first
    waiter.previous = last
    last.next = waiter
    first.previous = waiter
  }

  private func take(_ count: Int, from head: inout UInt, into group: inout Group) {
    while group.count < count, let waiter = Self.first(of: head) {
      unlink(waiter, from: &head)
      // Out of the list, `next` is ours: it chains the group.
      if let last = group.last { last.next = waiter } else { group.first = waiter }
      group.last = waiter
      group.count += 1
    }
  }

  private func count(in head: UInt) -> Int {
    guard let first = Self.first(of: head) else { return 0 }
    var count = 1
    var waiter = first
    while let next = waiter.next, next !== first {
      waiter = next
      count += 1
    }
    return count
  }

  /// Unlinks a listed waiter; the mark stays. The caller holds a reference of its own.
  private func unlink(_ waiter: Waiter, from head: inout UInt) {
    waiter.isListed = false
    let next = waiter.next!
    let previous = waiter.previous!
    waiter.next = nil
    waiter.previous = nil
    if next === waiter {
      head &= Self.bits
      return
    }
    next.previous = previous
    previous.next = next
    if head & ~Self.bits == Self.word(of: waiter) { head = Self.word(of: next) | head & Self.bits }
  }

  private static func word(of waiter: Waiter) -> UInt {
    let word = unsafe UInt(bitPattern: Unmanaged.passUnretained(waiter).toOpaque())
    assert(word & (bits | heldBit) == 0, "an object does not lie at a multiple of 16, or not in the lower half")
    return word
  }

  // SAFETY: a listed waiter is kept alive by its neighbours in the ring, or by itself when it is alone.
  private static func first(of head: UInt) -> Waiter? {
    unsafe UnsafeRawPointer(bitPattern: head & ~bits).map { unsafe Unmanaged.fromOpaque($0).takeUnretainedValue() }
  }
}
