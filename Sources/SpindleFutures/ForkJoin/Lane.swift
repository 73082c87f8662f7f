import SpindleGround
import Synchronization

/// The forked jobs of one worker: it pushes and pops at the bottom, others steal at the top. A Chase-Lev deque.
///
///     owner                                        thief
///     P1 item at bottom (relaxed)                  T1 load top (sequentially consistent)
///     P2 bottom += 1 (releasing)                   T2 load bottom (sequentially consistent); none: empty
///     P3 somebody searches? signal                 T3 load buffer, load the item at top
///                                                  T4 top += 1 by compare and exchange (seq. consistent)
///     Q1 bottom -= 1 (sequentially consistent)
///     Q2 load top (sequentially consistent)
///     Q3 top < bottom: the item is the owner's
///     Q4 top == bottom: top += 1 by compare and
///        exchange, as a thief does
///
/// No item is had twice. Say a thief and the owner both take the item at i, the owner at Q3. The owner saw top < i
/// after it had lowered bottom to i. The thief saw bottom > i at T2, so T2 precedes Q1 in the one order of all
/// sequentially consistent accesses; T1 had seen top == i before, so Q2 sees at least i: the owner is not at Q3.
/// At Q4 and T4 only one exchange of top succeeds. An item is not overwritten before it was taken: the owner grows the
/// buffer when bottom - top reaches its size, and a top it read too early only makes it grow too early.
/// T3 may read from a buffer that has been replaced: old ones stay, unchanged, as long as the lane.
///
/// P3 needs no fence: who is about to sleep makes all threads pass one (`ForkTeam.search`).
// SAFETY: the team outlives its lanes; the buffers are the team's to free.
@usableFromInline
@safe struct Lane: ~Copyable {
  // Read by the owner, and now and then by thieves.
  let team: Unmanaged<ForkTeam>
  @usableFromInline let pool: UInt32
  @usableFromInline let searchers: UnsafeMutablePointer<Atomic<Int>>
  @usableFromInline let bottom = Atomic<Int>(0)
  /// The same, for the owner alone: to read a word that was just exchanged (Q1) takes Intel's processors several nanoseconds longer.
  @usableFromInline let ownBottom = Atomic<Int>(0)
  /// The address of a mask, and after it one word for each item.
  @usableFromInline let buffer: Atomic<UInt>
  private let gap0: (UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  // Written by thieves.
  @usableFromInline let top = Atomic<Int>(0)
  private let gap1: (UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt) =
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  static var firstSize: Int { 64 }
  static var alignment: Int { 128 }

  init(team: ForkTeam, pool: UInt32) {
    unsafe self.team = Unmanaged.passUnretained(team)
    self.pool = pool
    unsafe searchers = unsafe team.searchers
    buffer = Atomic(Self.makeBuffer(size: Self.firstSize))
  }

  deinit { unsafe UnsafeMutableRawPointer(bitPattern: buffer.load(ordering: .relaxed))!.deallocate() }

  private static func makeBuffer(size: Int) -> UInt {
    let words = UnsafeMutablePointer<UInt>.allocate(capacity: size + 1)
    unsafe words.initialize(repeating: 0, count: size + 1)
    unsafe words.pointee = UInt(size - 1)
    return UInt(bitPattern: words)
  }

  /// The word of an item, for atomic access.
  @inlinable @inline(__always)
  static func word(_ buffer: UInt, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt>> {
    let words = unsafe UnsafeMutablePointer<UInt>(bitPattern: buffer).unsafelyUnwrapped
    let place = unsafe Int(bitPattern: UInt(bitPattern: index) & words.pointee) &+ 1
    return unsafe UnsafeMutableRawPointer(words + place).assumingMemoryBound(to: Atomic<UInt>.self)
  }

  @inlinable @inline(__always)
  static func size(_ buffer: UInt) -> Int {
    unsafe Int(bitPattern: UnsafeMutablePointer<UInt>(bitPattern: buffer).unsafelyUnwrapped.pointee) &+ 1
  }

  // MARK: The owner

  @inlinable @inline(__always)
  borrowing func push(_ item: ForkItem) {
    let bottom = ownBottom.load(ordering: .relaxed)
    // Acquiring: pairs with T4; what thieves read of the old item at this place comes before P1.
    if bottom &- top.load(ordering: .acquiring) >= Self.size(buffer.load(ordering: .relaxed)) { grow() }
    unsafe Self.word(buffer.load(ordering: .relaxed), bottom).pointee.store(item.word, ordering: .relaxed)  // P1
    self.bottom.store(bottom &+ 1, ordering: .releasing)  // P2
    ownBottom.store(bottom &+ 1, ordering: .relaxed)
    if unsafe searchers.pointee.load(ordering: .relaxed) != 0 { signal() }  // P3
  }

  /// How many jobs lie here that nobody took.
  @inlinable @inline(__always)
  var count: Int { ownBottom.load(ordering: .relaxed) &- top.load(ordering: .relaxed) }

  /// Takes back what was pushed last, as the word of an item; 0 when it was stolen, and then all that was pushed before it, too.
  @inlinable @inline(__always)
  borrowing func pop() -> UInt {
    let bottom = ownBottom.load(ordering: .relaxed) &- 1
    ownBottom.store(bottom, ordering: .relaxed)
    self.bottom.store(bottom, ordering: .sequentiallyConsistent)  // Q1
    let top = top.load(ordering: .sequentiallyConsistent)  // Q2
    if top < bottom {  // Q3
      return unsafe Self.word(buffer.load(ordering: .relaxed), bottom).pointee.load(ordering: .relaxed)
    }
    return popLast(bottom, top)
  }

  @inlinable @inline(never)
  borrowing func popLast(_ bottom: Int, _ top: Int) -> UInt {
    let item = unsafe Self.word(buffer.load(ordering: .relaxed), bottom).pointee.load(ordering: .relaxed)
    let isOurs =
      top == bottom
      && self.top.compareExchange(expected: top, desired: top &+ 1, ordering: .sequentiallyConsistent).exchanged  // Q4
    self.bottom.store(bottom &+ 1, ordering: .relaxed)
    ownBottom.store(bottom &+ 1, ordering: .relaxed)
    return isOurs ? item : 0
  }

  @inline(never) @usableFromInline
  borrowing func takeBack(_ job: UnsafeMutablePointer<ForkJob>, popped: UInt) -> Bool {
    unsafe team._withUnsafeGuaranteedRef { unsafe $0.takeBack(job, self, popped: popped) }
  }

  @inline(never) @usableFromInline
  borrowing func signal() { unsafe team._withUnsafeGuaranteedRef { $0.signal() } }

  @inline(never) @usableFromInline
  borrowing func grow() {
    let old = buffer.load(ordering: .relaxed)
    let new = Self.makeBuffer(size: Self.size(old) * 2)
    let bottom = ownBottom.load(ordering: .relaxed)
    for index in top.load(ordering: .acquiring)..<bottom {
      unsafe Self.word(new, index).pointee.store(Self.word(old, index).pointee.load(ordering: .relaxed), ordering: .relaxed)
    }
    unsafe team._withUnsafeGuaranteedRef { $0.keep(old) }
    buffer.store(new, ordering: .releasing)  // pairs with T3
  }

  // MARK: Thieves

  /// Whether there is nothing to take, as T1 and T2.
  var isEmpty: Bool { top.load(ordering: .sequentiallyConsistent) >= bottom.load(ordering: .sequentiallyConsistent) }

  /// Takes the oldest job; nil when there is none.
  borrowing func steal() -> ForkItem? {
    while true {
      let top = top.load(ordering: .sequentiallyConsistent)  // T1
      guard top < bottom.load(ordering: .sequentiallyConsistent) else { return nil }  // T2
      let item = unsafe Self.word(buffer.load(ordering: .acquiring), top).pointee.load(ordering: .relaxed)  // T3
      if self.top.compareExchange(expected: top, desired: top &+ 1, ordering: .sequentiallyConsistent).exchanged {  // T4
        return ForkItem(word: item)
      }
    }
  }
}
