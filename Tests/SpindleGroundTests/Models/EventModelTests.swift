import SpindleTestSupport
import Testing

/// `Event`: a `set()` lets everyone go who waits, though it is cleared at once, and nobody who comes after the clear.
///
///     wait                                     set                              clear
///     V1 set? done                             T1 changes even: changes += 1    X1 changes odd: changes += 1
///     V2 seen = changes                        T2 wake all
///     V3 wait on the spot until
///        seen is odd or changes != seen
@Suite(.watchdog(seconds: 120)) struct EventModelTests {
  @Test(arguments: Scene.allCases) func aSetLetsThoseGoWhoWaitAndNobodyElse(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two wait; then it is set by one and cleared, at any time after T1, by another: both waits end.
    case pulse
    /// Two wait, one not for long; it is set by one, cleared and set again by another.
    case setAgain
  }

  enum Flaw: CaseIterable {
    /// A flag instead of a count of changes: V3 looks whether it is set now.
    case plainFlag
    /// V3 does not look at all: whoever is woken goes.
    case wokenMeansSet
    /// T2 before T1.
    case wakesBeforeItSets
    /// T2 wakes one.
    case wakesOne
    /// X1 takes back the change of T1, so that the count returns to what it was.
    case countGoesBack

    var scene: Scene { self == .wokenMeansSet ? .setAgain : .pulse }
  }

  struct State: Hashable {
    var changes: UInt8 = 0
    var spot = Spot()
    var seen = Cells()
    // Not in the code, to judge what a wait returned.
    /// 1 from V2 until the wait is over.
    var waits = Cells()
    /// 1: the event was set at some time since the wait began.
    var wasSet = Cells()
    /// 1: waited at some T1; 2: and was woken, as a `set()` returned.
    var owed = Cells()

    var isSet: Bool { changes & 1 == 1 }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("event, \(scene)", initial: State())
    let isFine = scene == .pulse
    let spot = SpotSteps<State>(spot: \.spot, prefix: "v", isFine: isFine)
    let waiters = 2

    model.threads("waiter", count: waiters) { program, me in
      let isTimed = scene == .setAgain && me == 1
      program.step("V1 set?") { state in
        state.wasSet[me] = state.isSet ? 1 : 0
        return state.isSet ? .go("E1") : .next
      }
      program.step("V2 seen = changes") { state in
        state.seen[me] = state.changes
        state.waits[me] = 1
        return flaw == .wokenMeansSet ? .go("pS2") : .go(isFine ? "vS1" : "vS2")
      }
      spot.wait(&program, me, isTimed: isTimed, success: "E1", failure: "E2") { state in
        if flaw == .plainFlag { return state.isSet }
        return state.seen[me] & 1 == 1 || state.changes != state.seen[me]
      }
      if flaw == .wokenMeansSet {
        let parked = SpotSteps<State>(spot: \.spot, prefix: "p")
        parked.park(&program, me, isTimed: isTimed, woken: "E1", unneeded: "E1", failure: "E2") { !$0.isSet }
      }
      program.step("E1 let go") { state in
        if state.wasSet[me] == 0 && !state.isSet { return .fail("let go, but never set since it came") }
        state.waits[me] = 0
        state.owed[me] = 0
        return .finish
      }
      program.step("E2 time ran out") { state in
        if state.owed[me] == 2 { return .fail("a time-out though a set() has woken it") }
        state.waits[me] = 0
        return .finish
      }
    }

    func set(_ program: inout Program<State>, _ me: Int, next: String) {
      if flaw == .wakesBeforeItSets { spot.wake(&program, me, "early", count: 8, next: "T1") }
      program.step("T1 even: changes += 1") { state in
        if state.isSet { return .go("T4") }
        state.changes += 1
        for waiter in 0..<waiters {
          state.wasSet[waiter] = 1
          if state.waits[waiter] == 1, state.owed[waiter] == 0 { state.owed[waiter] = 1 }
        }
        return flaw == .wakesBeforeItSets ? .go("T3") : .next
      }
      spot.wake(&program, me, "T2", count: flaw == .wakesOne ? 1 : 8, next: "T3")
      program.action("T3 set() has returned") { state in
        for waiter in 0..<waiters where state.owed[waiter] == 1 && state.spot.ended[waiter] > 0 {
          state.owed[waiter] = 2
        }
      }
      program.step("T4 it was set") { _ in .go(next) }
    }
    func clear(_ state: inout State) {
      if state.isSet { state.changes = flaw == .countGoesBack ? state.changes - 1 : state.changes + 1 }
    }

    model.thread("setter") { program, me in
      program.step("O1 both wait") { state in
        scene == .pulse && state.waits.count(of: 1, among: waiters) < waiters ? .blocked : .next
      }
      set(&program, me, next: "E1")
      program.step("E1 end") { _ in .finish }
    }
    model.thread("clearer") { program, me in
      program.step("X1 odd: changes += 1") { state in
        if scene == .pulse, !state.isSet { return .blocked }
        clear(&state)
        return scene == .pulse ? .finish : .next
      }
      set(&program, me, next: "E1")
      program.step("E1 end") { _ in .finish }
    }
    model.finally("nobody is left behind") { $0.spot.isQuiet }
    return model
  }
}
