import SpindleTestSupport
import Testing

/// A call along the tree of a `ProcessActorSystem`, from the root through a process between to one below that, either of which may be
/// killed; and the cancellation of the caller.
///
///     root, the caller's thread        root, the supervisor      between                       the actor's process
///     A0 cancelled already: leave      R1 a reply: pending       M1 from above: on to below,   H1 a call: run it
///     A1 known to be gone: error;         call, done                or back when that is gone  H2 a cancellation of what
///        else pending                  R2 news of an end:        M2 from below: on to above       runs: tell it
///     A2 send the call                    what is pending        M3 below has ended, and all   H3 reply
///     A3 cancelled by now: say so         there fails               it said was passed on:
///     A4 wait                          R3 the process below         news to above
///                                         has ended: the same
///     X1 cancelled at any time after
///        A0: say so
@Suite(.watchdog(seconds: 120)) struct ActorCallModelTests {
  @Test(arguments: Scene.allCases) func everyCallEnds(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    case alive
    /// The method goes on until it is cancelled.
    case cancelled
    /// One of the two processes is killed.
    case mortal
    /// The method goes on until it is cancelled or its process ends.
    case endless
  }

  enum Flaw: CaseIterable {
    /// A2 comes before A1.
    case sendsBeforeItIsPending
    /// A3 is missing.
    case cancelsBeforeThereIsACall
    /// M3 tells only those below.
    case tellsOnlyBelow
    /// R3 fails only what was asked of the process that has ended, and not of those below it.
    case failsOnlyWhatWasNamed

    var scene: Scene {
      switch self {
      case .sendsBeforeItIsPending: .alive
      case .cancelsBeforeThereIsACall: .cancelled
      case .tellsOnlyBelow, .failsOnlyWhatWasNamed: .endless
      }
    }
  }

  private enum Message {
    static let call: UInt8 = 1, cancel: UInt8 = 2, reply: UInt8 = 3, end: UInt8 = 4, returned: UInt8 = 5
  }

  private enum Call {
    static let none: UInt8 = 0, pending: UInt8 = 1, ended: UInt8 = 2
  }

  struct State: Hashable {
    var toMiddle = Line()
    var toRoot = Line()
    var toLeaf = Line()
    var fromLeaf = Line()
    var call: UInt8 = Call.none
    var isInstalled = false
    var isCancelled = false
    /// 1 while the method runs, 2 once it is told to stop.
    var running: UInt8 = 0
    var isMiddleDead = false
    var isLeafDead = false
    var middleKnows = false
    var rootKnows = false
    var deaths: UInt8 = 0

    mutating func fail() {
      if call == Call.pending { call = Call.ended }
      rootKnows = true
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("call of an actor, \(scene)", initial: State())
    let isCancelling = scene == .cancelled || scene == .endless
    let deaths: UInt8 = scene == .mortal || scene == .endless ? 1 : 0

    model.thread("caller") { program, _ in
      func send(_ state: inout State) { if !state.isMiddleDead { state.toMiddle.append(Message.call) } }
      program.step("A0 cancelled already?") { state in
        if state.isCancelled { return .finish }
        state.isInstalled = true
        return flaw == .sendsBeforeItIsPending ? .go("A2") : .go("A1")
      }
      program.step("A1 pending, unless it is gone") { state in
        if state.rootKnows { return .finish }
        state.call = Call.pending
        return flaw == .sendsBeforeItIsPending ? .go("A4") : .go("A2")
      }
      program.step("A2 send") { state in
        send(&state)
        return flaw == .sendsBeforeItIsPending ? .go("A1") : .next
      }
      program.step("A3 cancelled by now?") { state in
        if state.isCancelled, flaw != .cancelsBeforeThereIsACall { state.toMiddle.append(Message.cancel) }
        return .next
      }
      program.step("A4 wait") { state in state.call == Call.ended ? .finish : .blocked }
    }
    if isCancelling {
      model.thread("canceller") { program, _ in
        program.step("X0 cancel") { state, choices in
          if scene == .endless, choices.either("never") { return .finish }
          state.isCancelled = true
          return state.isInstalled ? .next : .finish
        }
        program.action("X1 say so") { $0.toMiddle.append(Message.cancel) }
      }
    }
    model.background("root") { program, _ in
      program.step("R receive") { state in
        if !state.toRoot.isEmpty {
          switch state.toRoot.removeFirst() {
          case Message.reply, Message.returned: if state.call == Call.pending { state.call = Call.ended }  // R1
          default: state.fail()  // R2
          }
          return .stay
        }
        guard state.isMiddleDead, !state.rootKnows else { return .blocked }
        if flaw == .failsOnlyWhatWasNamed { state.rootKnows = true } else { state.fail() }  // R3
        return .stay
      }
    }
    model.background("middle") { program, _ in
      program.step("M pass on") { state, choices in
        if state.isMiddleDead { return .finish }
        var ways: [UInt8] = []
        if !state.toMiddle.isEmpty { ways.append(1) }
        if !state.fromLeaf.isEmpty { ways.append(2) }
        if state.isLeafDead, state.fromLeaf.isEmpty, !state.middleKnows { ways.append(3) }
        if state.deaths < deaths { ways.append(4) }
        if ways.isEmpty { return .blocked }
        switch ways[choices.pick(of: ways.count) { "M\(ways[$0])" }] {
        case 1:
          let message = state.toMiddle.removeFirst()
          if !state.middleKnows {
            state.toLeaf.append(message)
          } else if message == Message.call {
            state.toRoot.append(Message.returned)
          }
        case 2: state.toRoot.append(state.fromLeaf.removeFirst())
        case 3:
          state.middleKnows = true
          if flaw != .tellsOnlyBelow { state.toRoot.append(Message.end) }
        default:
          state.deaths += 1
          state.isMiddleDead = true
          state.isLeafDead = true
          state.fromLeaf = Line()
          return .finish
        }
        return .stay
      }
    }
    model.background("actor") { program, _ in
      program.step("H receive and run") { state, choices in
        if state.isLeafDead { return .finish }
        var ways: [UInt8] = []
        if !state.toLeaf.isEmpty { ways.append(1) }
        if state.running == 2 || state.running == 1 && !isCancelling { ways.append(3) }
        if state.deaths < deaths { ways.append(4) }
        if ways.isEmpty { return .blocked }
        switch ways[choices.pick(of: ways.count) { "H\(ways[$0])" }] {
        case 1:
          let message = state.toLeaf.removeFirst()
          if message == Message.call { state.running = 1 } else if state.running == 1 { state.running = 2 }
        case 3:
          state.running = 0
          state.fromLeaf.append(Message.reply)
        default:
          state.deaths += 1
          state.isLeafDead = true
          return .finish
        }
        return .stay
      }
    }
    // A method that nobody stops rightly goes on: there the end of a process is what has to come.
    if scene == .endless {
      model.background("time") { program, _ in
        program.step("goes by") { state in
          let isNeeded = state.deaths == 0 && !state.isCancelled && state.call == Call.pending && state.running == 1
          return isNeeded ? .stay : .blocked
        }
      }
    }
    return model
  }
}
