import SpindleTestSupport
import Testing

/// `SharedCondition`: those who wait for a permit and those who give one, under the user's lock, and any of them may be killed.
/// A change of the journal is one step: `OwnedWordModelTests` has that it is made as a whole or not at all.
///
///     waiter                                      notifier
///     L1 take the user's lock                     P1 take the user's lock
///     L2 a permit: take it, and L4                P2 give a permit
///     C1 take a place, waiting                    N1 the first in line, if its process lives: ended
///     C2 give the user's lock back                N2 wake it
///     C3 sleep while the place is waiting;        P3 give the user's lock back
///        each slice D
///     C4 time is over and the place waiting:      D  the place of a dead one: free; was it ended,
///        free the place                              the next in line is ended in the same change
///     C5 take the user's lock                     D2 wake all who are ended
///     C6 free the place; L2
@Suite(.watchdog(seconds: 240)) struct SharedConditionModelTests {
  @Test(arguments: Scene.allCases) func noNotificationIsLostWithTheDead(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Three wait and two give; all live.
    case alive
    /// One of two does not wait for long; all live.
    case timed
    /// Three wait and two give; one of them may be killed.
    case mortal
    /// Three wait for one permit, and two of them may be killed.
    case dying

    var waiters: Int { self == .timed ? 2 : 3 }
    var notifiers: Int { self == .alive || self == .mortal ? 2 : 1 }
    var deaths: UInt8 {
      switch self {
      case .alive, .timed: 0
      case .mortal: 1
      case .dying: 2
      }
    }
  }

  enum Flaw: CaseIterable {
    /// C2 comes before C1.
    case enlistsWithoutTheLock
    /// N2 comes before N1.
    case wakesBeforeItEnds
    /// C4 looks in one change and frees in another.
    case givesUpInTwoChanges
    /// C6 comes before C5: who dies between them takes the notification along.
    case freesItsPlaceTooEarly
    /// D frees only.
    case handsNothingOn
    /// D frees in one change and ends the next in another.
    case handsOnInTwoChanges
    /// N1 ends the first in line whether it lives or not, and D is missing.
    case notifiesTheDead
    /// C3 has no limit.
    case sleepsWithoutASlice

    var scene: Scene {
      switch self {
      case .enlistsWithoutTheLock, .wakesBeforeItEnds: .alive
      case .givesUpInTwoChanges: .timed
      case .freesItsPlaceTooEarly, .handsNothingOn, .notifiesTheDead, .sleepsWithoutASlice: .mortal
      case .handsOnInTwoChanges: .dying
      }
    }
  }

  private enum Phase {
    static let free: UInt8 = 0, waiting: UInt8 = 1, ended: UInt8 = 2
  }

  struct State: Hashable {
    /// 0 free; 1 + number of the holder.
    var lock: UInt8 = 0
    /// Somebody has died with the lock: who takes it is told, and this model ends there.
    var isReported = false
    var permits: UInt8 = 0
    var toCome: UInt8 = 0
    var phases = Cells()
    /// The places that are waiting, first come first.
    var line = Line()
    var asleep = Cells()
    var looked = Cells()
    /// With a flaw: notifications that a patrol has in its hands.
    var handing = Cells()
    var killed: UInt8 = 0
    var deaths: UInt8 = 0

    func isDead(_ who: UInt8) -> Bool { killed & 1 << who != 0 }

    mutating func end(_ place: UInt8) {
      line.remove(place)
      phases[Int(place)] = Phase.ended
    }

    mutating func free(_ place: Int) {
      line.remove(UInt8(place))
      phases[place] = Phase.free
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var initial = State()
    initial.toCome = UInt8(scene.notifiers)
    var model = Model("shared condition, \(scene)", initial: initial)

    func mortal(
      _ program: inout Program<State>, _ me: Int, _ name: String, gives: Bool = false,
      _ body: @escaping (inout State, inout Choices) -> Flow
    ) {
      let mayDie = scene == .dying ? me < 2 : true
      program.step(name) { state, choices in
        if mayDie, state.deaths < scene.deaths, choices.either("killed") {
          state.killed |= 1 << UInt8(me)
          state.deaths += 1
          state.asleep[me] = 0
          if gives { state.toCome -= 1 }
          return .finish
        }
        return body(&state, &choices)
      }
    }

    /// `OwnedWord`: a dead holder's lock is taken over, and told.
    func lock(_ program: inout Program<State>, _ me: Int, _ name: String, gives: Bool = false, next: String) {
      mortal(&program, me, name, gives: gives) { state, _ in
        if state.lock != 0 {
          guard state.isDead(state.lock - 1) else { return .blocked }
          state.isReported = true
        }
        state.lock = UInt8(me + 1)
        return .go(next)
      }
    }

    model.threads("waiter", count: scene.waiters) { program, me in
      let isTimed = scene == .timed && me == 0
      lock(&program, me, "L1 lock", next: "L2")
      mortal(&program, me, "L2 a permit?") { state, _ in
        if state.permits > 0 {
          state.permits -= 1
          return .go("L4")
        }
        return .go(flaw == .enlistsWithoutTheLock ? "C2" : "C1")
      }
      mortal(&program, me, "C1 a place") { state, _ in
        state.phases[me] = Phase.waiting
        state.line.append(UInt8(me))
        return .go(flaw == .enlistsWithoutTheLock ? "C3" : "C2")
      }
      mortal(&program, me, "C2 unlock") { state, _ in
        state.lock = 0
        return .go(flaw == .enlistsWithoutTheLock ? "C1" : "C3")
      }
      mortal(&program, me, "C3 sleep") { state, choices in
        if state.phases[me] != Phase.waiting { return .go("C5") }
        state.asleep[me] = 1
        return .next
      }
      mortal(&program, me, "C3b asleep") { state, choices in
        if state.asleep[me] == 0 { return .go("C3") }
        // Nobody will give any more: it rightly sleeps on. Or the user's lock says that its holder died.
        let isTold = state.isReported || state.lock != 0 && state.isDead(state.lock - 1)
        if isTold || state.permits == 0 && state.toCome == 0 { return .finish }
        if isTimed, choices.either("time runs out") {
          state.asleep[me] = 0
          return .go("C4")
        }
        guard state.deaths > 0, flaw != .sleepsWithoutASlice, choices.either("the slice ends") else { return .blocked }
        state.asleep[me] = 0
        return flaw == .notifiesTheDead ? .go("C3") : .go("D")
      }
      mortal(&program, me, "D look for the dead") { state, _ in
        for place in 0..<scene.waiters where state.isDead(UInt8(place)) && state.phases[place] != Phase.free {
          let wasEnded = state.phases[place] == Phase.ended
          state.free(place)
          guard wasEnded, flaw != .handsNothingOn, let next = state.line.first else { return .stay }
          if flaw == .handsOnInTwoChanges {
            state.handing[me] = 1
            return .next
          }
          state.end(next)
          return .go("D2")
        }
        return .go("C3")
      }
      mortal(&program, me, "D1b end the next, late") { state, _ in
        if let next = state.line.first { state.end(next) }
        state.handing[me] = 0
        return .next
      }
      mortal(&program, me, "D2 wake the ended") { state, _ in
        for place in 0..<scene.waiters where state.phases[place] == Phase.ended { state.asleep[place] = 0 }
        return .go("D")
      }
      mortal(&program, me, "C4 time is over") { state, _ in
        if state.phases[me] == Phase.ended { return .go("C5") }
        if flaw == .givesUpInTwoChanges { return .next }
        state.free(me)
        return .finish
      }
      mortal(&program, me, "C4b free it, late") { state, _ in
        state.free(me)
        return .finish
      }
      if flaw == .freesItsPlaceTooEarly {
        mortal(&program, me, "C5 free the place") { state, _ in
          state.free(me)
          return .next
        }
        lock(&program, me, "C6 lock", next: "L2")
      } else {
        lock(&program, me, "C5 lock", next: "C6")
        mortal(&program, me, "C6 free the place") { state, _ in
          state.free(me)
          return .go("L2")
        }
      }
      mortal(&program, me, "L4 unlock") { state, _ in
        state.lock = 0
        return .finish
      }
    }

    model.threads("notifier", count: scene.notifiers) { program, me in
      lock(&program, me, "P1 lock", gives: true, next: "P2")
      mortal(&program, me, "P2 give a permit", gives: true) { state, _ in
        state.permits += 1
        return .go(flaw == .wakesBeforeItEnds ? "N2" : "N1")
      }
      mortal(&program, me, "N1 end the first", gives: true) { state, _ in
        while let first = state.line.first {
          if state.isDead(first), flaw != .notifiesTheDead {
            state.free(Int(first))
            continue
          }
          state.end(first)
          state.looked[me] = first + 1
          break
        }
        return .go(flaw == .wakesBeforeItEnds ? "P3" : "N2")
      }
      mortal(&program, me, "N2 wake it", gives: true) { state, _ in
        let woken = flaw == .wakesBeforeItEnds ? state.line.first.map { $0 + 1 } ?? 0 : state.looked[me]
        if woken > 0 { state.asleep[Int(woken - 1)] = 0 }
        return .go(flaw == .wakesBeforeItEnds ? "N1" : "P3")
      }
      mortal(&program, me, "P3 unlock", gives: true) { state, _ in
        state.lock = 0
        state.toCome -= 1
        return .finish
      }
    }

    model.finally("nobody who could go on sleeps, unless the lock says who died") { state in
      state.permits == 0 || state.isReported || state.lock != 0 || state.asleep.count(of: 1) == 0
    }
    return model
  }
}
