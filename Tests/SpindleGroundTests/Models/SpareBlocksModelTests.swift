import SpindleTestSupport
import Testing

/// The surplus of a queue's empty blocks: a stack that anybody lays blocks on, and one at a time takes them off.
///
///     who takes                                     who keeps
///     F2 a become its only taker, or give up        K2 a load first
///        b load first and its link                     b link it before that one
///        c first: the same => its link, else b         c first: the same => it, else a
///        d be its taker no more
///
/// Two threads take two blocks and keep them again, in the order in which they came; a third keeps one of its own meanwhile.
@Suite(.watchdog(seconds: 60)) struct SpareBlocksModelTests {
  @Test func everyBlockHasOneOwnerAndNoneIsLost() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// No F2a: while one is between F2b and F2c, the other takes two and keeps the first: it is first again, with another link.
    case severalTake
    /// F2d comes before F2c.
    case leavesBeforeItHasTaken
    /// F2d is forgotten by who has found nothing.
    case staysTheTaker
    /// F2c does not compare: what was laid on top meanwhile is lost.
    case takesWhatIsFirstNoMore
    /// K2c does not compare.
    case keepsBeforeWhatIsFirstNoMore
  }

  struct State: Hashable {
    var first: UInt8 = 1
    var hasTaker = false
    /// Blocks have the numbers 1 to 3; 0 is none.
    var next = Cells(0, 2)
    /// 0: on the stack, or lost; else 1 + the thread that has it.
    var owner = Cells(0, 0, 0, 3)
    // The variables of the threads. `hand` and `spare`: what they have, in the order in which it came; `tries`: how often they have tried to take.
    var seen = Cells()
    var link = Cells()
    var hand = Cells(0, 0, 3)
    var spare = Cells()
    var tries = Cells()
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("spare blocks", initial: State())

    func addKeeping(to program: inout Program<State>, _ me: Int) {
      program.step("K2a load first") { state in
        if state.hand[me] == 0 {
          if state.spare[me] == 0 { return .finish }
          state.hand[me] = state.spare[me]
          state.spare[me] = 0
        }
        state.seen[me] = state.first
        return .next
      }
      program.step("K2b link it before that one") { state in
        state.next[Int(state.hand[me])] = state.seen[me]
        return .next
      }
      program.step("K2c first: the same => it") { state in
        guard state.first == state.seen[me] || flaw == .keepsBeforeWhatIsFirstNoMore else { return .go("K2a") }
        state.first = state.hand[me]
        state.owner[Int(state.hand[me])] = 0
        state.hand[me] = 0
        return .go("K2a")
      }
    }

    model.threads("taker", count: 2) { program, me in
      program.step("F2a become its only taker, or give up") { state in
        if state.tries[me] == 2 { return .go("K2a") }
        state.tries[me] += 1
        if flaw == .severalTake { return .next }
        if state.hasTaker { return .go("F2a") }
        state.hasTaker = true
        return .next
      }
      program.step("F2b load first") { state in
        state.seen[me] = state.first
        if state.first == 0 { return flaw == .staysTheTaker ? .go("F2a") : .go("F2d") }
        return .next
      }
      program.step("F2b2 load its link") { state in
        state.link[me] = state.next[Int(state.seen[me])]
        if flaw == .leavesBeforeItHasTaken { state.hasTaker = false }
        return .next
      }
      program.step("F2c first: the same => its link") { state in
        guard state.first == state.seen[me] || flaw == .takesWhatIsFirstNoMore else { return .go("F2b") }
        let block = state.seen[me]
        if state.owner[Int(block)] != 0 { return .fail("a block is taken that another thread has") }
        state.first = state.link[me]
        state.owner[Int(block)] = UInt8(me + 1)
        if state.hand[me] == 0 { state.hand[me] = block } else { state.spare[me] = block }
        return flaw == .leavesBeforeItHasTaken ? .go("F2a") : .next
      }
      program.step("F2d be its taker no more") { state in
        state.hasTaker = false
        return .go("F2a")
      }
      addKeeping(to: &program, me)
    }
    model.thread("keeper") { program, me in addKeeping(to: &program, me) }

    model.finally("all three blocks are on the stack again, and nobody is its taker") { state in
      var onStack: Set<UInt8> = []
      var block = state.first
      while block != 0, onStack.insert(block).inserted { block = state.next[Int(block)] }
      return onStack.count == 3 && block == 0 && !state.hasTaker
    }
    return model
  }
}
