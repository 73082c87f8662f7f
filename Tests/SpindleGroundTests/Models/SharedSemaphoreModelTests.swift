import SpindleTestSupport
import Testing

/// `SharedSemaphore`: users of permits in several processes, any of which may be killed, and the table of who holds what. A
/// change of the journal is one step (`OwnedWordModelTests`); the steps of falling asleep are those of `SharedSpotModelTests`.
///
///     user                                        patrol, before every sleep
///     T1 a permit: take it, and note me as        D1 look for a pair of a process that has ended
///        a holder, in one change                  D2 in one change: still that process's?
///     T2 none: sleep, a slice at most                free the pair, give back what it held
///     G1 give it, and note it, in one change      D3 wake
///     G2 wake one
@Suite(.watchdog(seconds: 120)) struct SharedSemaphoreModelTests {
  @Test(arguments: Scene.allCases) func permitsAreNeitherLostNorMade(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Three users of one permit, twice each; all live.
    case alive
    /// Four users of two permits, once each, and two of them may be killed.
    case mortal
  }

  enum Flaw: CaseIterable {
    /// T1 takes in one change and notes in another.
    case takesInTwoChanges
    /// G1 gives in one change and notes in another.
    case givesInTwoChanges
    /// D2 does not look again: two patrols see the same dead one, and its pair may be another's by now.
    case reclaimsWithoutALook
    /// There is no patrol.
    case forgetsTheDead
    /// G2 is missing.
    case wakesNobody
    /// T2 has no limit.
    case sleepsWithoutASlice

    var scene: Scene { self == .wakesNobody ? .alive : .mortal }
  }

  struct State: Hashable {
    var permits: UInt8
    /// The pairs: 0 nobody, else 1 + number of the user; how much it holds.
    var keys = Cells()
    var held = Cells()
    var asleep = Cells()
    /// 1 + the pair in which a patrol has seen a dead one.
    var seen = Cells()
    var rounds = Cells()
    var killed: UInt8 = 0
    var deaths: UInt8 = 0

    func isDead(_ key: UInt8) -> Bool { key != 0 && killed & 1 << (key - 1) != 0 }

    func pair(of key: UInt8) -> Int { (0..<4).first { keys[$0] == key } ?? (0..<4).first { keys[$0] == 0 }! }

    /// What can be taken or is held, by the dead too.
    var sum: Int { (0..<4).reduce(Int(permits)) { $0 + Int(held[$1]) } }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    let permits: UInt8 = scene == .alive ? 1 : 2
    let count = scene == .alive ? 3 : 4
    var model = Model("shared semaphore, \(scene)", initial: State(permits: permits))

    model.threads("user", count: count) { program, me in
      let key = UInt8(me + 1)
      func mortal(_ name: String, _ body: @escaping (inout State, inout Choices) -> Flow) {
        program.step(name) { state, choices in
          if scene == .mortal, me < 2, state.deaths < 2, choices.either("killed") {
            state.killed |= 1 << UInt8(me)
            state.deaths += 1
            state.asleep[me] = 0
            return .finish
          }
          return body(&state, &choices)
        }
      }
      func note(_ state: inout State) {
        let pair = state.pair(of: key)
        state.keys[pair] = key
        state.held[pair] += 1
      }
      func strike(_ state: inout State) {
        let pair = state.pair(of: key)
        state.held[pair] -= 1
        if state.held[pair] == 0 { state.keys[pair] = 0 }
      }
      func wakeOne(_ state: inout State, _ choices: inout Choices) {
        let sleeping = (0..<count).filter { state.asleep[$0] == 1 }
        if sleeping.isEmpty { return }
        state.asleep[sleeping[choices.pick(of: sleeping.count) { "wakes \(sleeping[$0])" }]] = 0
      }

      mortal("T1 take, or sleep") { state, _ in
        if state.permits > 0 {
          state.permits -= 1
          if flaw == .takesInTwoChanges { return .next }
          note(&state)
          return .go("U1")
        }
        state.asleep[me] = 1
        return .go("T2")
      }
      mortal("T1b note it, late") { state, _ in
        note(&state)
        return .go("U1")
      }
      mortal("T2 asleep") { state, choices in
        if state.asleep[me] == 0 { return .go("T1") }
        guard state.deaths > 0, flaw != .sleepsWithoutASlice, choices.either("the slice ends") else { return .blocked }
        state.asleep[me] = 0
        return flaw == .forgetsTheDead ? .go("T1") : .next
      }
      mortal("D1 look for the dead") { state, choices in
        let dead = (0..<4).filter { state.isDead(state.keys[$0]) }
        if dead.isEmpty { return .go("T1") }
        state.seen[me] = UInt8(1 + dead[choices.pick(of: dead.count) { "pair \(dead[$0])" }])
        return .next
      }
      mortal("D2 give back") { state, _ in
        let pair = Int(state.seen[me] - 1)
        state.seen[me] = 0
        guard state.isDead(state.keys[pair]) || flaw == .reclaimsWithoutALook else { return .go("T1") }
        state.permits += max(state.held[pair], flaw == .reclaimsWithoutALook ? 1 : 0)
        state.keys[pair] = 0
        state.held[pair] = 0
        return .next
      }
      mortal("D3 wake") { state, choices in
        wakeOne(&state, &choices)
        return .go("T1")
      }
      mortal("U1 use it") { _, _ in flaw == .givesInTwoChanges ? .next : .go("G1") }
      mortal("G0 give it, and note it late") { state, _ in
        state.permits += 1
        return .next
      }
      mortal("G1 give it") { state, _ in
        if flaw != .givesInTwoChanges { state.permits += 1 }
        strike(&state)
        return flaw == .wakesNobody ? .go("E1") : .next
      }
      mortal("G2 wake one") { state, choices in
        wakeOne(&state, &choices)
        return .next
      }
      program.step("E1 the next round") { state in
        state.rounds[me] += 1
        return scene == .alive && state.rounds[me] < 2 ? .go("T1") : .finish
      }
    }
    if flaw != .takesInTwoChanges && flaw != .givesInTwoChanges {
      model.always("what can be taken and what is held add up") { $0.sum == Int(permits) }
    } else {
      model.always("no permit is made") { state in
        (0..<4).reduce(Int(state.permits)) { $0 + (state.isDead(state.keys[$1]) ? 0 : Int(state.held[$1])) } <= Int(permits)
      }
    }
    model.finally("all permits are there, or held by the dead") { $0.sum == Int(permits) }
    return model
  }
}
