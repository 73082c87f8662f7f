import SpindleTestSupport
import Testing

/// Forking without a fence (`ForkTeam.search`): who is about to sleep makes all threads pass one.
@Suite(.watchdog(seconds: 60)) struct ForkWakeModelTests {
  @Test func noForkIsOverlooked() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// S2 is left out: the pusher's store may wait in its buffer while the searcher looks.
    case noFenceInAll
    /// S2 comes before S1.
    case fencesTooEarly
    /// S3 does not look again.
    case sleepsWithoutLooking
    /// P3 wakes without the fence of its own.
    case signalsWithoutFence
  }

  private enum Word: Int { case bottom, searchers, listed }

  private struct State: Hashable {
    var memory = TSOMemory<Word>()
    var isWoken = false
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("fork and search", initial: State())
    let searcher = 0
    let forker = 1
    model.thread("searcher") { program, me in
      func fenceAll(_ state: inout State) {
        for thread in [searcher, forker] { while state.memory.flushOldest(of: thread) {} }
      }
      if flaw == .fencesTooEarly { program.action("S2 fence in all threads") { fenceAll(&$0) } }
      program.step("S1 searchers += 1") { state in
        state.memory.update(.searchers, by: me) { $0 + 1 } == nil ? .blocked : .next
      }
      if flaw != .fencesTooEarly {
        program.action("S2 fence in all threads") { if flaw != .noFenceInAll { fenceAll(&$0) } }
      }
      program.step("S3 look; nothing: line up") { state in
        if flaw != .sleepsWithoutLooking, state.memory.load(.bottom, by: me) == 1 { return .finish }
        return state.memory.update(.listed, by: me) { _ in 1 } == nil ? .blocked : .next
      }
      program.step("S4 look once more") { state in
        flaw != .sleepsWithoutLooking && state.memory.load(.bottom, by: me) == 1 ? .finish : .next
      }
      program.step("S5 asleep") { $0.isWoken ? .finish : .blocked }
    }
    model.thread("forker") { program, me in
      program.action("P2 bottom += 1") { $0.memory.store(.bottom, 1, by: me) }
      program.step("P3 somebody searches?") { $0.memory.load(.searchers, by: me) == 0 ? .finish : .next }
      program.step("W1 fence") { flaw == .signalsWithoutFence || $0.memory.isDrained(me) ? .next : .blocked }
      program.step("W2 somebody lined up? wake") { state in
        if state.memory.load(.listed, by: me) == 1 { state.isWoken = true }
        return .finish
      }
    }
    model.storeBuffers(of: 2) { state, thread in state.memory.flushOldest(of: thread) }
    return model
  }
}

/// A worker waits for a job that another stole (`ForkTeam.takeBack`, `run`); the job is gone once the worker goes on.
@Suite(.watchdog(seconds: 60)) struct StolenJobModelTests {
  @Test func theOwnerWakesUpAndTheJobIsNotTouchedAfterwards() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// The thief stores the end, and looks afterwards whether somebody waits.
    case looksAfterTheEnd
    /// The owner writes that it waits over the end.
    case waitsOverTheEnd
    /// The thief wakes only when it sees somebody listed before the end is stored.
    case looksBeforeTheEnd
    /// The owner sleeps without looking once it is listed.
    case sleepsWithoutLooking
  }

  private struct State: Hashable {
    /// 0 pending, 1 awaited, 2 done.
    var stage: UInt8 = 0
    var isListed = false
    var isWoken = false
    var isGone = false
    var mustWake = false
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("stolen job", initial: State())
    model.thread("owner") { program, _ in
      program.step("J1 done?") { $0.stage == 2 ? .go("J6") : .next }
      program.action("J2 say that it is awaited") { if $0.stage == 0 || flaw == .waitsOverTheEnd { $0.stage = 1 } }
      program.action("J3 line up") { $0.isListed = true }
      program.step("J4 done?") { $0.stage == 2 && flaw != .sleepsWithoutLooking ? .go("J6") : .next }
      program.step("J5 asleep") { state in
        guard state.isWoken else { return .blocked }
        state.isWoken = false
        return state.stage == 2 ? .next : .go("J3")
      }
      program.action("J6 the frame goes on, the job is gone") { $0.isGone = true }
    }
    model.thread("thief") { program, _ in
      if flaw == .looksBeforeTheEnd {
        program.action("K0 look") { $0.mustWake = $0.isListed }
      }
      program.action("K1 done, by exchange") { state in
        if flaw != .looksBeforeTheEnd { state.mustWake = state.stage == 1 }
        state.stage = 2
      }
      if flaw == .looksAfterTheEnd {
        program.step("K2 look at the job") { state in
          if state.isGone { return .fail("a job that is gone is read") }
          state.mustWake = state.isListed
          return .next
        }
      }
      program.action("K3 wake those who wait") { if $0.mustWake, $0.isListed { $0.isWoken = true; $0.isListed = false } }
    }
    return model
  }
}
