internal import Synchronization

/// The words of a `SharedRing`'s two sides: what each knows, in two copies, of which a commit word says which is valid.
///
///     putters   0 lock  1 commit  2 tail, puts  4 tail, puts  6 head and takes as last seen
///               8 size, start, given  11 size, start, given  14 the number of the last packet
///     takers    0 lock  1 commit  2 head, takes, size  5 head, takes, size
///               8 tail and puts as last seen  10 elements done
///
/// A side's first line is all that it touches while it knows of enough room, or of enough elements. The lowest bit of the commit
/// word says which copy is valid, for putters the next one which copy of the second line; the rest of it counts changes.
// SAFETY: the words are atomic; a side's are written under its lock only. Whoever has this value keeps the mapping.
@safe struct RingSides: @unchecked Sendable {
  typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

  private let put: Words
  private let take: Words

  private static let lock = 0, commit = 1
  private static let seenHead = 6, seenTakes = 7, packet = 14
  private static let seenTail = 8, seenPuts = 9, finished = 10

  static let byteCount = 128

  init(put: Words, take: Words) {
    unsafe self.put = put
    unsafe self.take = take
  }

  // MARK: Putters

  @inline(__always) private static func copy(_ now: UInt64) -> Int { 2 + 2 * Int(now & 1) }
  @inline(__always) private static func place(_ now: UInt64) -> Int { 8 + 3 * Int(now >> 1 & 1) }

  /// For who has the lock.
  @inline(__always)
  var putCommit: UInt64 { unsafe put[Self.commit].load(ordering: .relaxed) }

  @inline(__always)
  func readPut(_ now: UInt64) -> PutState {
    let copy = Self.copy(now), place = Self.place(now)
    return unsafe PutState(
      tail: put[copy].load(ordering: .relaxed), puts: put[copy + 1].load(ordering: .relaxed),
      size: put[place].load(ordering: .relaxed), start: put[place + 1].load(ordering: .relaxed),
      given: put[place + 2].load(ordering: .relaxed))
  }

  /// P3 and P4: under the lock; `now` is the commit word that was read there.
  @inline(__always)
  func commit(_ state: PutState, after now: UInt64) {
    let next = (now &+ 4) ^ (state.isMoved ? 3 : 1)
    // Who reads a part of what is written now without the lock sees the commit word changed: pairs with `peekPut`.
    atomicMemoryFence(ordering: .releasing)
    let copy = Self.copy(next)
    unsafe put[copy].store(state.tail, ordering: .relaxed)
    unsafe put[copy + 1].store(state.puts, ordering: .relaxed)
    if state.isMoved {
      let place = Self.place(next)
      unsafe put[place].store(state.size, ordering: .relaxed)
      unsafe put[place + 1].store(state.start, ordering: .relaxed)
      unsafe put[place + 2].store(state.given, ordering: .relaxed)
    }
    FaultPoint.ringStateWritten.reach()
    // Releasing the record to the takers, who acquire in `peekPut`.
    unsafe put[Self.commit].store(next, ordering: .releasing)
    FaultPoint.ringCommitted.reach()
  }

  /// Of this moment, without the lock.
  ///
  /// The lock is read first, acquiring: who was registered at a spot with its fence before this, and is not seen by who left the
  /// lock, sees that the lock was left, and so all that was done before it. See `SharedSpot.wakeAfterExchange`.
  @inline(__always)
  func peekPut() -> PutState {
    _ = unsafe put[Self.lock].load(ordering: .acquiring)
    while true {
      let before = unsafe put[Self.commit].load(ordering: .acquiring)
      let state = readPut(before)
      // The copy that was read is not written before the commit word has changed.
      atomicMemoryFence(ordering: .acquiring)
      if unsafe put[Self.commit].load(ordering: .relaxed) == before { return state }
    }
  }

  // MARK: Takers

  @inline(__always)
  var takeCommit: UInt64 { unsafe take[Self.commit].load(ordering: .relaxed) }

  @inline(__always)
  func readTake(_ now: UInt64) -> TakeState {
    let copy = 2 + 3 * Int(now & 1)
    return unsafe TakeState(
      head: take[copy].load(ordering: .relaxed), takes: take[copy + 1].load(ordering: .relaxed),
      size: take[copy + 2].load(ordering: .relaxed))
  }

  /// T3 and T4: under the lock. Returns the new commit word.
  @inline(__always)
  @discardableResult
  func commit(_ state: TakeState, after now: UInt64) -> UInt64 {
    let next = now &+ 1
    atomicMemoryFence(ordering: .releasing)  // as for putters, pairs with `peekTake`
    let copy = 2 + 3 * Int(next & 1)
    unsafe take[copy].store(state.head, ordering: .relaxed)
    unsafe take[copy + 1].store(state.takes, ordering: .relaxed)
    unsafe take[copy + 2].store(state.size, ordering: .relaxed)
    FaultPoint.ringStateWritten.reach()
    // Releasing: the record has been read before its room is given to the putters, who acquire in `peekTake`.
    unsafe take[Self.commit].store(next, ordering: .releasing)
    FaultPoint.ringCommitted.reach()
    return next
  }

  /// As `peekPut`.
  @inline(__always)
  func peekTake() -> TakeState {
    _ = unsafe take[Self.lock].load(ordering: .acquiring)
    while true {
      let before = unsafe take[Self.commit].load(ordering: .acquiring)
      let state = readTake(before)
      atomicMemoryFence(ordering: .acquiring)
      if unsafe take[Self.commit].load(ordering: .relaxed) == before { return state }
    }
  }

  /// Both of one moment: while what was put is read nothing is taken.
  func peek() -> RingState {
    var rounds = 0
    while true {
      let before = unsafe take[Self.commit].load(ordering: .acquiring)
      let take = peekTake(), put = peekPut()
      rounds += 1
      // When it never succeeds, what is put may be newer than what is taken: then the count is too large at worst.
      if unsafe self.take[Self.commit].load(ordering: .relaxed) == before || rounds == 1000 {
        return RingState(head: take.head, tail: put.tail, puts: put.puts, takes: take.takes, size: put.size)
      }
    }
  }

  // MARK: What a side has last seen of the other, and what else it knows; all of it under its lock

  @inline(__always)
  var headSeenByPutters: UInt64 { unsafe put[Self.seenHead].load(ordering: .relaxed) }

  @inline(__always)
  var takesSeenByPutters: UInt64 { unsafe put[Self.seenTakes].load(ordering: .relaxed) }

  /// Putters look at the takers. What they saw before was true then: there is at least so much room.
  @inline(__always)
  func lookAtTakers() {
    let take = peekTake()
    unsafe put[Self.seenHead].store(take.head, ordering: .relaxed)
    unsafe put[Self.seenTakes].store(take.takes, ordering: .relaxed)
  }

  @inline(__always)
  var tailSeenByTakers: UInt64 { unsafe take[Self.seenTail].load(ordering: .relaxed) }

  @inline(__always)
  var putsSeenByTakers: UInt64 { unsafe take[Self.seenPuts].load(ordering: .relaxed) }

  @inline(__always)
  func noteSeen(_ state: PutState) {
    unsafe take[Self.seenTail].store(state.tail, ordering: .relaxed)
    unsafe take[Self.seenPuts].store(state.puts, ordering: .relaxed)
  }

  /// Elements done. Under the lock of the takers; read by others.
  var done: UInt64 {
    get { unsafe take[Self.finished].load(ordering: .acquiring) }
    nonmutating set { unsafe take[Self.finished].store(newValue, ordering: .releasing) }
  }

  /// A number that no packet had before: stored first, so that a packet whose sender dies keeps its own.
  func nextPacket() -> UInt64 {
    let number = unsafe put[Self.packet].load(ordering: .relaxed) &+ 1
    unsafe put[Self.packet].store(number, ordering: .relaxed)
    return number
  }

  // MARK: For tests

  /// As a change does that is never committed.
  func spoilNextTail() { unsafe put[Self.copy(putCommit ^ 1)].store(.max, ordering: .relaxed) }

  /// A word that counts: 0 head, 1 tail, 2 puts, 3 takes, 4 done, 5 and 8 the sizes, 6 given, 7 start; 9 to 12 what was last seen.
  func word(_ index: Int) -> Words {
    let copy = Self.copy(putCommit), place = Self.place(putCommit), taken = 2 + 3 * Int(takeCommit & 1)
    return switch index {
    case 0: unsafe take + taken
    case 1: unsafe put + copy
    case 2: unsafe put + copy + 1
    case 3: unsafe take + taken + 1
    case 4: unsafe take + Self.finished
    case 5: unsafe put + place
    case 6: unsafe put + place + 2
    case 7: unsafe put + place + 1
    case 8: unsafe take + taken + 2
    case 9: unsafe put + Self.seenHead
    case 10: unsafe put + Self.seenTakes
    case 11: unsafe take + Self.seenTail
    default: unsafe take + Self.seenPuts
    }
  }
}
