import SpindleTestSupport
import Testing

/// A pool and one of its workers over the slots that they share; the steps of ProcessPool/PROTOCOL.md.
///
/// The pool hands out two calls and takes one back at any time; its collector sleeps until a reply rings; the worker
/// may be killed before any of its steps, which the supervisor then learns.
@Suite(.watchdog(seconds: 120)) struct CallLinkModelTests {
  @Test(arguments: [false, true]) func everyCallEndsOnceAndIsBegunOnceAtMost(_ isMortal: Bool) {
    let result = model(isMortal: isMortal, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(isMortal: flaw.needsDeath, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// W6: the worker says that it sleeps and does not look again.
    case workerSleepsWithoutALook
    /// P3 comes before P2.
    case poolRingsBeforeItOffers
    /// C3 is missing.
    case collectorSleepsWithoutALook
    /// C1 comes after C3.
    case collectorHearsLate
    /// W5 comes before W4.
    case workerRingsBeforeItReplies
    /// W1 is a look and a store.
    case beginsWithoutComparing
    /// P4 is a look and a store.
    case takesBackWithoutComparing
    /// The supervisor leaves what was replied to the collector.
    case supervisorDoesNotCollect
    /// The supervisor gives a call that was begun to another worker.
    case runsAgainWhatWasBegun
    /// The supervisor takes what was only offered for lost, and what was taken back too.
    case losesWhatWasTakenBack

    var needsDeath: Bool {
      switch self {
      case .supervisorDoesNotCollect, .runsAgainWhatWasBegun, .losesWhatWasTakenBack: true
      default: false
      }
    }
  }

  private enum Stage {
    static let empty: UInt8 = 0, offered: UInt8 = 1, begun: UInt8 = 2, replied: UInt8 = 3, withdrawn: UInt8 = 4
  }

  private enum End {
    static let delivered: UInt8 = 1, lost: UInt8 = 2, elsewhere: UInt8 = 3
  }

  struct State: Hashable {
    /// By call.
    var slots = Cells()
    var begun = Cells()
    var ended = Cells()
    /// The worker: which call is next, what it has seen, its bell.
    var next: UInt8 = 0
    var bell: UInt8 = 0
    var seen: UInt8 = 0
    var asleep: UInt8 = 0
    var inKernel: UInt8 = 0
    var isDead: UInt8 = 0
    var isBuried: UInt8 = 0
    /// The collector.
    var wanted: UInt8 = 0
    var poolBell: UInt8 = 0
    var heard: UInt8 = 0
    var collectorInKernel: UInt8 = 0
    /// The pool: which call it hands out; and with a flaw, what it has looked at.
    var handing: UInt8 = 0
    var looked: UInt8 = 0
    var workerLooked: UInt8 = 0

    var isAllEnded: Bool { ended[0] != 0 && ended[1] != 0 }

    mutating func end(_ call: Int, _ how: UInt8) -> Bool {
      if ended[call] != 0 { return false }
      ended[call] = how
      return true
    }
  }

  private func model(isMortal: Bool, _ flaw: Flaw?) -> Model<State> {
    var model = Model("call link", initial: State())

    /// P6, for all slots, under the pool's lock. Nil when a call would end twice.
    func collect(_ state: inout State) -> Bool? {
      var any = false
      for call in 0..<2 where state.slots[call] == Stage.replied {
        if !state.end(call, End.delivered) { return nil }
        state.slots[call] = Stage.empty
        any = true
      }
      return any
    }

    model.thread("pool") { program, _ in
      func ring(_ suffix: String, next: String) {
        program.step("P3a\(suffix) asleep?") { $0.asleep == 0 ? .go(next) : .next }
        program.step("P3b\(suffix) take asleep back") { state in
          if state.asleep == 0 { return .go(next) }
          state.asleep = 0
          return .next
        }
        program.action("P3c\(suffix) bell += 1") { $0.bell += 1 }
        program.step("P3d\(suffix) wake") { state in
          state.inKernel = 0
          return .go(next)
        }
      }
      if flaw == .poolRingsBeforeItOffers { ring("", next: "P2") }
      program.step("P2 offer") { state in
        let call = Int(state.handing)
        if state.isBuried == 1 {
          if !state.end(call, End.elsewhere) { return .fail("ended twice") }
        } else {
          state.slots[call] = Stage.offered
        }
        return flaw == .poolRingsBeforeItOffers ? .go("P9") : .next
      }
      if flaw != .poolRingsBeforeItOffers { ring("", next: "P9") }
      program.step("P9 the next call") { state in
        state.handing += 1
        return state.handing == 2 ? .finish : .go(flaw == .poolRingsBeforeItOffers ? "P3a" : "P2")
      }
    }

    model.thread("canceller") { program, _ in
      program.step("P4 take back") { state, choices in
        if choices.either("does not cancel") { return .finish }
        if flaw == .takesBackWithoutComparing {
          state.looked = state.slots[1]
          return .next
        }
        guard state.slots[1] == Stage.offered else { return .finish }
        state.slots[1] = Stage.withdrawn
        return state.end(1, End.elsewhere) ? .finish : .fail("ended twice")
      }
      program.step("P4b store") { state in
        guard state.looked == Stage.offered else { return .finish }
        state.slots[1] = Stage.withdrawn
        return state.end(1, End.elsewhere) ? .finish : .fail("ended twice")
      }
    }

    model.thread("worker") { program, _ in
      func step(_ name: String, _ body: @escaping (inout State) -> Flow) {
        program.step(name) { state, choices in
          if isMortal, choices.either("killed") {
            state.isDead = 1
            return .finish
          }
          return body(&state)
        }
      }
      step("W1 look") { state in
        let call = Int(state.next)
        switch state.slots[call] {
        case Stage.offered: return .go("W2")
        case Stage.withdrawn: return .go("W1b")
        default: return .go("W6a")
        }
      }
      step("W1b pass") { state in
        let call = Int(state.next)
        guard state.slots[call] == Stage.withdrawn else { return .go("W1") }
        state.slots[call] = Stage.empty
        return .go("W9")
      }
      step("W2 begin") { state in
        let call = Int(state.next)
        if flaw != .beginsWithoutComparing, state.slots[call] != Stage.offered { return .go("W1") }
        state.slots[call] = Stage.begun
        state.begun[call] += 1
        return .next
      }
      step("W3 run") { state in flaw == .workerRingsBeforeItReplies ? .go("W5a") : .next }
      step("W4 reply") { state in
        state.slots[Int(state.next)] = Stage.replied
        return flaw == .workerRingsBeforeItReplies ? .go("W9") : .next
      }
      let after = flaw == .workerRingsBeforeItReplies ? "W4" : "W9"
      step("W5a wanted?") { $0.wanted == 0 ? .go(after) : .next }
      step("W5b take wanted back") { state in
        if state.wanted == 0 { return .go(after) }
        state.wanted = 0
        return .next
      }
      step("W5c ring") { state in
        state.poolBell += 1
        return .next
      }
      step("W5d wake") { state in
        state.collectorInKernel = 0
        return .go(after)
      }
      step("W9 the next call") { state in
        state.next += 1
        return state.next == 2 ? .finish : .go("W1")
      }
      step("W6a seen = bell") { state in
        state.seen = state.bell
        return .next
      }
      step("W6b asleep = 1") { state in
        state.asleep = 1
        return flaw == .workerSleepsWithoutALook ? .go("W6d") : .next
      }
      step("W6c look once more") { state in
        let stage = state.slots[Int(state.next)]
        return stage == Stage.offered || stage == Stage.withdrawn ? .go("W6f") : .next
      }
      step("W6d sleep while bell == seen") { state in
        if state.bell != state.seen { return .go("W6f") }
        state.inKernel = 1
        return .next
      }
      program.step("W6e asleep") { state, choices in
        if isMortal, choices.either("killed") {
          state.isDead = 1
          return .finish
        }
        if state.inKernel == 0 { return .next }
        // Nothing will come any more: it rightly sleeps on.
        return state.isAllEnded && state.handing == 2 ? .finish : .blocked
      }
      step("W6f asleep = 0") { state in
        state.asleep = 0
        return .go("W1")
      }
    }

    model.thread("collector") { program, _ in
      program.action("C1 heard = bell") { $0.heard = $0.poolBell }
      program.step("C1b collect") { state in
        guard let any = collect(&state) else { return .fail("ended twice") }
        if state.isAllEnded { return .finish }
        return any ? .go("C1") : .next
      }
      program.step("C2 wanted = 1") { state in
        state.wanted = 1
        return flaw == .collectorSleepsWithoutALook ? .go("C4") : .next
      }
      program.step("C3 look once more") { state in
        guard let any = collect(&state) else { return .fail("ended twice") }
        if any { return .go("C5") }
        return flaw == .collectorHearsLate ? .next : .go("C4")
      }
      program.action("C3b heard = bell, too late") { $0.heard = $0.poolBell }
      program.step("C4 sleep while bell == heard") { state in
        if state.poolBell != state.heard { return .go("C5") }
        state.collectorInKernel = 1
        return .next
      }
      program.step("C4b asleep") { state in
        if state.collectorInKernel == 0 { return .next }
        return state.isAllEnded ? .finish : .blocked
      }
      program.step("C5 wanted = 0") { state in
        state.wanted = 0
        return .go("C1")
      }
    }

    model.thread("supervisor") { program, _ in
      program.step("D1 the worker has died") { state in
        if state.isDead == 1 { return .next }
        return state.isAllEnded ? .finish : .blocked
      }
      program.step("D2 bury it") { state in
        if flaw != .supervisorDoesNotCollect, collect(&state) == nil { return .fail("ended twice") }
        for call in 0..<2 {
          switch state.slots[call] {
          case Stage.begun:
            let how = flaw == .runsAgainWhatWasBegun ? End.elsewhere : End.lost
            if !state.end(call, how) { return .fail("ended twice") }
          case Stage.offered:
            if !state.end(call, End.elsewhere) { return .fail("ended twice") }
          case Stage.withdrawn where flaw == .losesWhatWasTakenBack:
            if !state.end(call, End.lost) { return .fail("ended twice") }
          default: continue
          }
          state.slots[call] = Stage.empty
        }
        state.isBuried = 1
        return .finish
      }
    }

    model.always("each call is begun once at most") { $0.begun[0] <= 1 && $0.begun[1] <= 1 }
    model.always("what runs elsewhere was not begun here") { state in
      (0..<2).allSatisfy { state.ended[$0] != End.elsewhere || state.begun[$0] == 0 }
    }
    model.finally("every call has ended") { $0.isAllEnded }
    return model
  }
}
