internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// A lock in one word of shared memory that knows which process holds it, and is taken over when that has ended.
///
/// 0: free; else the `ProcessKey` of the holder, with bit 31 set when somebody may sleep.
///
///     acquire                                     release
///     A1 0: becomes my key; done                  R1 the word becomes 0
///     A2 spin, as A1                              R2 bit 31 was set: wake one who sleeps on the word
///     A3 set bit 31
///     A4 sleep while the word is unchanged,
///        a slice at most
///     A5 the slice is over: has the holder ended?
///        its key becomes mine with bit 31; done, and told
///     A6 0: becomes my key with bit 31; done      else again from A3
///
/// Who slept takes the lock with bit 31 set (A6), for others may sleep on; so a wake-up is handed on by R2. Taking over
/// (A5) is one exchange of the dead one's key, so one of several wins, and it cannot hit a living holder.
///
/// Deaths: of the holder, A5. Of a releaser between R1 and R2, or of one that was woken and has not yet taken it: the
/// others sleep to the end of their slice. Slices double from a millisecond to `longestSlice`.
// SAFETY: the word is atomic, in a mapping that whoever has this value keeps.
@safe struct OwnedWord: @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt64>>

  enum Outcome: Equatable {
    case acquired
    /// Acquired; the one who held it before has ended without releasing it.
    case takenOver(from: ProcessKey)
    case timedOut
  }

  private static var firstSlice: Int64 { 1_000_000 }
  private static var longestSlice: Int64 { 100_000_000 }

  init(in mapping: SharedMapping, at offset: Int) { unsafe word = mapping.word64(at: offset) }

  /// Who holds it at this moment.
  var holder: ProcessKey? {
    let now = unsafe word.pointee.load(ordering: .relaxed)
    return now == 0 ? nil : ProcessKey(rawValue: now)
  }

  /// Whether somebody may sleep for it.
  var mayHaveSleepers: Bool { unsafe word.pointee.load(ordering: .relaxed) & ProcessKey.flag != 0 }

  @inline(__always)
  func tryAcquire() -> Bool {
    // Acquiring: pairs with release().
    unsafe word.pointee.compareExchange(expected: 0, desired: spindle_process_key(), ordering: .acquiring).exchanged
  }

  @inline(__always)
  func acquire(until deadline: Deadline = .never) -> Outcome {
    tryAcquire() ? .acquired : acquireSlowly(until: deadline)  // A1
  }

  /// Takes it when whoever holds it has ended. Some microseconds: not for every failed try.
  func takeOver() -> ProcessKey? {
    let now = unsafe word.pointee.load(ordering: .relaxed)
    let owner = ProcessKey(rawValue: now)
    guard now != 0, !owner.lives() else { return nil }
    let mine = spindle_process_key() | ProcessKey.flag
    // Acquiring: what the dead one wrote before it died is visible, for the kernel has ended it before we asked.
    return unsafe word.pointee.compareExchange(expected: now, desired: mine, ordering: .acquiring).exchanged
      ? owner : nil
  }

  @inline(never)
  private func acquireSlowly(until deadline: Deadline) -> Outcome {
    var spin = SpinPolicy()
    while deadline != .immediate, spin.pauseOrYield() {
      if unsafe word.pointee.load(ordering: .relaxed) == 0, tryAcquire() { return .acquired }  // A2
    }
    var slice = Self.firstSlice
    while true {
      let now = unsafe word.pointee.load(ordering: .relaxed)
      if now == 0 {
        let mine = spindle_process_key() | ProcessKey.flag  // A6
        if unsafe word.pointee.compareExchange(expected: 0, desired: mine, ordering: .acquiring).exchanged {
          return .acquired
        }
        continue
      }
      if deadline.hasPassed {
        // "Try once" must see a dead holder too: nobody else may be there to see it.
        if let dead = takeOver() { return .takenOver(from: dead) }
        return .timedOut
      }
      if now & ProcessKey.flag == 0 {
        guard
          unsafe word.pointee.compareExchange(
            expected: now, desired: now | ProcessKey.flag, ordering: .relaxed
          ).exchanged
        else { continue }  // A3
      }
      let end = min(deadline.nanoseconds, spindle_now() + slice)
      // SAFETY: the low half of the word, which holds the number and bit 31, is a word of its own for the kernel.
      unsafe spindle_shared_wait(
        UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self),
        UInt32(truncatingIfNeeded: now | ProcessKey.flag), end)  // A4
      if spindle_now() >= end {
        if let dead = takeOver() { return .takenOver(from: dead) }  // A5
        slice = min(2 * slice, Self.longestSlice)
      }
    }
  }

  /// Gives it back; false when nobody held it. Whoever holds it, this process or another.
  @inline(__always)
  @discardableResult
  func release() -> Bool {
    // Releasing for the next holder. Sequentially consistent for `SharedSpot.wakeAfterExchange`.
    let before = unsafe word.pointee.exchange(0, ordering: .sequentiallyConsistent)  // R1
    if before & ProcessKey.flag != 0 { wake() }
    return before != 0
  }

  @inline(never)
  private func wake() {
    FaultPoint.ownedWordReleased.reach()
    // SAFETY: as above.
    unsafe spindle_shared_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 1)  // R2
  }
}
