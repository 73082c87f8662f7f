import SpindleTestSupport
import Testing

/// `Barrier`: who waits for a round passes with all others of it or with none, each with an order of its own. The steps
/// are those of Sources/SpindleThreads/Coordination/Barrier+Rounds.swift; the word is read and exchanged in one step,
/// because the exchange fails if it has changed, unless a note is written in between.
@Suite(.watchdog(seconds: 120)) struct BarrierModelTests {
  @Test(arguments: Scene.allCases) func allOfARoundPassOrNoneAndOnlyThoseWhoWaitBreakIt(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two cross it twice.
    case patient
    /// A barrier for two with an action that may fail; three come, whose time may run out.
    case action
    /// A barrier for two; three come, whose time may run out, and somebody resets it once.
    case reset
    /// A barrier for three; one may be cancelled, then a fourth comes.
    case parted

    var parties: UInt8 { self == .parted ? 3 : 2 }
    var threads: Int { self == .patient ? 2 : self == .parted ? 4 : 3 }
  }

  enum Flaw: CaseIterable {
    /// A4 wakes nobody.
    case forgetsToWake
    /// D1 does not ask: a time-out from before a reset breaks the barrier after it.
    case breaksLate
    /// D1 ends a round whose action runs.
    case breaksWhileTheActionRuns
    /// D3 before D2.
    case endsBeforeItNotes
    /// A5: the first who reads a note forgets it.
    case firstReaderForgets
    /// D4 counts all parties instead of those who are there.
    case countsTheAbsent
    /// D3 exchanges the word whatever it is by now.
    case endsWhateverItIs
    /// C3 does not look whether the round is over.
    case partsFromTheNextRound
    /// A2 in a parted round does not count the empty places.
    case takesAPlaceTwice
    /// When the action fails, there is no note.
    case failedActionForgetsTheOthers

    var scene: Scene {
      switch self {
      case .forgetsToWake: .patient
      case .partsFromTheNextRound, .takesAPlaceTwice, .firstReaderForgets: .parted
      case .breaksWhileTheActionRuns, .failedActionForgetsTheOthers: .action
      default: .reset
      }
    }
  }

  /// `BarrierRound`.
  struct Word: Hashable {
    var number: UInt8 = 0
    var present: UInt8 = 0
    var isBroken = false
    var isParted = false
    var isClosing = false

    mutating func end(isBroken: Bool) { self = Word(number: number + 1, isBroken: isBroken) }
  }

  struct Note: Hashable {
    var readers: UInt8
    var isBroken = false
    /// A bit for each place.
    var parted: UInt8 = 0
  }

  struct State: Hashable {
    var word = Word()
    var notes: [UInt8: Note] = [:]
    var isLocked = false
    var spot = Spot()
    // Local variables.
    var round = Cells()
    var place = Cells()
    var seen: [Word?] = Array(repeating: nil, count: 5)
    var before: [Note?] = Array(repeating: nil, count: 5)
    var crossings = Cells()
    // Not in the code.
    /// Who passed, by rounds: a bit for each order; 16 and more: too many with the same.
    var passed = Cells()
    var isGone = false
    /// Whether somebody's time ran out, or the action failed, since the last reset.
    var mayBreak = false
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("barrier, \(scene)", initial: State())
    let parties = scene.parties
    let spot = SpotSteps<State>(spot: \.spot, prefix: "b")
    let early = SpotSteps<State>(spot: \.spot, prefix: "w")
    let closing = SpotSteps<State>(spot: \.spot, prefix: "e")

    func enter(_ state: inout State, _ me: Int, empty: Int) -> Flow {
      state.round[me] = state.word.number
      state.place[me] = state.word.present + UInt8(empty)
      state.word.present += 1
      if state.word.present < parties { return .go("bS2") }
      if scene == .action { state.word.isClosing = true } else { state.word.end(isBroken: false) }
      return .go("A4")
    }

    func lock(_ state: inout State) -> Flow {
      if state.isLocked { return .blocked }
      state.isLocked = true
      return .next
    }

    /// Steps that write a note, then exchange the word if it is still the same; else undo and begin again.
    func exchange(
      _ program: inout Program<State>, _ me: Int, _ label: String, done: String, over: String, resets: Bool = false,
      isOver: @escaping (State) -> Bool, note: @escaping (inout Note, Word, UInt8) -> Void,
      forgets: @escaping (Word) -> Bool,
      word: @escaping (inout Word) -> Void
    ) {
      func write(_ state: inout State, _ old: Word) {
        if old.present == 0 || label == "D" && old.isClosing { return }
        if forgets(old) {
          state.notes[old.number] = nil
        } else {
          note(&state.notes[old.number, default: Note(readers: parties - 1)], old, state.place[me])
        }
      }
      program.step("\(label)1 lock the notes", lock)
      program.step("\(label)2 note") { state in
        if isOver(state) {
          state.isLocked = false
          return .go(over)
        }
        state.seen[me] = state.word
        state.before[me] = state.notes[state.word.number]
        if flaw != .endsBeforeItNotes { write(&state, state.word) }
        return .next
      }
      program.step("\(label)3 exchange the word") { state in
        let old = state.seen[me]!
        if state.word != old, flaw != .endsWhateverItIs {
          state.notes[old.number] = state.before[me]
          return .go("\(label)2")
        }
        word(&state.word)
        if resets { state.mayBreak = false }
        return .next
      }
      program.step("\(label)4 unlock") { state in
        if flaw == .endsBeforeItNotes { write(&state, state.seen[me]!) }
        state.isLocked = false
        state.seen[me] = nil
        state.before[me] = nil
        return .go(done)
      }
    }

    func dismiss(_ program: inout Program<State>, _ me: Int, breaks: Bool, asks: Bool, done: String, over: String) {
      exchange(
        &program, me, "D", done: "D5", over: over, resets: !breaks,
        isOver: { state in
          guard asks else { return false }
          if state.word.isClosing, flaw != .breaksWhileTheActionRuns { return true }
          return state.word.number != state.round[me] && flaw != .breaksLate
        },
        note: { note, old, _ in
          note.isBroken = true
          note.readers = flaw == .countsTheAbsent ? parties : old.present
        },
        forgets: { _ in false },
        word: { word in
          if word.present == 0 || word.isClosing && flaw != .breaksWhileTheActionRuns {
            word.isBroken = breaks
          } else {
            word.end(isBroken: breaks)
          }
        })
      program.step("D5 wake all") { state in
        state.spot.wake(8, by: me)
        return .go(done)
      }
    }

    model.threads("party", count: scene.threads) { program, me in
      let isTimed = scene == .reset || scene == .action
      let isCancelled = scene == .parted && me == 0
      program.step("A0 come") { state in
        guard scene == .parted, me == 3 else { return .next }
        // The fourth comes in the place of the one who was cancelled.
        if state.isGone { return .next }
        return state.passed[0] == 7 ? .finish : .blocked
      }
      program.step("A1 enter") { state in
        if state.word.isBroken { return .finish }
        if state.word.isClosing {
          state.round[me] = state.word.number
          return .go("wS2")
        }
        return state.word.isParted ? .next : enter(&state, me, empty: 0)
      }
      program.step("A2a lock the notes", lock)
      program.step("A2b enter, unlock") { state in
        state.isLocked = false
        guard state.word.isParted, !state.word.isBroken, !state.word.isClosing else { return .go("A1") }
        let empty = flaw == .takesAPlaceTwice ? 0 : state.notes[state.word.number]?.parted.nonzeroBitCount ?? 0
        return enter(&state, me, empty: empty)
      }
      early.wait(&program, me, isTimed: false, success: "A1") { state in
        state.word.number != state.round[me] || state.word.isBroken
      }
      spot.wait(
        &program, me, isTimed: isTimed || isCancelled, success: "A5", failure: isCancelled ? "C1" : "D0"
      ) { state in state.word.number != state.round[me] }
      program.step("D0 time has run out") { state in
        if state.word.number == state.round[me], !state.word.isClosing { state.mayBreak = true }
        return .next
      }
      dismiss(&program, me, breaks: true, asks: true, done: "A5", over: "eS2")
      closing.wait(&program, me, success: "A5") { state in state.word.number != state.round[me] }
      exchange(
        &program, me, "C", done: "C5", over: "eS2",
        isOver: { $0.word.isClosing || $0.word.number != $0.round[me] && flaw != .partsFromTheNextRound },
        note: { note, _, place in note.parted |= 1 << place },
        forgets: { $0.present == 1 },
        word: { word in
          word.present = word.present == 0 ? 0 : word.present - 1
          word.isParted = word.present > 0
        })
      program.step("C5 cancelled") { state in
        state.isGone = true
        return .finish
      }
      program.step("A4 the last: action") { state, choices in
        guard scene == .action else { return .go("A4c") }
        if choices.either("fails") {
          state.mayBreak = true
          return .next
        }
        state.word.end(isBroken: state.word.isBroken)
        return .go("A4c")
      }
      program.step("A4a lock the notes, note", lock)
      program.step("A4b end as broken, unlock") { state in
        if flaw != .failedActionForgetsTheOthers {
          state.notes[state.word.number, default: Note(readers: parties - 1)].isBroken = true
        }
        state.word.end(isBroken: true)
        state.isLocked = false
        state.place[me] = 15
        return .next
      }
      program.step("A4c wake all") { state in
        if flaw != .forgetsToWake { state.spot.wake(8, by: me) }
        if state.place[me] < 15 { pass(&state, me, order: parties - 1) }
        return again(&state, me)
      }
      program.step("A5 no notes? passed") { state in
        if !state.notes.isEmpty { return .next }
        pass(&state, me, order: state.place[me])
        return again(&state, me)
      }
      program.step("A5b read the note") { state in
        if state.isLocked { return .blocked }
        guard var note = state.notes[state.round[me]] else {
          pass(&state, me, order: state.place[me])
          return .finish
        }
        note.readers -= note.readers == 0 ? 0 : 1
        state.notes[state.round[me]] = note.readers == 0 || flaw == .firstReaderForgets ? nil : note
        if !note.isBroken {
          let before = note.parted & (1 << state.place[me] - 1)
          pass(&state, me, order: state.place[me] - UInt8(before.nonzeroBitCount))
        }
        return .finish
      }
    }
    if scene == .reset {
      model.thread("resetter") { program, me in
        dismiss(&program, me, breaks: false, asks: false, done: "E1", over: "E1")
        program.step("E1 end") { _ in .finish }
      }
    }
    model.finally("all of a round passed, each with another order, or none") { state in
      (0..<8).allSatisfy { state.passed[$0] == 0 || state.passed[$0] == 1 << parties - 1 }
    }
    if scene == .patient { model.finally("both passed twice") { $0.passed[1] == 3 } }
    model.finally("a broken barrier was broken after the last reset") { !$0.word.isBroken || $0.mayBreak }
    model.finally("no note and nobody is left behind") { $0.notes.isEmpty && $0.spot.isQuiet && !$0.isLocked }

    func again(_ state: inout State, _ me: Int) -> Flow {
      state.crossings[me] += 1
      return scene == .patient && state.crossings[me] == 1 ? .go("A1") : .finish
    }
    return model
  }
}

/// Notes that a thread has passed; 128 stands for an order given twice.
private func pass(_ state: inout BarrierModelTests.State, _ me: Int, order: UInt8) {
  let bit = UInt8(1) << min(order, 6)
  let round = Int(state.round[me])
  state.passed[round] |= state.passed[round] & bit == 0 ? bit : 128
}
