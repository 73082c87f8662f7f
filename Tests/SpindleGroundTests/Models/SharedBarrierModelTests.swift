import SpindleTestSupport
import Testing

/// `SharedBarrier`: parties in several processes, any of which may be killed. A change of the journal is one step
/// (`OwnedWordModelTests`); the steps of falling asleep are those of `SharedSpotModelTests`.
///
///     one who arrives                             the last one
///     B1 broken: leave                            B1 broken: leave
///     B2 not the last: take a place, waiting      L2 one of those who wait has died: break it
///     B3 sleep while the place is waiting or      L3 no action: end all with their order; go on
///        held; each slice, D                      L4 an action: hold all
///     B4 time is over and the place waiting:      L5 run it
///        break it                                 L6 end those held; wake all
///     B5 ended: free the place; go on
///                                                 D1 who has died?
///                                                 D2 in one change: was it waiting, or held or holding? broken;
///                                                    its place free, who waits or was held by it is ended
@Suite(.watchdog(seconds: 240)) struct SharedBarrierModelTests {
  @Test(arguments: Scene.allCases) func allGoOnOrTheBarrierBreaks(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two meet twice, with an action; both live.
    case rounds
    /// Three meet, and two of them may be killed.
    case mortal
    /// The same, with an action.
    case mortalAction
    /// The first of three does not wait for long; with an action, and all live.
    case timed
    /// The same, and one of them may be killed.
    case mortalTimed

    var parties: Int { self == .rounds ? 2 : 3 }
    var hasAction: Bool { self != .mortal }
    var isTimed: Bool { self == .timed || self == .mortalTimed }
    var deaths: UInt8 {
      switch self {
      case .rounds, .timed: 0
      case .mortalTimed: 1
      case .mortal, .mortalAction: 2
      }
    }
  }

  enum Flaw: CaseIterable {
    /// D2 does not ask who holds.
    case forgetsWhoActs
    /// D is missing.
    case forgetsTheDead
    /// B4 leaves in one change and breaks in another.
    case breaksInTwoChanges
    /// L3 ends each in a change of its own.
    case endsOneByOne
    /// B4 leaves and breaks nothing.
    case leavesQuietly
    /// B4 leaves a place that is held.
    case leavesWhenHeld
    /// L6 wakes nobody.
    case wakesNobody
    /// L4 is missing: they go on while the action runs.
    case goesOnBeforeTheAction
    /// B3 has no limit.
    case sleepsWithoutASlice

    var scene: Scene {
      switch self {
      case .forgetsWhoActs, .forgetsTheDead, .sleepsWithoutASlice, .goesOnBeforeTheAction: .mortalAction
      case .endsOneByOne: .mortal
      case .breaksInTwoChanges: .mortalTimed
      case .leavesQuietly, .leavesWhenHeld: .timed
      case .wakesNobody: .rounds
      }
    }
  }

  private enum Phase {
    static let free: UInt8 = 0, waiting: UInt8 = 1, held: UInt8 = 2, passed: UInt8 = 3, broken: UInt8 = 4
  }

  struct State: Hashable {
    var isBroken = false
    /// By party; a place is its party's own here.
    var phases = Cells()
    /// 1 + who holds it.
    var holders = Cells()
    var asleep = Cells()
    var rounds = Cells()
    /// Who has gone on in each round, and how often the action has run.
    var passed = Cells()
    var acted = Cells()
    var killed: UInt8 = 0
    var deaths: UInt8 = 0
    /// Somebody died where no one at the barrier can know of it: before it arrived, or after it left.
    var diedOutside = false
    var looked = Cells()

    func isDead(_ party: Int) -> Bool { killed & 1 << UInt8(party) != 0 }

    func waiting(_ count: Int) -> [Int] { (0..<count).filter { phases[$0] == Phase.waiting } }

    mutating func breakDown(_ count: Int) {
      isBroken = true
      for place in waiting(count) { phases[place] = Phase.broken }
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("shared barrier, \(scene)", initial: State())
    let count = scene.parties

    model.threads("party", count: count) { program, me in
      let isTimed = scene.isTimed && me == 0
      func mortal(_ name: String, outside: Bool = false, _ body: @escaping (inout State, inout Choices) -> Flow) {
        program.step(name) { state, choices in
          if state.deaths < scene.deaths, choices.either("killed") {
            state.killed |= 1 << UInt8(me)
            state.deaths += 1
            state.asleep[me] = 0
            if outside { state.diedOutside = true }
            return .finish
          }
          return body(&state, &choices)
        }
      }
      func pass(_ state: inout State) -> Flow {
        let round = Int(state.rounds[me])
        if scene.hasAction, state.acted[round] != 1 { return .fail("goes on before the action is done") }
        state.passed[round] += 1
        state.rounds[me] += 1
        return scene == .rounds && state.rounds[me] < 2 ? .go("B1") : .finish
      }

      mortal("B1 arrive", outside: true) { state, _ in
        if state.isBroken { return .finish }
        let line = state.waiting(count)
        if line.count + 1 < count {
          state.phases[me] = Phase.waiting
          return .go("B3")
        }
        if line.contains(where: { [state] in state.isDead($0) }) {
          state.breakDown(count)  // L2
          return .go("L7")
        }
        if scene.hasAction, flaw != .goesOnBeforeTheAction {
          for place in line {  // L4
            state.phases[place] = Phase.held
            state.holders[place] = UInt8(me + 1)
          }
          return .go("L5")
        }
        if flaw == .endsOneByOne {
          state.phases[line[0]] = Phase.passed
          return .go("L3b")
        }
        for place in line { state.phases[place] = Phase.passed }  // L3
        return .go("L8")
      }
      mortal("L3b end the next, late") { state, _ in
        if let place = state.waiting(count).first {
          state.phases[place] = Phase.passed
          return .stay
        }
        return .go("L8")
      }
      mortal("L5 run the action") { state, _ in
        state.acted[Int(state.rounds[me])] += 1
        return .next
      }
      mortal("L6 end those held") { state, _ in
        for place in 0..<count where state.phases[place] == Phase.held && state.holders[place] == UInt8(me + 1) {
          state.phases[place] = Phase.passed
        }
        return .go("L8")
      }
      mortal("L7 wake all, and leave") { state, _ in
        for place in 0..<count { state.asleep[place] = 0 }
        return .finish
      }
      mortal("L8 wake all, and go on") { state, _ in
        if flaw != .wakesNobody { for place in 0..<count { state.asleep[place] = 0 } }
        return pass(&state)
      }

      mortal("B3 sleep") { state, _ in
        if state.phases[me] >= Phase.passed { return .go("B5") }
        state.asleep[me] = 1
        return .next
      }
      mortal("B3b asleep") { state, choices in
        if state.asleep[me] == 0 { return .go("B3") }
        // Who died elsewhere will not come: it rightly sleeps on.
        if state.diedOutside, state.phases[me] == Phase.waiting { return .finish }
        if isTimed, state.looked[me] == 0, choices.either("time runs out") {
          state.asleep[me] = 0
          return .go("B4")
        }
        guard state.deaths > 0, flaw != .sleepsWithoutASlice, choices.either("the slice ends") else { return .blocked }
        state.asleep[me] = 0
        return flaw == .forgetsTheDead ? .go("B3") : .go("D2")
      }
      mortal("B4 time is over") { state, _ in
        state.looked[me] = 1
        let mayLeave = state.phases[me] == Phase.waiting || flaw == .leavesWhenHeld && state.phases[me] == Phase.held
        guard mayLeave else { return .go("B3") }
        state.phases[me] = Phase.free
        if flaw == .leavesQuietly { return .finish }
        if flaw == .breaksInTwoChanges { return .next }
        state.breakDown(count)
        return .go("L7")
      }
      mortal("B4b break it, late") { state, _ in
        state.breakDown(count)
        return .go("L7")
      }
      mortal("D2 the dead") { state, _ in
        let before = state
        let holderIsDead: (Int) -> Bool = { before.isDead(Int(before.holders[$0]) - 1) && flaw != .forgetsWhoActs }
        let held = (0..<count).filter { before.phases[$0] == Phase.held }
        let isBroken = before.waiting(count).contains(where: before.isDead)
          || held.contains { before.isDead($0) || holderIsDead($0) }
        if isBroken { state.breakDown(count) }
        for place in held where holderIsDead(place) { state.phases[place] = Phase.broken }
        for place in 0..<count where before.isDead(place) { state.phases[place] = Phase.free }
        return .next
      }
      mortal("D3 wake all") { state, _ in
        for place in 0..<count { state.asleep[place] = 0 }
        return .go("B3")
      }
      mortal("B5 free the place", outside: true) { state, _ in
        let hasPassed = state.phases[me] == Phase.passed
        state.phases[me] = Phase.free
        return hasPassed ? pass(&state) : .finish
      }
    }
    model.always("the action runs once at most in a round") { $0.acted[0] <= 1 && $0.acted[1] <= 1 }
    model.finally("all go on, but for who died on the way, or none") { state in
      (0..<2).allSatisfy { state.passed[$0] == 0 || Int(state.passed[$0] + state.deaths) >= count }
    }
    return model
  }
}
