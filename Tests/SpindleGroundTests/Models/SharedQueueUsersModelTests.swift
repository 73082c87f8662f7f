import SpindleTestSupport
import Testing

/// `QueueUsers`: two processes take elements and say that they are done, two others wait for that and bury the dead. Any of the four may
/// be killed between any two steps, also one that mends what another left; for one who takes another comes.
///
///     take                          done                        bury, a line of the dead      taken over: mend
///     T1 lock                       D1 lock                     B1 lock                       M1 taken and not noted:
///     T4 commit: one more is taken  D2 note it in the line      B2 still that process's?         one was lost
///     T5 the line; note it          D3 count it                    note what it had as lost   M2 what is done
///     T6 unlock                     D4 unlock                   B3 the line is free              is counted
///                                                               B4 count it; unlock
///
/// The ring itself, and taking over the lock: `SharedRingModelTests`, `OwnedWordModelTests`.
@Suite(.watchdog(seconds: 240)) struct SharedQueueUsersModelTests {
  @Test func joinWaitsForAllThatTheLivingHaveAndForNothingElse() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// B2 adds the line of the dead to nobody's, word for word, and clears it.
    case movesTheLine
    /// B3 comes before B2.
    case freesBeforeItCounts
    /// B2 does not ask whose line it is by now.
    case buriesWithoutALook
    /// T5 comes before T4.
    case notesBeforeItCommits
    /// D3 comes before D2.
    case countsBeforeItNotes
    /// M1 is missing.
    case doesNotReconcile
    /// M2 counts only what was said to be done, and not what was buried.
    case forgetsWhatWasBuried
    /// Who takes the line of a dead process begins at 0.
    case clearsItsLine
  }

  private static let elements: UInt8 = 2

  struct State: Hashable {
    var mortals = Mortals()
    var lock: UInt8 = 0
    var takes: UInt8 = 0
    /// What `join` looks at.
    var done: UInt8 = 0
    /// By line; the first is nobody's. One of them is for who comes when two have died and are not buried.
    var keys = Cells()
    var taken = Cells()
    var said = Cells()
    var lost = Cells()
    /// By thread: elements in its hands, as it is; the line it buries, what was in it; after M: 0 to take, 1 to say done, 2 to bury.
    var hands = Cells()
    var grave = Cells()
    var held = Cells()
    var errand = Cells()

    static let lines = 5
    func line(of key: UInt8) -> Int? { (1..<Self.lines).first { keys[$0] == key } }
    func inHand(_ line: Int) -> UInt8 {
      let gone = said[line] &+ lost[line]
      return taken[line] > gone ? taken[line] - gone : 0
    }
    func sum(_ cells: Cells) -> UInt8 { (0..<Self.lines).reduce(0) { $0 &+ cells[$1] } }
    mutating func kill(_ thread: Int) {
      mortals.kill(thread)
      (hands[thread], grave[thread], held[thread], errand[thread]) = (0, 0, 0, 0)
    }
    var deadLine: Int? { (1..<Self.lines).first { mortals.isDead(keys[$0]) } }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("users of a shared queue", initial: State())
    let elements = Self.elements

    func lock(_ program: inout Program<State>, _ me: Int, _ name: String, errand: UInt8, or killed: Death<State>, next: String) {
      program.step(name, or: killed) { state in
        guard let isTakenOver = state.mortals.take(&state.lock, by: me) else { return .blocked }
        if isTakenOver { state.errand[me] = errand }
        return .go(isTakenOver ? "M1" : next)
      }
    }
    func mend(_ program: inout Program<State>, _ me: Int, or killed: Death<State>, next: @escaping (UInt8) -> String) {
      program.step("M1 taken and not noted?", or: killed) { state in
        let known = state.sum(state.taken) &+ state.lost[0]
        if flaw != .doesNotReconcile, state.takes == known &+ 1 { state.lost[0] &+= 1 }
        return .next
      }
      program.step("M2 count what is done", or: killed) { state in
        let finished = state.sum(state.said) &+ (flaw == .forgetsWhatWasBuried ? state.lost[0] : state.sum(state.lost))
        state.done = min(max(state.done, finished), elements)
        defer { state.errand[me] = 0 }
        return .go(next(state.errand[me]))
      }
    }

    model.threads("taker", count: 2) { program, me in
      let killed = Death<State>(while: { $0.mortals.deaths < 2 }) { state in
        state.kill(me)
        return .go("T1")
      }
      lock(&program, me, "T1 lock", errand: 0, or: killed, next: "T2")
      program.step("T2 an element?", or: killed) { state in
        if state.takes < elements { return flaw == .notesBeforeItCommits ? .go("T5a") : .next }
        state.lock = 0
        return .finish
      }
      program.step("T4 commit", or: killed) { state in
        state.takes &+= 1
        state.hands[me] &+= 1
        return flaw == .notesBeforeItCommits ? .go("T6") : .next
      }
      program.step("T5a the line", or: killed) { state in
        let key = state.mortals.key(me)
        if state.line(of: key) == nil {
          guard let line = state.line(of: 0) else { return .fail("no line is free") }
          state.keys[line] = key
          if flaw == .clearsItsLine { (state.taken[line], state.said[line], state.lost[line]) = (0, 0, 0) }
        }
        return .next
      }
      program.step("T5b note it", or: killed) { state in
        guard let line = state.line(of: state.mortals.key(me)) else { return .fail("its line is gone") }
        state.taken[line] &+= 1
        return flaw == .notesBeforeItCommits ? .go("T4") : .next
      }
      program.step("T6 unlock", or: killed) { state in
        state.lock = 0
        return .next
      }
      lock(&program, me, "D1 lock", errand: 1, or: killed, next: flaw == .countsBeforeItNotes ? "D3" : "D2")
      program.step("D2 note it", or: killed) { state in
        guard let line = state.line(of: state.mortals.key(me)) else { return .fail("its line is gone") }
        state.said[line] &+= 1
        state.hands[me] &-= 1
        return flaw == .countsBeforeItNotes ? .go("D4") : .next
      }
      program.step("D3 count it", or: killed) { state in
        state.done &+= 1
        return flaw == .countsBeforeItNotes ? .go("D2") : .next
      }
      program.step("D4 unlock", or: killed) { state in
        state.lock = 0
        return .go("T1")
      }
      mend(&program, me, or: killed) { $0 == 0 ? "T2" : flaw == .countsBeforeItNotes ? "D3" : "D2" }
    }

    model.threads("joiner", count: 2) { program, me in
      let killed = Death<State>(while: { $0.mortals.deaths < 2 }) { state in
        state.kill(me)
        return .finish
      }
      program.step("J1 all done?", or: killed) { state in
        if state.done >= elements {
          guard state.takes == elements, state.hands == Cells() else { return .fail("join does not wait for the living") }
          return .finish
        }
        // Who waits for the tasks takes no lock that could be taken over, and looks for that.
        if state.mortals.isDead(state.lock) { return .go("L1") }
        guard let line = state.deadLine else { return .blocked }
        state.grave[me] = UInt8(line)
        state.held[me] = state.keys[line]
        return .go("B1")
      }
      lock(&program, me, "L1 lock", errand: 3, or: killed, next: "L2")
      program.step("L2 unlock", or: killed) { state in
        state.lock = 0
        return .go("J1")
      }
      lock(&program, me, "B1 lock", errand: 2, or: killed, next: "B2")
      program.step("B2 its? what it had is lost", or: killed) { state in
        let line = Int(state.grave[me])
        if state.keys[line] != state.held[me], flaw != .buriesWithoutALook {
          state.held[me] = 0
          return .go("B5")
        }
        if flaw == .freesBeforeItCounts, state.mortals.isDead(state.keys[line]) {
          state.keys[line] = 0
          return .go("F1")
        }
        state.held[me] = state.inHand(line)
        if flaw == .movesTheLine {
          state.taken[0] &+= state.taken[line]
          return .go("O1")
        }
        state.lost[line] &+= state.held[me]
        return .next
      }
      program.step("B3 the line is free", or: killed) { state in
        state.keys[Int(state.grave[me])] = 0
        return .next
      }
      program.step("B4 count it", or: killed) { state in
        state.done = min(state.done &+ state.held[me], elements)
        return .next
      }
      program.step("B5 unlock", or: killed) { state in
        state.lock = 0
        (state.grave[me], state.held[me]) = (0, 0)
        return .go("J1")
      }
      program.step("F1 what it had is lost", or: killed) { state in
        let line = Int(state.grave[me])
        state.held[me] = state.inHand(line)
        state.lost[line] &+= state.held[me]
        return .go("B4")
      }
      program.step("O1 done, to nobody's line", or: killed) { state in
        state.said[0] &+= state.said[Int(state.grave[me])] &+ state.held[me]
        return .next
      }
      program.step("O2 clear it", or: killed) { state in
        state.taken[Int(state.grave[me])] = 0
        return .next
      }
      program.step("O3 clear it", or: killed) { state in
        state.said[Int(state.grave[me])] = 0
        return .go("B3")
      }
      mend(&program, me, or: killed) { $0 == 2 ? "B2" : "L2" }
    }

    model.finally("all is taken, and done or lost") { state in
      guard state.takes == elements else { return false }
      // What a dead one has left, nobody need look at any more.
      let isLeft = state.deadLine != nil || state.mortals.isDead(state.lock)
      return isLeft || state.sum(state.said) &+ state.sum(state.lost) == elements && state.done == elements
    }
    return model
  }
}
