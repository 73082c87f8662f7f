import SpindleTestSupport
import Testing

/// One start by the fork server, with the steps of `fork_server.c`: server and worker may be killed before any of theirs, the
/// worker may hang before it says hello, and the program takes what its descriptors tell in any order.
///
///     the program                                 fork server                      worker
///     F3 the request is in the server's socket,   Z2 receives, clones              W1 looks who its parent is
///        with the worker's end of its own         Z3 tells the number              W2 says hello, with its number
///     F4 hello, or Z3: the worker is known        Z4 closes the worker's end       W3 works, ends
///     F5 its socket closes before: Z3 may still
///        come; once the server has ended: again
///     F6 the server ends: what it told first;
///        a closed socket without a worker: again
///     F7 no hello in time: kill the server; when
///        it has ended, F8
///     F8 read the worker's socket, and close it
@Suite(.watchdog(seconds: 120)) struct ForkServerModelTests {
  @Test(arguments: Scene.allCases) func everyStartEndsAndNoChildIsLeft(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// The server, the worker or both are killed.
    case mortal
    /// The same, and the worker may hang before it says hello.
    case hanging
  }

  enum Flaw: CaseIterable {
    /// F5 starts again while the server could still tell of a worker that has died.
    case doesNotWaitForTheServersWord
    /// F6 starts again whether the socket has closed or not.
    case forgetsThatTheWorkerMayLive
    /// F6 is missing.
    case ignoresTheServersEnd
    /// F6 does not read what the server had told.
    case doesNotReadTheRest
    /// F4 takes the second introduction for another worker.
    case adoptsTwice
    /// Z3 is missing: only hello tells.
    case serverSaysNothing
    /// F7 does nothing when the server has ended.
    case leavesTheSilent
    /// F8 is missing where the server ends because F7 has killed it.
    case forgetsWhyItKilled
    /// F8 closes the socket without a look at what has come meanwhile.
    case closesUnread

    var scene: Scene {
      switch self {
      case .leavesTheSilent, .forgetsWhyItKilled, .closesUnread: .hanging
      default: .mortal
      }
    }
  }

  private enum Worker {
    static let none: UInt8 = 0, alive: UInt8 = 1, dead: UInt8 = 2
  }

  private enum Outcome {
    static let pending: UInt8 = 0, adopted: UInt8 = 1, again: UInt8 = 2, error: UInt8 = 3
  }

  struct State: Hashable {
    // Who holds the worker's end of its socket.
    var inFlight = true
    var atServer = false
    var atWorker = false
    var isServerDead = false
    var isServerKilled = false
    var worker: UInt8 = Worker.none
    var isWorkerKilled = false
    // What lies in the sockets, and what the program has read of it.
    var told = false
    var toldRead = false
    var hello = false
    var helloRead = false
    var refusal = false
    var refusalRead = false
    // What the program knows.
    var isControlClosed = false
    var isServerGone = false
    var isLate = false
    var outcome: UInt8 = Outcome.pending
    var isReaped = false

    var isWorkersSocketShut: Bool { !inFlight && !atServer && !atWorker }

    /// Nobody could ever have told of the worker.
    var isExcused: Bool { isServerDead && !told && !hello }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("fork server, \(scene)", initial: State())

    func adopt(_ state: inout State) -> Bool {
      if state.outcome == Outcome.adopted { return flaw != .adoptsTwice }
      if state.outcome != Outcome.pending { return true }
      state.outcome = Outcome.adopted
      if state.isLate { state.isWorkerKilled = true }
      return true
    }
    func forkAgain(_ state: inout State) {
      if state.outcome == Outcome.pending {
        state.outcome = state.refusalRead || state.isLate ? Outcome.error : Outcome.again
      }
    }
    func closeControl(_ state: inout State) {
      state.isControlClosed = true
      guard state.outcome == Outcome.pending else { return }
      if state.refusalRead || state.isServerGone || flaw == .doesNotWaitForTheServersWord { forkAgain(&state) }  // F5
    }

    func giveUp(_ state: inout State) -> Bool {
      if state.hello, flaw != .closesUnread {
        state.helloRead = true
        return adopt(&state)
      }
      closeControl(&state)
      return true
    }

    model.thread("program") { program, _ in
      program.step("F4 whatever is ready") { state, choices in
        if state.outcome == Outcome.again || state.outcome == Outcome.error || state.isReaped { return .finish }
        var events: [(String, (inout State) -> Bool)] = []
        if state.refusal, !state.refusalRead, !state.isControlClosed {
          events.append(("refusal", { $0.refusalRead = true; return true }))
        }
        if state.hello, !state.helloRead, !state.isControlClosed {
          events.append(("hello", { $0.helloRead = true; return adopt(&$0) }))
        }
        if state.isWorkersSocketShut, !state.isControlClosed, state.hello == state.helloRead,
          state.refusal == state.refusalRead
        {
          events.append(("the worker's socket closes", { closeControl(&$0); return true }))
        }
        if state.told, !state.toldRead, !state.isServerGone {
          events.append(("the server tells", { $0.toldRead = true; return adopt(&$0) }))
        }
        if state.isServerDead, !state.isServerGone {
          events.append(("the server has ended", { state in
            if state.told, !state.toldRead, flaw != .doesNotReadTheRest {
              state.toldRead = true
              if !adopt(&state) { return false }
            }
            state.isServerGone = true
            let isLost = state.isControlClosed || flaw == .forgetsThatTheWorkerMayLive
            if state.outcome == Outcome.pending, isLost, flaw != .ignoresTheServersEnd { forkAgain(&state) }  // F6
            if state.isLate, state.outcome == Outcome.pending, flaw != .forgetsWhyItKilled { return giveUp(&state) }  // F8
            return true
          }))
        }
        if state.outcome == Outcome.adopted, state.worker == Worker.dead {
          events.append(("the worker has ended", { $0.isReaped = true; return true }))
        }
        if scene == .hanging, !state.isLate, !state.helloRead {
          events.append(("no hello in time", { state in
            state.isLate = true
            if state.outcome == Outcome.adopted {
              state.isWorkerKilled = true
            } else if !state.isServerGone {
              state.isServerKilled = true
            } else if flaw != .leavesTheSilent {
              return giveUp(&state)
            }
            return true
          }))
        }
        if events.isEmpty { return .blocked }
        let event = events[choices.pick(of: events.count) { events[$0].0 }]
        return event.1(&state) ? .stay : .fail("a second worker is adopted")
      }
    }

    model.background("fork server") { program, _ in
      func mortal(_ name: String, _ body: @escaping (inout State, inout Choices) -> Flow) {
        program.step(name) { state, choices in
          if state.isServerKilled || choices.either("killed") {
            state.isServerDead = true
            state.inFlight = false
            state.atServer = false
            return .finish
          }
          return body(&state, &choices)
        }
      }
      mortal("Z2 receive") { state, _ in
        state.inFlight = false
        state.atServer = true
        return .next
      }
      mortal("Z2b clone") { state, choices in
        if choices.either("clone fails") {
          state.refusal = true
          return .go("Z4")
        }
        state.worker = Worker.alive
        state.atWorker = true
        return flaw == .serverSaysNothing ? .go("Z4") : .next
      }
      mortal("Z3 tell the number") { state, _ in
        state.told = true
        return .next
      }
      mortal("Z4 close the worker's end") { state, _ in
        state.atServer = false
        return .next
      }
      program.step("Z5 wait for the next") { state in
        guard state.isServerKilled else { return .blocked }
        state.isServerDead = true
        return .finish
      }
    }

    model.background("worker") { program, _ in
      func mortal(_ name: String, _ body: @escaping (inout State, inout Choices) -> Flow) {
        program.step(name) { state, choices in
          if state.worker == Worker.none { return .blocked }
          if state.isWorkerKilled || choices.either("killed") {
            state.worker = Worker.dead
            state.atWorker = false
            return .finish
          }
          return body(&state, &choices)
        }
      }
      mortal("W1 look for the parent") { state, choices in
        scene == .hanging && choices.either("hangs") ? .go("W4") : .next
      }
      mortal("W2 hello") { state, _ in
        if !state.isControlClosed { state.hello = true }
        return .next
      }
      mortal("W3 end") { state, _ in
        state.worker = Worker.dead
        state.atWorker = false
        return .finish
      }
      program.step("W4 hang") { state in
        guard state.isWorkerKilled else { return .blocked }
        state.worker = Worker.dead
        state.atWorker = false
        return .finish
      }
    }

    model.always("what is started again is not running") { state in
      state.outcome != Outcome.again || state.worker != Worker.alive
    }
    model.finally("every child is reaped, unless both were killed before either told of it") { state in
      state.worker == Worker.none || state.isReaped || state.isExcused
    }
    return model
  }
}
