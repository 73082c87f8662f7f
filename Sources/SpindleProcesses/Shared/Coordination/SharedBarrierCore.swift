internal import SpindleGround

/// What a shared barrier is in memory: those who wait at it, in a journal, and a spot.
///
///     one who arrives                             the last one
///     B1 broken: leave                            B1 broken: leave
///     B2 not the last: take a place, waiting      L2 one of those who wait has died: break it
///     B3 sleep while the place is waiting or      L3 no action: end all with their order; go on
///        held; each slice, look for the dead      L4 an action: hold all; run it; end those held
///     B4 time is over and the place waiting:
///        break it
///     B5 ended: free the place; go on
///
/// B1 and B2, L2 and L3 or L4's holding, B4, B5 are one change of the journal each. Deaths: of one who waits, seen at B3 by
/// the others or at L2; of the last one while it runs the action, seen at B3, for the places say who holds them. Either
/// breaks the barrier. Of one that was ended and has not left: its place is freed by whoever looks next.
struct SharedBarrierCore: Sendable {
  private enum Word {
    static let broken = 0
    static let looked = 1
    static let waiters = 2
  }
  private static let spotOffset = SharedBlock.headSize
  private static let journalOffset = SharedBlock.headSize + 64
  static let broken: UInt32 = 0
  private static let passed: UInt32 = 1

  let parties: Int
  let spot: SharedSpot
  let journal: SharedJournal
  private let waiters: SharedWaiters

  static let partiesRange = 1...1_000_000
  /// Those of the next round may arrive before those of the last have left.
  private static func places(_ parties: Int) -> Int { parties + max(parties, 64) }
  private static func words(_ parties: Int) -> Int {
    Word.waiters + SharedWaiters.wordCount(places: places(parties))
  }
  private static func changes(_ parties: Int) -> Int { 3 * places(parties) + 8 }
  static func byteCount(parties: Int) -> Int {
    64 + SharedJournal.byteCount(words: words(parties), changes: changes(parties))
  }

  init(in mapping: SharedMapping, parties: Int) {
    self.parties = parties
    spot = SharedSpot(in: mapping, at: Self.spotOffset)
    journal = SharedJournal(
      in: mapping, at: Self.journalOffset, words: Self.words(parties), changes: Self.changes(parties))
    waiters = SharedWaiters(journal, at: Word.waiters, places: Self.places(parties))
  }

  var isBroken: Bool { journal[Word.broken] != 0 }
  var waiting: Int { waiters.line().count }

  // MARK: Arriving

  enum Arrival {
    case waits(in: Int)
    case passed(Int)
    case broken
    /// The last one is to run the action; those places are held for it.
    case acts(held: [Int], act: UInt64)
    /// Those of earlier rounds have not left yet.
    case noPlace
  }

  func arrive(hasAction: Bool) -> Arrival {
    let arrival: Arrival = journal.change { draft in
      if draft[Word.broken] != 0 { return .broken }  // B1
      let line = waiters.line()
      if line.count + 1 < parties {
        return waiters.enlist(&draft).map { .waits(in: $0) } ?? .noPlace  // B2
      }
      if line.contains(where: { !waiters.owner($0).lives(exactly: false) }) {
        breakDown(line, &draft)  // L2
        return .broken
      }
      if hasAction {
        let act = waiters.nextAct(&draft)
        for place in line { waiters.hold(place, act: act, &draft) }
        return .acts(held: line, act: act)
      }
      for (order, place) in line.enumerated() { waiters.end(place, code: Self.passed + UInt32(order), &draft) }  // L3
      return .passed(parties - 1)
    }
    switch arrival {
    case .passed, .broken: spot.wakeAll()
    default: break
    }
    return arrival
  }

  /// What the last one does after its action.
  func open(_ held: [Int], act: UInt64, isBroken: Bool) {
    FaultPoint.barrierHeld.reach()
    journal.change { draft in
      if isBroken { breakDown(waiters.line(), &draft) }
      for (order, place) in held.enumerated()
      where waiters.phase(place) == SharedWaiters.Phase.held && waiters.act(of: place) == act {
        waiters.end(place, code: isBroken ? Self.broken : Self.passed + UInt32(order), &draft)
      }
    }
    spot.wakeAll()
  }

  private func breakDown(_ line: [Int], _ draft: inout SharedJournal.Draft) {
    draft.set(Word.broken, 1)
    for place in line { waiters.end(place, code: Self.broken, &draft) }
  }

  // MARK: Waiting

  func isEnded(_ place: Int) -> Bool { waiters.phase(place) >= SharedWaiters.Phase.ended }

  /// B5: the code with which the place was ended.
  func collect(_ place: Int) -> Arrival {
    journal.change { draft in
      let phase = waiters.phase(place)
      waiters.free(place, &draft)
      let code = phase &- SharedWaiters.Phase.ended
      return code == Self.broken || phase < SharedWaiters.Phase.ended ? .broken : .passed(Int(code - Self.passed))
    }
  }

  /// B4, or a cancelled arrival that is taken back without harm; false when the place does not wait any more.
  func leave(_ place: Int, breaking: Bool) -> Bool {
    let hasLeft = journal.change { draft in
      guard waiters.phase(place) == SharedWaiters.Phase.waiting else { return false }
      if breaking { breakDown(waiters.line().filter { $0 != place }, &draft) }
      waiters.free(place, &draft)
      return true
    }
    if hasLeft, breaking { spot.wakeAll() }
    return hasLeft
  }

  /// Sends away those who wait: `abort` and `reset`.
  func dismiss(leavingBroken: Bool) {
    journal.change { draft in
      draft.set(Word.broken, leavingBroken ? 1 : 0)
      for place in waiters.line() { waiters.end(place, code: Self.broken, &draft) }
    }
    spot.wakeAll()
  }

  /// Breaks the barrier when one of those who wait, or who runs the action, has died.
  func patrol() {
    guard SharedPatrol.isDue(journal, Word.looked) else { return }
    let dead = Set((0..<waiters.used).filter { waiters.phase($0) != SharedWaiters.Phase.free }.flatMap(processes))
      .filter { !$0.lives() }
    if dead.isEmpty { return }
    journal.change { draft in
      var isBroken = false
      for place in 0..<waiters.used where waiters.phase(place) != SharedWaiters.Phase.free {
        let phase = waiters.phase(place)
        if phase == SharedWaiters.Phase.waiting || phase == SharedWaiters.Phase.held {
          isBroken = isBroken || processes(of: place).contains(where: dead.contains)
        }
      }
      if isBroken { draft.set(Word.broken, 1) }
      for place in 0..<waiters.used where waiters.phase(place) != SharedWaiters.Phase.free {
        let phase = waiters.phase(place)
        let isWaiting = phase == SharedWaiters.Phase.waiting
        let isAbandoned = phase == SharedWaiters.Phase.held && dead.contains(waiters.heldBy(place))
        if dead.contains(waiters.owner(place)) {
          waiters.free(place, &draft)
        } else if isBroken && isWaiting || isAbandoned {
          waiters.end(place, code: Self.broken, &draft)
        }
      }
    }
    spot.wakeAll()
  }

  /// Whose death concerns those at the place: who waits there, and who holds it.
  private func processes(of place: Int) -> [ProcessKey] {
    waiters.phase(place) == SharedWaiters.Phase.held
      ? [waiters.owner(place), waiters.heldBy(place)] : [waiters.owner(place)]
  }

  func makeBridge(_ block: SharedBlock) -> SharedSpotBridge {
    SharedSpotBridge(spot, in: block, patrol: { patrol() }) { .max }
  }
}
