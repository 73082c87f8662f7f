import SpindleTestSupport
import Testing

/// `ActorLease`: the root, which knows an actor, tells another process of it twice and forgets it; that one may be killed.
///
///     root, teller                    root, messages                    told                      the actor's process
///     L1 "one more for told" to the   P1 from told: pass it on          L3 a name: count it       adds, unless it knows that
///        actor's process              P2 told has ended, and all        L4 forget it:             told has ended; subtracts;
///     L2 the name, to told, unless       it said was passed on:            "so many fewer"        an end: told has none;
///        that has ended                  news to the actor's process                              nobody knows it: let it go
///     L5 "one fewer" for itself
@Suite(.watchdog(seconds: 120)) struct ActorLeaseModelTests {
  @Test(arguments: Scene.allCases) func anActorLivesAsLongAsAnybodyKnowsIt(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// The actor lives in a third process; all live.
    case alive
    /// The same, and who is told may be killed.
    case mortal
    /// The actor lives in the root, and who is told ends.
    case ofTheRoot
  }

  enum Flaw: CaseIterable {
    /// L2 comes before L1.
    case namesBeforeItCounts
    /// L5 comes before L1.
    case forgetsBeforeItTells
    /// L3 does not count: L4 says "one fewer".
    case forgetsHowOftenItWasTold
    /// What was told to one that has ended is counted.
    case countsForTheGone
    case countsForTheGoneInTheRoot
    /// P2 tells nobody.
    case tellsNobodyOfTheEnd

    var scene: Scene {
      switch self {
      case .namesBeforeItCounts, .forgetsBeforeItTells, .forgetsHowOftenItWasTold: .alive
      case .countsForTheGone, .tellsNobodyOfTheEnd: .mortal
      case .countsForTheGoneInTheRoot: .ofTheRoot
      }
    }
  }

  private enum Message {
    static let more: UInt8 = 1, rootForgets: UInt8 = 2, end: UInt8 = 3
    /// Plus how many.
    static let fewer: UInt8 = 8
  }

  struct State: Hashable {
    var toHome = Line()
    var toTold = Line()
    var fromTold = Line()
    var ofRoot: UInt8 = 1
    var ofTold: UInt8 = 0
    var homeKnows = false
    var isLetGo = false
    var lease: UInt8 = 0
    var isToldDead = false
    var isToldDone = false
    var isToldGone = false
    var tells: UInt8 = 0
    var isTellerDone = false
    var isRootDone = false
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("lease of an actor, \(scene)", initial: State())

    func apply(_ message: UInt8, _ state: inout State) {
      switch message {
      case Message.more:
        let isGone = scene == .ofTheRoot ? state.isToldGone : state.homeKnows
        if !isGone || flaw == .countsForTheGone || flaw == .countsForTheGoneInTheRoot { state.ofTold += 1 }
      case Message.rootForgets: state.ofRoot = 0
      case Message.end:
        state.ofTold = 0
        state.homeKnows = true
      default: state.ofTold -= min(state.ofTold, message - Message.fewer)
      }
      if state.ofRoot == 0, state.ofTold == 0 { state.isLetGo = true }
    }
    func sendHome(_ message: UInt8, _ state: inout State) {
      if scene == .ofTheRoot { apply(message, &state) } else { state.toHome.append(message) }
    }

    model.thread("teller") { program, _ in
      program.step("L0 begin") { state in flaw == .forgetsBeforeItTells && state.tells == 0 ? .go("L5") : .next }
      program.step("L1 count") { state in
        if flaw == .namesBeforeItCounts, state.tells & 1 == 0 { return .next }
        sendHome(Message.more, &state)
        return .next
      }
      program.step("L2 name") { state in
        if !state.isToldGone { state.toTold.append(1) }
        return .next
      }
      program.step("L2b count, late") { state in
        if flaw == .namesBeforeItCounts, state.tells & 1 == 0 { sendHome(Message.more, &state) }
        state.tells += 1
        if state.tells < 2 { return .go("L1") }
        return flaw == .forgetsBeforeItTells ? .go("L6") : .next
      }
      program.step("L5 forget") { state in
        sendHome(Message.rootForgets, &state)
        return flaw == .forgetsBeforeItTells ? .go("L1") : .next
      }
      program.step("L6 done") { state in
        state.isTellerDone = true
        return .finish
      }
    }
    model.thread("told") { program, _ in
      program.step("L3 or L4") { state, choices in
        if scene != .alive, choices.either("killed") {
          state.isToldDead = true
          return .finish
        }
        if !state.toTold.isEmpty, !choices.either("forgets first") {
          _ = state.toTold.removeFirst()
          state.lease += flaw == .forgetsHowOftenItWasTold && state.lease > 0 ? 0 : 1
          return .stay
        }
        if state.lease > 0 {
          state.fromTold.append(Message.fewer + state.lease)
          state.lease = 0
          return .stay
        }
        guard state.isTellerDone, state.toTold.isEmpty else { return .blocked }
        state.isToldDone = true
        return .finish
      }
    }
    model.thread("root") { program, _ in
      program.step("P pass on") { state in
        if !state.fromTold.isEmpty {
          sendHome(state.fromTold.removeFirst(), &state)
          return .stay
        }
        if state.isToldDead, !state.isToldGone {
          state.isToldGone = true
          state.toTold = Line()
          if flaw != .tellsNobodyOfTheEnd { sendHome(Message.end, &state) }
          return .stay
        }
        guard state.isTellerDone, state.isToldDone || state.isToldGone else { return .blocked }
        state.isRootDone = true
        return .finish
      }
    }
    model.thread("home") { program, _ in
      program.step("H count") { state in
        if state.toHome.isEmpty { return state.isRootDone ? .finish : .blocked }
        apply(state.toHome.removeFirst(), &state)
        return .stay
      }
    }
    model.always("nobody has the name of an actor that was let go") { state in
      !state.isLetGo || state.isToldDead || state.lease == 0 && state.toTold.isEmpty
    }
    model.finally("an actor that nobody knows is let go") { $0.isLetGo }
    return model
  }
}

/// `ActorLease`: two processes below the root know an actor that lives in a third. One tells the other of it, twice, and may be killed at
/// any step; the other forgets what it was told at any time.
///
///     teller, who may die               root                        told                       the actor's process
///     L1 "one more for told, from me"   P1 passes on                L3 a name: count it        adds; subtracts; an end: the
///     L2 the name, to told              P2 teller has ended, and    L4 forget all: "so many       dead has none, and S2
///     L5 "one fewer" for itself            all it said was             fewer"                     "how many from it?"
///                                          passed on: news          S4 "so many"               S5 that is how many
///                                                                                              nobody knows it: let it go
@Suite(.watchdog(seconds: 120)) struct ActorSettlementModelTests {
  @Test func whatTheDeadAnnouncedIsSettled() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// S2 is missing.
    case doesNotAsk
    /// The end of the teller ends what it told others.
    case dropsWhatTheDeadTold
    /// P2 does not wait until all was passed on to told.
    case asksBeforeAllHasArrived
    /// S5 adds.
    case addsTheAnswer
    /// L4 is counted and sent in two steps, and S4 may come between.
    case answersWhileItForgets
  }

  private enum Message {
    static let name: UInt8 = 1, question: UInt8 = 2
    static let more: UInt8 = 3, tellerForgets: UInt8 = 4, end: UInt8 = 5
    /// Plus how many.
    static let fewer: UInt8 = 6, settled: UInt8 = 10
  }

  struct State: Hashable {
    var fromTeller = Line()
    var toHome = Line()
    var toTold = Line()
    var fromTold = Line()
    var fromHome = Line()
    /// What the actor's process counts for each.
    var ofTeller: UInt8 = 1
    var ofTold: UInt8 = 0
    var isLetGo = false
    /// Told's names, and how many it has forgotten and not said so.
    var names: UInt8 = 0
    var forgotten: UInt8 = 0
    var tells: UInt8 = 0
    var isDead = false
    var isTellerDone = false
    var isNewsOut = false

    /// The name, to told.
    var isOnTheWay: Bool { (0..<toTold.count).contains { toTold[$0] == Message.name } }
    var isAtRest: Bool {
      [fromTeller, toHome, toTold, fromTold, fromHome].allSatisfy(\.isEmpty) && names == 0 && forgotten == 0
        && (isNewsOut || isTellerDone)
    }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("settlement of an actor's names", initial: State())

    model.thread("teller") { program, _ in
      let killed = Death<State>(while: { _ in true }) { state in
        state.isDead = true
        return .finish
      }
      program.step("L1 count", or: killed) { state in
        state.fromTeller.append(Message.more)
        return .next
      }
      program.step("L2 name", or: killed) { state in
        state.fromTeller.append(Message.name)
        state.tells += 1
        return state.tells < 2 ? .go("L1") : .next
      }
      program.step("L5 forget", or: killed) { state in
        state.fromTeller.append(Message.tellerForgets)
        return .next
      }
      program.step("L6 live on", or: killed) { state in
        state.isTellerDone = true
        return .finish
      }
    }
    model.background("root") { program, _ in
      program.step("P pass on") { state, choices in
        var ways: [UInt8] = []
        if !state.fromTeller.isEmpty { ways.append(1) }
        if !state.fromTold.isEmpty { ways.append(2) }
        if !state.fromHome.isEmpty { ways.append(3) }
        if state.isDead, !state.isNewsOut, state.fromTeller.isEmpty || flaw == .asksBeforeAllHasArrived { ways.append(4) }
        if ways.isEmpty { return .blocked }
        switch ways[choices.pick(of: ways.count) { "P\(ways[$0])" }] {
        case 1:
          let message = state.fromTeller.removeFirst()
          if message == Message.name { state.toTold.append(message) } else { state.toHome.append(message) }
        case 2: state.toHome.append(state.fromTold.removeFirst())
        case 3: state.toTold.append(state.fromHome.removeFirst())
        default:
          state.isNewsOut = true
          state.toHome.append(Message.end)
        }
        return .stay
      }
    }
    model.background("told") { program, _ in
      program.step("L3, L4 or S4") { state, choices in
        var ways: [UInt8] = []
        if !state.toTold.isEmpty { ways.append(1) }
        if state.forgotten > 0 { ways.append(2) } else if state.names > 0 { ways.append(3) }
        if ways.isEmpty { return .blocked }
        switch ways[choices.pick(of: ways.count) { "T\(ways[$0])" }] {
        case 1:
          if state.toTold.removeFirst() == Message.name {
            state.names += 1
          } else {
            state.fromTold.append(Message.settled + state.names)
          }
        case 2:
          state.fromTold.append(Message.fewer + state.forgotten)
          state.forgotten = 0
        default:
          if flaw == .answersWhileItForgets {
            state.forgotten = state.names
          } else {
            state.fromTold.append(Message.fewer + state.names)
          }
          state.names = 0
        }
        return .stay
      }
    }
    model.background("home") { program, _ in
      program.step("H count") { state in
        if state.toHome.isEmpty { return .blocked }
        let message = state.toHome.removeFirst()
        switch message {
        case Message.more: state.ofTold += 1
        case Message.tellerForgets: state.ofTeller = 0
        case Message.end:
          state.ofTeller = 0
          if flaw == .dropsWhatTheDeadTold { state.ofTold = 0 }
          if state.ofTold > 0, flaw != .doesNotAsk { state.fromHome.append(Message.question) }
        case Message.settled...:
          let count = message - Message.settled
          state.ofTold = flaw == .addsTheAnswer ? state.ofTold + count : min(state.ofTold, count)
        default: state.ofTold -= min(state.ofTold, message - Message.fewer)
        }
        if state.ofTeller == 0, state.ofTold == 0 { state.isLetGo = true }
        return .stay
      }
    }
    model.thread("end") { program, _ in program.step("all is at rest") { $0.isAtRest ? .finish : .blocked } }
    model.always("nobody has the name of an actor that was let go") { state in
      !state.isLetGo || state.names == 0 && !state.isOnTheWay
    }
    model.finally("an actor that nobody knows is let go") { $0.isLetGo }
    return model
  }
}
