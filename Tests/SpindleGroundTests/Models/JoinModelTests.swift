import SpindleTestSupport
import Testing

/// Joining a thread: one who joins sleeps until the kernel's thread is gone, the others on the spot; the handle is freed once.
///
///     thread                           who joins                            who reaps (a task, a look at all threads)
///     T4 phase = finished, wake all    J1 gone: done                        R1 finished? else no
///     K  the kernel's thread is gone   J2 claim; claimed, or no handle: J5  R2 claim; claimed: no
///                                      J3 sleep until K, or time runs out   R3 join if gone, else detach
///                                      J4 gone or joinable, wake all        R4 gone, wake all
///                                      J5 wait on the spot until finished
///                                         and not claimed; J1
@Suite(.watchdog(seconds: 120)) struct JoinModelTests {
  @Test func everyJoinEndsAndTheHandleIsFreedOnce() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// J2 does not ask whether another has claimed.
    case joinsTwice
    /// R2 does not.
    case reapsWhatIsJoined
    /// J4 wakes nobody when time ran out.
    case givesUpInSilence
    /// J4 wakes nobody when the thread is gone.
    case endsInSilence
    /// T4 wakes nobody.
    case finishesInSilence
    /// Whose time ran out says that the thread has ended.
    case takesTimeOutForTheEnd
    /// J4 leaves the claim when time ran out.
    case keepsTheClaim
  }

  struct State: Hashable {
    enum Reaping: UInt8 { case joinable, claimed, gone }
    var isFinished = false
    var isGone = false
    var reaping = Reaping.joinable
    var freed: UInt8 = 0
    /// 1: this one's time ran out in the kernel's sleep.
    var timedOut = Cells()
    var spot = Spot()
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("join", initial: State())
    let spot = SpotSteps<State>(spot: \.spot, prefix: "s")
    model.thread("thread") { program, me in
      program.action("T4 phase = finished") { $0.isFinished = true }
      spot.wake(&program, me, "T", count: flaw == .finishesInSilence ? 0 : 8, next: "K")
      program.action("K the kernel's thread is gone") { $0.isGone = true }
    }
    func joiner(_ name: String, isTimed: Bool) {
      model.thread(name) { program, me in
        program.step("J1 gone?") { $0.reaping == .gone ? .go("E1") : .next }
        program.step("J2 claim") { state, choices in
          if !state.isFinished, choices.either("the handle is not known yet") { return .go("J5") }
          if state.reaping != .joinable && flaw != .joinsTwice { return .go("J5") }
          state.reaping = .claimed
          return .next
        }
        program.step("J3 sleep until the kernel's thread is gone") { state, choices in
          if state.isGone {
            state.freed += 1
            return .next
          }
          guard isTimed, choices.either("time runs out") else { return .blocked }
          state.timedOut[me] = 1
          return .next
        }
        program.step("J4 gone, or joinable") { state in
          let timedOut = state.timedOut[me] == 1
          if timedOut && flaw == .keepsTheClaim { return .go("E2") }
          state.reaping = timedOut ? .joinable : .gone
          return flaw == (timedOut ? .givesUpInSilence : .endsInSilence) ? .go("J6") : .next
        }
        spot.wake(&program, me, "J4", count: 8, next: "J6")
        program.step("J6 has time run out?") { $0.timedOut[me] == 1 ? .go("E2") : .go("J1") }
        program.step("J5 wait on the spot") { _ in .next }
        spot.wait(&program, me, isTimed: isTimed, success: "J1", failure: "E2") {
          $0.isFinished && $0.reaping != .claimed
        }
        program.step("E1 it has ended") { $0.isFinished ? .finish : .fail("joined before it had ended") }
        program.step("E2 finished?") { state in
          state.isFinished || flaw == .takesTimeOutForTheEnd ? .go("E1") : .finish
        }
      }
    }
    joiner("joiner", isTimed: false)
    joiner("second joiner", isTimed: false)
    joiner("joiner with a deadline", isTimed: true)
    model.thread("reaper") { program, me in
      program.step("R1 finished?") { $0.isFinished ? .next : .finish }
      program.step("R2 claim") { state in
        if state.reaping != .joinable && flaw != .reapsWhatIsJoined { return .finish }
        state.reaping = .claimed
        return .next
      }
      program.action("R3 join or detach") { $0.freed += 1 }
      program.action("R4 gone") { $0.reaping = .gone }
      spot.wake(&program, me, "R4", count: 8, next: "E1")
      program.step("E1 end") { _ in .finish }
    }
    model.always("the handle is freed once") { $0.freed <= 1 }
    model.finally("it is freed") { $0.freed == 1 && $0.reaping == .gone }
    model.finally("nobody is left behind") { $0.spot.isQuiet }
    return model
  }
}
