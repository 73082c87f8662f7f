import SpindleTestSupport
import Testing

/// A future: one end, whoever waits goes on, every callback is called once and in the order added.
///
///     listener, holding listenersLock               worker | who cancels
///     L1 set the bit `listened` if not ended        F1 pending -> running | G1 pending -> cancelled
///     L2 ended, no bit: call now                    E1 publish the end, keeping the bits
///     L3 else append, unless all have been called   E2 no bit: nobody waits, nobody listens
///                                                   W  wake all who wait
///     who waits                                     E2b not `listened`: nobody listens
///     A1 set the bit `awaited` if not ended         E3 lock, call one by one what was appended
///     A2 ended: done; else wait
@Suite(.watchdog(seconds: 120)) struct FutureModelTests {
  @Test func everyCallbackIsCalledOnceInOrderAndEveryWaitEnds() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// E1 writes the end over the bit `listened`.
    case publishDropsTheBit
    /// E1 writes the end over the bit `awaited`.
    case publishDropsTheWaiters
    /// A1 is missing.
    case waitsUnmarked
    /// E2 before E1.
    case looksBeforeItPublishes
    /// L3: who comes while callbacks are being called calls its own at once.
    case lateOnesOvertake
    /// G1 does not ask whether the work has begun.
    case cancelsRunningWork
    /// W is missing.
    case wakesNobody
    /// L1 reads the stage, and sets the bit in a second step.
    case marksInTwoSteps
  }

  struct State: Hashable {
    enum Stage: UInt8 { case pending, running, ended, cancelled }
    enum Phase: UInt8 { case collecting, calling, over }
    var stage = Stage.pending
    var isListened = false
    var isAwaited = false
    var isLocked = false
    var phase = Phase.collecting
    var ends: UInt8 = 0
    var spot = Spot()
    /// Appended callbacks (by the number of the thread), those called by whoever ended the future, all called.
    var appended = Line()
    var next: UInt8 = 0
    var called = Line()
    var seen = Cells()

    var hasEnded: Bool { stage == .ended || stage == .cancelled }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("future", initial: State())
    let spot = SpotSteps<State>(spot: \.spot, prefix: "s")

    func lock(_ state: inout State) -> Flow {
      if state.isLocked { return .blocked }
      state.isLocked = true
      return .next
    }

    func announce(_ program: inout Program<State>, _ me: Int) {
      program.step("E2 is there any bit?") { state in
        if flaw == .looksBeforeItPublishes { return .next }
        return state.isAwaited || state.isListened ? .next : .finish
      }
      spot.wake(&program, me, "W", count: flaw == .wakesNobody ? 0 : 8, next: "E2b")
      program.step("E2b does anybody listen?") { state in
        let isListened = flaw == .looksBeforeItPublishes ? state.seen[me] == 1 : state.isListened
        return isListened ? .next : .finish
      }
      program.step("E3 lock", lock)
      program.action("E3b calling, unlock") { state in
        state.phase = .calling
        state.isLocked = false
      }
      program.step("E4 lock", lock)
      program.step("E4b take the next, unlock; none: over") { state in
        state.isLocked = false
        if Int(state.next) == state.appended.count {
          state.phase = .over
          return .finish
        }
        state.seen[me] = state.appended[Int(state.next)]
        state.next += 1
        return .next
      }
      program.step("E5 call it") { state in
        state.called.append(state.seen[me])
        return .go("E4")
      }
    }

    model.thread("worker") { program, me in
      program.step("F1 pending -> running") { state in
        if state.stage != .pending { return .finish }
        state.stage = .running
        return .next
      }
      program.action("E0 look too early") { $0.seen[me] = $0.isListened ? 1 : 0 }
      program.action("E1 publish") { state in
        state.stage = .ended
        state.ends += 1
        if flaw == .publishDropsTheBit { state.isListened = false }
        if flaw == .publishDropsTheWaiters { state.isAwaited = false }
      }
      announce(&program, me)
    }
    model.thread("canceller") { program, me in
      program.action("G0 look too early") { $0.seen[me] = $0.isListened ? 1 : 0 }
      program.step("G1 pending -> cancelled") { state in
        guard state.stage == .pending || flaw == .cancelsRunningWork && state.stage == .running else { return .finish }
        state.stage = .cancelled
        state.ends += 1
        return .next
      }
      announce(&program, me)
    }
    model.threads("listener", count: 2) { program, me in
      program.step("L0 lock", lock)
      program.step("L1 set the bit if not ended") { state in
        if state.isListened { return .go("L3") }
        if state.hasEnded { return .go("L2") }
        if flaw == .marksInTwoSteps { return .next }
        state.isListened = true
        return .go("L3")
      }
      program.action("L1b set the bit") { $0.isListened = true }
      program.step("L3 append, unlock") { state in
        state.isLocked = false
        if state.phase == .over || flaw == .lateOnesOvertake && state.phase == .calling { return .go("L4") }
        state.appended.append(UInt8(me))
        return .finish
      }
      program.step("L2 unlock") { state in
        state.isLocked = false
        return .next
      }
      program.step("L4 call now") { state in
        if state.called.count < state.appended.count { return .fail("overtakes a callback that was added before") }
        state.called.append(UInt8(me))
        return .finish
      }
    }
    model.thread("waiter") { program, me in
      program.step("A1 set the bit if not ended") { state in
        if state.hasEnded { return .go("J1") }
        if flaw != .waitsUnmarked { state.isAwaited = true }
        return .next
      }
      spot.wait(&program, me, success: "J1") { $0.hasEnded }
      program.step("J1 has waited") { _ in .finish }
    }
    model.finally("it ended once") { $0.ends == 1 }
    model.finally("every callback was called once") { state in
      state.called.count == 2 && state.called.contains(2) && state.called.contains(3)
    }
    model.finally("those appended were called in their order") { state in
      state.appended.count < 2 || state.called == state.appended
    }
    model.finally("nobody is left behind") { $0.spot.isQuiet && !$0.isLocked }
    return model
  }
}
