import SpindleTestSupport
import Testing

/// A guest in a pool takes the place of a worker that sleeps, and puts it back (`JobQueue.holdSleeper`, `putBack`).
///
///     guest                                    worker (PoolCore.next, JobQueue, ForkTeam)
///     U1 the pool forks; wake all              N1 idle += 1, searching += 1
///     G1 somebody unaware? no place            A1 the pool forks? else unaware += 1, once more: does it fork?
///     G2 take a sleeper; none: no place        A4 it does: fork searchers += 1
///     G3 idle -= 1                             N2 look for a job, the end; unaware: whether it forks now
///     G4 jobs in line? P                       N3 searching -= 1
///     G5 fork searchers -= 1; work;            N4 list itself, look again; found: searching += 1, N2
///        fork searchers += 1                   N5 sleep until woken: N2
///     P1 idle += 1                             A9 undo A
///     P2 list the sleeper                      N6 idle -= 1, searching -= 1; the last, and jobs in line: wake one
///     P3 jobs in line, or the end? wake one
///
/// Those who submit and shut down do as in `PoolModelTests`.
@Suite(.watchdog(seconds: 120)) struct GuestPlaceModelTests {
  @Test func everyJobIsDoneAndTheWorkerEnds() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// P3 is missing: jobs came while nobody was in the list.
    case putsBackWithoutLooking
    /// P3 before P2.
    case looksBeforeItPutsBack
    /// G1 is missing: a worker that does not count as one that looks for forks is taken off their number.
    case takesTheUnaware
    /// Neither A1 nor N2 look once more when it has counted itself. (N2 alone would do, were its load sequentially consistent.)
    case staysUnaware
  }

  private struct State: Hashable {
    var arrivals = Spot()
    var jobs: UInt8 = 0
    var done: UInt8 = 0
    var isClosed = false
    var forks = false
    var idle: Int8 = 0
    var searching: Int8 = 0
    var unaware: Int8 = 0
    var searchers: Int8 = 0
    /// The worker: whether it looks for forks, whether it has a job.
    var isAware = false
    var hasJob = false
    var mustWake = false
    var hasEnded = false
    var isFinished: Bool { isClosed && jobs == 0 }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("guest's place", initial: State())
    let arrivals = SpotSteps<State>(spot: \.arrivals, prefix: "a")

    func wake(_ program: inout Program<State>, _ me: Int, _ label: String, count: Int = 1, next: String) {
      arrivals.wake(&program, me, label, count: count, next: next) { $0.searching += Int8($1) }
    }

    model.thread("worker") { program, me in
      program.action("N1 idle += 1, searching += 1") { state in
        state.idle += 1
        state.searching += 1
      }
      program.step("A1 does it fork?") { $0.forks ? .go("A4") : .next }
      program.action("A2 unaware += 1") { state in
        state.unaware += 1
        state.isAware = false
      }
      program.step("A3 does it fork now?") { $0.forks && flaw != .staysUnaware ? .next : .go("N2") }
      program.action("A3b unaware -= 1") { $0.unaware -= 1 }
      program.action("A4 fork searchers += 1") { state in
        state.searchers += 1
        state.isAware = true
      }
      program.step("N2 look") { state in
        if state.jobs > 0 {
          state.jobs -= 1
          state.hasJob = true
          return .go("A9")
        }
        return state.isFinished || !state.isAware && state.forks && flaw != .staysUnaware ? .go("A9") : .next
      }
      program.action("N3 searching -= 1") { $0.searching -= 1 }
      arrivals.park(&program, me, woken: "N2", unneeded: "N4c") { state in
        state.jobs == 0 && !state.isFinished && (state.isAware || !state.forks)
      }
      program.step("N4c searching += 1") { state in
        state.searching += 1
        return .go("N2")
      }
      program.action("A9 undo A") { state in
        if state.isAware { state.searchers -= 1 } else { state.unaware -= 1 }
      }
      program.step("N6 idle -= 1, searching -= 1; the last?") { state in
        state.idle -= 1
        state.searching -= 1
        return state.searching == 0 && state.jobs > 0 ? .next : .go("E")
      }
      wake(&program, me, "n", next: "E")
      program.step("E do the job, or end") { state in
        if state.hasJob {
          state.hasJob = false
          state.done += 1
          return .go("N1")
        }
        if !state.isFinished { return .go("N1") }
        state.hasEnded = true
        return .finish
      }
    }
    model.thread("guest") { program, me in
      program.action("U1 the pool forks") { $0.forks = true }
      wake(&program, me, "u", count: 8, next: "G1")
      program.step("G1 somebody unaware?") { $0.unaware > 0 && flaw != .takesTheUnaware ? .finish : .next }
      program.step("G2 take a sleeper") { state in
        state.arrivals.take(1, by: me)
        return state.arrivals.nextTaken(by: me) == nil ? .finish : .next
      }
      program.action("G3 idle -= 1") { $0.idle -= 1 }
      program.step("G4 jobs in line?") { $0.jobs > 0 ? .go("P1") : .next }
      program.action("G5 fork searchers -= 1") { $0.searchers -= 1 }
      program.action("G6 has worked: fork searchers += 1") { $0.searchers += 1 }
      program.step("P1 idle += 1") { state in
        state.idle += 1
        return flaw == .looksBeforeItPutsBack ? .go("P3") : .next
      }
      program.step("P2 list the sleeper") { state in
        state.arrivals.putBack(by: me)
        if flaw == .looksBeforeItPutsBack { return state.mustWake ? .go("pW1") : .finish }
        return .next
      }
      program.step("P3 jobs in line, or the end?") { state in
        state.mustWake = (state.jobs > 0 || state.isFinished) && flaw != .putsBackWithoutLooking
        if flaw == .looksBeforeItPutsBack { return .go("P2") }
        return state.mustWake ? .next : .finish
      }
      wake(&program, me, "p", next: "Q")
      program.step("Q done") { _ in .finish }
    }
    model.thread("submitter") { program, me in
      program.action("J1 append") { $0.jobs += 1 }
      program.step("J2 somebody searches?") { $0.searching > 0 ? .go("J5") : .next }
      wake(&program, me, "j", next: "J5")
      program.step("J5 again, or wait for both") { state in
        if state.jobs + state.done + (state.hasJob ? 1 : 0) < 2 { return .go("J1") }
        return state.done == 2 ? .next : .blocked
      }
      program.action("X1 close") { $0.isClosed = true }
      wake(&program, me, "x", count: 8, next: "X3")
      program.step("X3 wait for the end") { $0.hasEnded ? .finish : .blocked }
    }
    model.always("nobody is taken off a number on which it was not") {
      $0.idle >= 0 && $0.searching >= 0 && $0.searchers >= 0 && $0.unaware >= 0
    }
    model.finally("nobody is counted that is not there") {
      $0.idle == 0 && $0.searching == 0 && $0.searchers == 0 && $0.unaware == 0 && $0.arrivals.isQuiet && $0.done == 2
    }
    return model
  }
}

/// A guest counts as a worker that was not started (`PoolCore.addGuest`, `removeGuest`); one is allowed.
///
///     guest                                   who submits, or forks
///     D1 lock; none there: live += 1; unlock  J1 append the job; count the call
///     D2 lock; live -= 1; unlock              J4 none there: start one
///     D3 jobs in line, calls: start one
@Suite(.watchdog(seconds: 60)) struct UnstartedPlaceModelTests {
  @Test func theJobIsDone() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// D3 is missing.
    case leavesWithoutLooking
    /// D3 before D2.
    case looksBeforeItLeaves
    /// D1 does not look under the lock whether there is room.
    case comesWithoutLock
  }

  private struct State: Hashable {
    var live: UInt8 = 0
    var runs = false
    var jobs: UInt8 = 0
    var done: UInt8 = 0
    var hasRoom = false
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("a place that is free", initial: State())
    func start(_ state: inout State) {
      guard state.live < 1, state.jobs > 0 else { return }
      state.live += 1
      state.runs = true
    }
    model.thread("guest") { program, me in
      program.step("D0 room?") { state in
        state.hasRoom = state.live < 1
        return state.hasRoom ? .next : .finish
      }
      program.step("D1 none there: live += 1") { state in
        if flaw != .comesWithoutLock, state.live >= 1 { return .finish }
        state.live += 1
        return .next
      }
      if flaw == .looksBeforeItLeaves { program.action("D3 start one") { start(&$0) } }
      program.action("D2 live -= 1") { $0.live -= 1 }
      if flaw == nil || flaw == .comesWithoutLock { program.action("D3 start one") { start(&$0) } }
    }
    model.thread("submitter") { program, me in
      program.action("J1 append") { $0.jobs += 1 }
      program.step("J4 none there?") { $0.live < 1 ? .next : .go("J5") }
      program.action("K start one") { start(&$0) }
      program.step("J5 wait for the job") { $0.done == 1 ? .finish : .blocked }
    }
    model.background("worker") { program, me in
      program.step("M2 take") { state in
        guard state.runs, state.jobs > 0 else { return .blocked }
        state.jobs -= 1
        state.done += 1
        return .stay
      }
    }
    model.always("no more are at work than may be") { $0.live <= 1 }
    return model
  }
}

/// A guest that waits steals nothing that another call has forked (`ForkTeam.beginCall`, `steal(asGuest:)`).
@Suite(.watchdog(seconds: 60)) struct GuestStealModelTests {
  @Test func nothingOfAnotherCallIsStolen() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// C1 does not wait for a guest that is about to steal.
    case beginsWithoutLock
    /// G2 is missing.
    case stealsWithoutLock
    /// G3 looks before it has the lock, and not again.
    case looksBeforeItLocks
    /// C2 before C1.
    case forksBeforeItCounts
    /// C3 while what was forked is still there.
    case endsTooEarly
  }

  private struct State: Hashable {
    var calls: UInt8 = 0
    var guests: UInt8 = 0
    var isLocked = false
    /// What the other call has forked lies in a lane.
    var isThere = false
    var seen = Cells()
    var tries: UInt8 = 0
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("guest's help", initial: State())
    func lock(_ program: inout Program<State>, _ label: String) {
      program.step(label) { state in
        if state.isLocked { return .blocked }
        state.isLocked = true
        return .next
      }
    }
    model.thread("guest") { program, me in
      program.action("G1 one call more, a guest's") { state in
        state.calls += 1
        state.guests += 1
      }
      if flaw == .looksBeforeItLocks { program.action("G3 the only call?") { $0.seen[me] = $0.calls } }
      if flaw != .stealsWithoutLock { lock(&program, "G2 lock") }
      if flaw != .looksBeforeItLocks { program.action("G3 the only call?") { $0.seen[me] = $0.calls } }
      program.step("G3b steal") { state in
        state.seen[me] == 1 && state.isThere ? .fail("another call's work is stolen") : .next
      }
      program.step("G4 unlock, try again") { state in
        if flaw != .stealsWithoutLock { state.isLocked = false }
        state.tries += 1
        if state.tries == 3 { return .next }
        return flaw == .looksBeforeItLocks ? .go("G3") : flaw == .stealsWithoutLock ? .go("G3") : .go("G2")
      }
      program.step("G5 the call ends") { state in
        state.calls -= 1
        state.guests -= 1
        return .finish
      }
    }
    model.thread("other call") { program, me in
      if flaw == .forksBeforeItCounts { program.action("C2 fork") { $0.isThere = true } }
      program.step("C1 one call more; a guest?") { state in
        state.calls += 1
        return state.guests > 0 && flaw != .beginsWithoutLock ? .next : .go("C2b")
      }
      lock(&program, "C1b lock")
      program.action("C1c unlock") { $0.isLocked = false }
      program.action("C2b fork") { $0.isThere = true }
      if flaw == .endsTooEarly { program.action("C3 the call ends") { $0.calls -= 1 } }
      program.action("C2c done") { $0.isThere = false }
      if flaw != .endsTooEarly { program.action("C3 the call ends") { $0.calls -= 1 } }
    }
    return model
  }
}
