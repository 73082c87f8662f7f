internal import CSpindle
internal import SpindleGround

/// A table of those who wait for a shared condition or barrier, in the words of a journal.
///
/// The twin of the waiters' list of `ParkingSpot` between processes: each who waits has a place of its own, in which a
/// waker leaves how its wait ended; so a notification reaches whom it was meant for, in the order in which they came. A
/// place belongs to a process; when that has ended, whoever looks next frees it.
///
///     free ──enlist──► waiting ──end──► ended(code) ──collect──► free
///                         └──hold──► held ──end──┘     held: taken off the line; ended by whoever took it
///
/// A place is `stride` words: the process, the state (the phase in the low half, on which the waiter may sleep, the number
/// of its coming in the high half), and for one that is held who holds it and for which act.
struct SharedWaiters: Sendable {
  static let stride = 4
  /// Words for a table of so many places: two counters, then the places.
  static func wordCount(places: Int) -> Int { 2 + stride * places }

  /// What a place is: a phase above `ended` is a code.
  enum Phase {
    static let free: UInt32 = 0
    static let waiting: UInt32 = 1
    static let held: UInt32 = 2
    static let ended: UInt32 = 16
  }

  let journal: SharedJournal
  private let first: Int
  let places: Int

  /// The table at the journal's word `first`.
  init(_ journal: SharedJournal, at first: Int, places: Int) {
    self.journal = journal
    self.first = first
    self.places = places
  }

  private var comings: Int { first }
  private var usedWord: Int { first + 1 }
  private func key(_ place: Int) -> Int { first + 2 + Self.stride * place }
  private func state(_ place: Int) -> Int { key(place) + 1 }
  private func holder(_ place: Int) -> Int { key(place) + 2 }
  private func act(_ place: Int) -> Int { key(place) + 3 }

  /// Places behind it are free.
  var used: Int { min(Int(truncatingIfNeeded: journal[usedWord]), places) }

  func phase(_ place: Int) -> UInt32 { UInt32(truncatingIfNeeded: journal[state(place)]) }
  private func coming(_ place: Int) -> UInt32 { UInt32(truncatingIfNeeded: journal[state(place)] >> 32) }
  func owner(_ place: Int) -> ProcessKey { ProcessKey(rawValue: journal[key(place)]) }
  /// Who holds the place, when its phase says that somebody does.
  func heldBy(_ place: Int) -> ProcessKey { ProcessKey(rawValue: journal[holder(place)]) }
  func act(of place: Int) -> UInt64 { journal[act(place)] }

  // MARK: Changes, as parts of one of the journal's; each at most once for a place in one change

  /// A place for this process; nil when none is free.
  func enlist(_ draft: inout SharedJournal.Draft) -> Int? {
    let used = used
    guard let place = (0..<used).first(where: { phase($0) == Phase.free }) ?? (used < places ? used : nil) else {
      return nil
    }
    let number = draft[comings]
    draft.set(comings, number &+ 1)
    draft.set(key(place), ProcessKey.current.rawValue)
    draft.set(state(place), number << 32 | UInt64(Phase.waiting))
    if place == used { draft.set(usedWord, UInt64(used + 1)) }
    return place
  }

  /// Tells one act from another.
  func nextAct(_ draft: inout SharedJournal.Draft) -> UInt64 {
    let number = draft[comings]
    draft.set(comings, number &+ 1)
    return number
  }

  func free(_ place: Int, _ draft: inout SharedJournal.Draft) { draft.set(state(place), UInt64(Phase.free)) }

  func end(_ place: Int, code: UInt32, _ draft: inout SharedJournal.Draft) {
    draft.set(state(place), journal[state(place)] & ~0xFFFF_FFFF | UInt64(Phase.ended + code))
  }

  func hold(_ place: Int, act: UInt64, _ draft: inout SharedJournal.Draft) {
    draft.set(holder(place), ProcessKey.current.rawValue)
    draft.set(self.act(place), act)
    draft.set(state(place), journal[state(place)] & ~0xFFFF_FFFF | UInt64(Phase.held))
  }

  /// The places of those who wait, first come first.
  func line() -> [Int] {
    let oldest = UInt32(truncatingIfNeeded: journal[comings])
    let waiting = (0..<used).filter { phase($0) == Phase.waiting }
    // Numbers go round: what counts is how long ago.
    return waiting.sorted { oldest &- coming($0) > oldest &- coming($1) }
  }

  // MARK: Sleeping in one's place

  /// Sleeps while the place has that phase, up to a slice.
  func sleep(in place: Int, while phase: UInt32, until deadline: Deadline) {
    let end = min(deadline.nanoseconds, spindle_now() + SharedSpot.slice)
    unsafe spindle_shared_wait(journal.futex(state(place)), phase, end)
  }

  /// Wakes who sleeps in that place. Not under the lock.
  func wake(_ place: Int) { unsafe spindle_shared_wake(journal.futex(state(place)), .max) }
}
