internal import CSpindle
internal import SpindleGround

/// What a shared condition is in memory: those who wait.
///
///     waiter, with the user's lock                notifier, with the user's lock
///     C1 take a place, waiting                    N1 the first in line, if its process lives: ended
///     C2 give the user's lock back                N2 wake it
///     C3 sleep while the place is waiting,        N3 further ones from N1
///        a slice at most; then look for the dead
///     C4 time is over and the place waiting:
///        free the place
///     C5 take the user's lock
///     C6 ended: free the place
///
/// C4 is one change of the journal, as is N1: a wait whose time runs out as it is notified was notified. A waiter that dies
/// before N1 is passed over; one that dies after N1 and before C6 leaves a place that is ended and belongs to nobody: whoever
/// looks next (C3) frees it and ends the next in line in its stead. Until C5 nobody could learn otherwise that what was
/// notified has not been seen; from C5 on the user's lock says that its holder died. So C6 comes after C5.
///
/// Who finds no place (so many wait already) waits for one; `everyone` tells it of a notification of all.
struct SharedConditionCore: Sendable {
  private static let places = 1000
  private enum Word {
    /// How often all were notified while some had no place.
    static let everyone = 0
    static let looked = 1
    static let waiters = 2
  }
  private static let wordCount = Word.waiters + SharedWaiters.wordCount(places: places)
  static let byteCount = SharedJournal.byteCount(words: wordCount, changes: 8)
  private static let notified: UInt32 = 0

  private let journal: SharedJournal
  let waiters: SharedWaiters

  init(in mapping: SharedMapping) {
    journal = SharedJournal(in: mapping, at: SharedBlock.headSize, words: Self.wordCount, changes: 8)
    waiters = SharedWaiters(journal, at: Word.waiters, places: Self.places)
  }

  /// A place, or what to watch without one.
  enum Enlisting {
    case place(Int)
    case none(everyone: UInt64)
  }

  func enlist() -> Enlisting {
    journal.change { draft in
      waiters.enlist(&draft).map { .place($0) } ?? .none(everyone: draft[Word.everyone])
    }
  }

  /// How a wait ended.
  enum End {
    case timedOut
    /// With the place that is to be freed when the waiter has the user's lock.
    case notified(place: Int?)
  }

  func wait(in enlisting: Enlisting, until deadline: Deadline) -> End {
    switch enlisting {
    case .place(let place): return wait(at: place, until: deadline)
    case .none(let everyone):
      // Rare, and then short naps do: those in line come first anyway.
      while true {
        if journal[Word.everyone] != everyone { return .notified(place: nil) }
        if deadline.hasPassed { return .timedOut }
        if case .place(let place) = enlist() {
          // Everyone may have been notified just before we were in line; what reached us since then is another's.
          if journal[Word.everyone] == everyone { return wait(at: place, until: deadline) }
          if journal.change({ handOn(place, &$0) }) { wakeEnded() }
          return .notified(place: nil)
        }
        lookForTheDead(always: true)
        let nap = Deadline(nanoseconds: min(deadline.nanoseconds, spindle_now() + 1_000_000))
        waiters.sleep(in: 0, while: waiters.phase(0), until: nap)
      }
    }
  }

  private func wait(at place: Int, until deadline: Deadline) -> End {
    var pauses = SpinPolicy()
    while waiters.phase(place) == SharedWaiters.Phase.waiting, pauses.pauseOrYield() {}
    while waiters.phase(place) == SharedWaiters.Phase.waiting {
      if deadline.hasPassed {
        if leave(place) { return .timedOut }
        break
      }
      lookForTheDead()
      waiters.sleep(in: place, while: SharedWaiters.Phase.waiting, until: deadline)  // C3
    }
    return .notified(place: place)
  }

  /// C4; false when it was ended before.
  private func leave(_ place: Int) -> Bool {
    journal.change { draft in
      guard waiters.phase(place) == SharedWaiters.Phase.waiting else { return false }
      waiters.free(place, &draft)
      return true
    }
  }

  /// C6, for who has taken the user's lock again. True when it was notified.
  func finish(_ end: End) -> Bool {
    guard case .notified(let place) = end else { return false }
    FaultPoint.conditionLocked.reach()
    if let place { journal.change { waiters.free(place, &$0) } }
    return true
  }

  func notify(_ count: Int) {
    if count >= Self.places {
      journal.change { $0.set(Word.everyone, $0[Word.everyone] &+ 1) }
    } else if waiters.used == 0 {
      return
    }
    var left = count
    // Those in line now, not those who come while we are at it.
    for place in waiters.line() where left > 0 {
      if end(place) { left -= 1 }
    }
  }

  /// N1 and N2, for one; false when it does not wait any more or has died.
  private func end(_ place: Int) -> Bool {
    let owner = waiters.owner(place)
    let lives = owner.lives(exactly: false)
    let isEnded = journal.change { draft in
      guard waiters.phase(place) == SharedWaiters.Phase.waiting, waiters.owner(place) == owner else { return false }
      if lives { waiters.end(place, code: Self.notified, &draft) } else { waiters.free(place, &draft) }
      return lives
    }
    if isEnded {
      FaultPoint.conditionEnded.reach()
      waiters.wake(place)
    }
    return isEnded
  }

  /// Frees the places of the dead, and hands on the notifications that reached them.
  private func lookForTheDead(always: Bool = false) {
    guard always || SharedPatrol.isDue(journal, Word.looked) else { return }
    for place in 0..<waiters.used where waiters.phase(place) != SharedWaiters.Phase.free {
      let owner = waiters.owner(place)
      if owner.lives() { continue }
      let wasNotified = journal.change { draft in
        guard waiters.phase(place) != SharedWaiters.Phase.free, waiters.owner(place) == owner else { return false }
        return handOn(place, &draft)
      }
      if wasNotified { wakeEnded() }
    }
  }

  /// Frees a place whose owner will not act on its notification: the next in line is ended in the same change, or the
  /// notification would be lost with who is killed in between. True when somebody is to be woken.
  private func handOn(_ place: Int, _ draft: inout SharedJournal.Draft) -> Bool {
    let isEnded = waiters.phase(place) >= SharedWaiters.Phase.ended
    waiters.free(place, &draft)
    guard isEnded, let next = waiters.line().first else { return false }
    waiters.end(next, code: Self.notified, &draft)
    return true
  }

  /// Wakes all who have been ended: only after deaths, so it need not be exact.
  private func wakeEnded() {
    for place in 0..<waiters.used where waiters.phase(place) >= SharedWaiters.Phase.ended { waiters.wake(place) }
  }
}
