import SpindleGround
import Synchronization

/// How a round fills and ends. Each step on the word is one compare-and-exchange, sequentially consistent: it is W1 of
/// the parking protocol.
///
///     party                                         dismissal (abort, reset, time-out)
///     A1 broken? throw. Closing? wait for the end   D1 lock the notes; the round of who asks is over? unlock
///        of the round, again                        D2 note for those who are there: broken, and how many
///     A2 present += 1; the place in line is         D3 the next round, broken = ...; the word has changed: D2
///        what it was                                D4 unlock
///     A3 not the last: wait until the round's       D5 wake all
///        number is another
///     A4 the last: the next round (with an action:  cancelled task
///        closing, action, the next round); wake all C1 lock the notes; the round is full: go on at A3
///     A5 any notes? then lock, read, forget after   C2 note for those who stay: this place is empty
///        the last reader                            C3 present -= 1, parted; the word has changed: C2
///                                                   C4 unlock
///
/// In a parted round A2 is done under the lock, with the empty places counted: so places differ, and the order of
/// arrival is the place without the empty ones before it. A note is written before the step that ends its round or
/// parts it (both release), and who reads has seen the end (acquires): so who finds no note at A5 needs none. It is kept
/// until each of those has read it who were there when the round ended: D2 counts them, and a round that passes had all.
extension Barrier {
  var now: BarrierRound { BarrierRound(round.load(ordering: .acquiring)) }

  private enum Arrival {
    /// The round is full; the caller ends it.
    case last
    case waits(round: UInt, place: Int, missing: Int)
    /// Another round's action runs.
    case tooEarly(round: UInt)
  }

  private static var purpose: StaticString { "a Barrier" }

  func arrive(until deadline: Deadline) throws -> Int {
    while true {
      switch try enter() {
      case .last:
        return try close()
      case .waits(let number, let place, let missing):
        if !spot.wait(
          Self.purpose, until: deadline, parties: missing + 1, batch: SpinPolicy.batch(missing: missing), isShared: true,
          attempt: { now.number != number }),
          !dismiss(leavingBroken: true, round: number)
        {
          _ = spot.wait(Self.purpose, isShared: true) { now.number != number }
        }
        return try order(round: number, place: place)
      case .tooEarly(let number):
        if !spot.wait(Self.purpose, until: deadline, isShared: true, attempt: { hasClosed(number) }) {
          dismiss(leavingBroken: true, round: number, whileClosing: true)
        }
      }
    }
  }

  func arrive(until deadline: Deadline) async throws -> Int {
    while true {
      switch try enter() {
      case .last:
        return try close()
      case .waits(let number, let place, let missing):
        do throws(CancellationError) {
          let isOver = try await spot.wait(
            Self.purpose, owner: self, until: deadline, parties: missing + 1, isShared: true,
            attempt: { now.number != number })
          if !isOver, !dismiss(leavingBroken: true, round: number) { await end(of: number) }
        } catch {
          if part(from: number, place: place) { throw error }
          await end(of: number)
        }
        return try order(round: number, place: place)
      case .tooEarly(let number):
        let isOver = try await spot.wait(
          Self.purpose, owner: self, until: deadline, isShared: true, attempt: { hasClosed(number) })
        if !isOver {
          dismiss(leavingBroken: true, round: number, whileClosing: true)
        }
      }
    }
  }

  private func hasClosed(_ number: UInt) -> Bool {
    let now = now
    return now.number != number || now.isBroken
  }

  /// Waits for the end of a round that is full, also in a cancelled task: in one of its own, which nobody cancels.
  private func end(of number: UInt) async {
    if now.number != number {
      await Task { [self] in
        _ = try? await spot.wait(Self.purpose, owner: self, isShared: true) { now.number != number }
      }.value
    }
  }

  // MARK: Arriving

  /// A1 and A2.
  private func enter() throws(BarrierError) -> Arrival {
    var seen = now
    while true {
      if seen.isBroken { throw .broken }
      if seen.isClosing { return .tooEarly(round: seen.number) }
      if seen.isParted {
        if let arrival = notes.withLock({ notes in enter(&seen, empty: notes[seen.number]?.parted.count ?? 0) }) {
          return arrival
        }
      } else if let arrival = enter(&seen, empty: 0) {
        return arrival
      }
    }
  }

  /// One attempt at A2; nil when the word has changed.
  private func enter(_ seen: inout BarrierRound, empty: Int) -> Arrival? {
    let old = seen
    let isLast = old.present + 1 == parties
    guard change(&seen, to: !isLast ? old.joined : action == nil ? old.next(isBroken: false) : old.closing) else {
      return nil
    }
    return isLast
      ? .last : .waits(round: old.number, place: old.present + empty, missing: parties - old.present - 1)
  }

  /// A4 from the action on: what the last to arrive does. Neither time nor cancellation reaches the others while the
  /// action runs, as in Python.
  private func close() throws -> Int {
    if let action {
      do {
        try action()
      } catch {
        endClosing(isBroken: true)
        throw error
      }
      endClosing(isBroken: false)
    }
    spot.wakeAll()
    return parties - 1
  }

  private func endClosing(isBroken: Bool) {
    var seen = now
    if isBroken {
      notes.withLock { notes in
        note(&notes, seen.number) { $0.isBroken = true }
        while !change(&seen, to: seen.next(isBroken: true)) {}
      }
      spot.wakeAll()
    } else {
      // It may have been aborted or reset meanwhile: that counts for the next round.
      while !change(&seen, to: seen.next(isBroken: seen.isBroken)) {}
    }
  }

  /// A5: the order of arrival of one whose round has ended.
  private func order(round number: UInt, place: Int) throws(BarrierError) -> Int {
    // Relaxed: ordered by the acquiring load that saw the end of the round.
    if noteCount.load(ordering: .relaxed) == 0 { return place }
    let note = notes.withLock { notes -> BarrierNote? in
      guard var note = notes[number] else { return nil }
      note.readers -= 1
      replace(&notes, number, note.readers == 0 ? nil : note)
      return note
    }
    guard let note else { return place }
    if note.isBroken { throw .broken }
    return place - note.parted.count { $0 < place }
  }

  // MARK: Going away

  /// D1 to D5. `round`: only if that one still fills, or with `whileClosing` if its action still runs. True if done.
  ///
  /// Whose time runs out breaks the barrier for those it waited with: after a `reset()` the new one is none of its business.
  @discardableResult
  func dismiss(leavingBroken isBroken: Bool, round number: UInt? = nil, whileClosing: Bool = false) -> Bool {
    let isDone = notes.withLock { notes in
      var seen = now
      while true {
        if let number, seen.number != number || seen.isClosing != whileClosing { return false }
        let old = seen
        let before = notes[old.number]
        // A round whose action runs passes or breaks by that; the mark is for the next one.
        let ends = !old.isClosing && old.present > 0
        if ends {
          note(&notes, old.number) { note in
            note.isBroken = true
            note.readers = old.present
          }
        }
        if change(&seen, to: ends ? old.next(isBroken: isBroken) : old.marked(isBroken: isBroken)) { return true }
        replace(&notes, old.number, before)
      }
    }
    spot.wakeAll()
    return isDone
  }

  /// C1 to C4. False when all were there before.
  private func part(from number: UInt, place: Int) -> Bool {
    notes.withLock { notes in
      var seen = now
      while seen.number == number, !seen.isClosing {
        let old = seen
        let before = notes[number]
        if old.present == 1 {
          replace(&notes, number, nil)
        } else {
          note(&notes, number) { $0.parted.append(place) }
        }
        if change(&seen, to: old.parted) { return true }
        replace(&notes, number, before)
      }
      return false
    }
  }

  // MARK: Steps

  private func change(_ seen: inout BarrierRound, to next: BarrierRound) -> Bool {
    let (done, now) = round.compareExchange(
      expected: seen.word, desired: next.word, successOrdering: .sequentiallyConsistent, failureOrdering: .acquiring)
    if !done { seen = BarrierRound(now) }
    return done
  }

  /// Writes into the note about a round; a new one is for all but the last to arrive.
  private func note(_ notes: inout [UInt: BarrierNote], _ number: UInt, _ write: (inout BarrierNote) -> Void) {
    write(&notes[number, default: BarrierNote(readers: parties - 1)])
    noteCount.store(notes.count, ordering: .relaxed)
  }
  private func replace(_ notes: inout [UInt: BarrierNote], _ number: UInt, _ note: BarrierNote?) {
    notes[number] = note
    noteCount.store(notes.count, ordering: .relaxed)
  }
}
