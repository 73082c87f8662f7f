import SpindleTestSupport
import Testing

/// `OwnedWord` and, behind it, `SharedJournal`: users of a lock in shared memory, any of whom may be killed between any
/// two steps, and a pair of words that must change together.
///
///     acquire                                     release
///     A1 0: becomes my key                        R1 the word becomes 0
///     A3 set the flag                             R2 the flag was set: wake one
///     A4 sleep while the word is unchanged,       J2 write both values to the log
///        a slice at most                          J3 log count = 2
///     A5 the holder has ended: its key becomes    J4 the values go to their places
///        mine with the flag                       J5 log count = 0
///     A6 0: becomes my key with the flag          N  taken over, log count not 0: J4, J5 once more
@Suite(.watchdog(seconds: 120)) struct OwnedWordModelTests {
  @Test(arguments: Scene.allCases) func theWordsChangeTogetherAndNobodyIsLeftBehind(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Three change the words; all live.
    case alive
    /// The same, and one of them is killed at any time or never.
    case mortal
  }

  enum Flaw: CaseIterable {
    /// A6 without the flag: who sleeps on is forgotten by the next release.
    case takesWithoutTheFlag
    /// A5 is missing: nobody asks whether the holder lives.
    case waitsForTheDead
    /// A5 is not one exchange: it looks, then stores.
    case takesOverInTwoSteps
    /// J4 comes before J3.
    case appliesBeforeItIsDecided
    /// N is missing.
    case doesNotFinishForTheDead
    /// J5 comes before J4.
    case forgetsBeforeItApplies
    /// A4 has no limit.
    case sleepsWithoutASlice

    var scene: Scene { self == .takesWithoutTheFlag ? .alive : .mortal }
  }

  struct State: Hashable {
    /// 0 free; 1 + number of the holder; 16 the flag.
    var word: UInt8 = 0
    var dead: UInt8 = 0xFF
    var log: UInt8 = 0
    var logged: UInt8 = 0
    var first: UInt8 = 0
    var second: UInt8 = 0
    var asleep = Cells()
    var seen = Cells()
    var flagged = Cells()
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    let flag: UInt8 = 16
    var model = Model("owned word, \(scene)", initial: State())
    let count = 3

    model.threads("user", count: count) { program, me in
      let key = UInt8(1 + me)
      func mortal(_ name: String, _ body: @escaping (inout State, inout Choices) -> Flow) {
        program.step(name) { state, choices in
          if scene == .mortal, state.dead == 0xFF, choices.either("killed") {
            state.dead = UInt8(me)
            state.asleep[me] = 0
            return .finish
          }
          return body(&state, &choices)
        }
      }
      func isDead(_ word: UInt8, _ state: State) -> Bool { word & ~flag == state.dead &+ 1 && state.dead != 0xFF }

      mortal("A1 take it free") { state, _ in
        if state.word == 0 {
          state.word = key
          return .go("J2")
        }
        return .next
      }
      mortal("A2 look") { state, _ in
        state.seen[me] = state.word
        return .next
      }
      mortal("A3 set the flag") { state, _ in
        if state.seen[me] == 0 { return .go("A6") }
        if state.word != state.seen[me] { return .go("A2") }
        state.word |= flag
        return .next
      }
      mortal("A4 sleep") { state, _ in
        if state.word != state.seen[me] | flag { return .go("A2") }
        state.asleep[me] = 1
        return .next
      }
      mortal("A4b asleep") { state, choices in
        if state.asleep[me] == 0 { return .go("A2") }
        guard state.dead != 0xFF, flaw != .sleepsWithoutASlice, choices.either("the slice ends") else {
          return .blocked
        }
        state.asleep[me] = 0
        return .next
      }
      mortal("A5 has the holder ended?") { state, _ in
        state.seen[me] = state.word
        guard isDead(state.word, state), flaw != .waitsForTheDead else { return .go("A2") }
        if flaw == .takesOverInTwoSteps { return .next }
        state.word = key | flag
        return .go("N")
      }
      mortal("A5b take over, late") { state, _ in
        state.word = key | flag
        return .go("N")
      }
      mortal("A6 take it free, with the flag") { state, _ in
        if state.word != 0 { return .go("A2") }
        state.word = flaw == .takesWithoutTheFlag ? key : key | flag
        return .go("J2")
      }
      mortal("N finish for the dead") { state, _ in
        if state.log == 0 || flaw == .doesNotFinishForTheDead { return .go("J2") }
        state.first = state.logged
        return .next
      }
      mortal("N2 the second") { state, _ in
        state.second = state.logged
        state.log = 0
        return .next
      }
      mortal("J2 write the log") { state, _ in
        // What is read here must be whole.
        if state.first != state.second { return .fail("the words differ under the lock") }
        state.logged = state.first + 1
        return flaw == .appliesBeforeItIsDecided ? .go("J4") : .next
      }
      mortal("J3 decided") { state, _ in
        state.log = 1
        return flaw == .forgetsBeforeItApplies ? .go("J5") : flaw == .appliesBeforeItIsDecided ? .go("J5") : .next
      }
      mortal("J4 the first") { state, _ in
        state.first = state.logged
        return .next
      }
      mortal("J4b the second") { state, _ in
        state.second = state.logged
        switch flaw {
        case .forgetsBeforeItApplies: return .go("R1")
        case .appliesBeforeItIsDecided: return .go("J3")
        default: return .next
        }
      }
      mortal("J5 forget the log") { state, _ in
        state.log = 0
        return flaw == .forgetsBeforeItApplies ? .go("J4") : .next
      }
      mortal("R1 free it") { state, _ in
        state.flagged[me] = state.word & flag
        state.word = 0
        return state.flagged[me] == 0 ? .go("E1") : .next
      }
      mortal("R2 wake one") { state, choices in
        let sleeping = (0..<count).filter { state.asleep[$0] == 1 }
        if !sleeping.isEmpty {
          state.asleep[sleeping[choices.pick(of: sleeping.count) { "wakes \(sleeping[$0])" }]] = 0
        }
        return .next
      }
      program.step("E1 done") { _ in .finish }
    }
    model.finally("the words are whole, or the log says how") { state in
      state.first == state.second || state.log != 0 && state.dead != 0xFF
    }
    model.finally("nobody's change is done twice or lost") { state in
      let last = state.log != 0 ? state.logged : state.first
      return state.dead == 0xFF ? last == 3 : last == 2 || last == 3
    }
    return model
  }
}
