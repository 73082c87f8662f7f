import SpindleTestSupport
import Testing

/// The workers of a `ThreadPool`: started when there is work, spare ones while others wait, ended at shutdown.
///
///     submit                                   worker (nextJob)
///     J1 append the job, wake a worker         N1 too many workers: retire (R)
///     J2 fewer workers than allowed, or all    N2 take a job, else
///        blocked: start one if needed (K)      N3 idle += 1
///                                              N4 sleep until a job, the end, or too many workers
///     start if needed                          N5 idle -= 1
///     K1 lock                                  N6 got a job while others wait in line: K
///     K2 look at the jobs and the workers
///     K3 needed: live += 1; unlock             worker in a job that waits
///                                              B1 blocked += 1
///     retire                                   B2 all blocked, jobs in line: K
///     R1 lock                                  B3 wait
///     R2 too many? live -= 1                   B4 blocked -= 1
///     R3 unlock                                B5 too many: wake one that sleeps
///     R4 all blocked, jobs in line: K
///
/// Job 1 waits for job 2, then for job 3. Where one worker is allowed, only a spare one can do those; where two are
/// allowed, job 1 waits by means of its own and the second worker does them.
@Suite(.watchdog(seconds: 120)) struct PoolModelTests {
  @Test(arguments: [1, 2]) func everyJobIsDoneAndEveryWorkerEnds(_ maxWorkers: Int) {
    let result = model(maxWorkers, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.maxWorkers, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// R4 is missing: a worker that retires while the last other one begins to wait leaves jobs in line to nobody.
    case retiresWithoutAnotherLook
    /// J2 before J1.
    case looksBeforeItAppends
    /// B2 before B1.
    case looksBeforeItBlocks
    /// B2 is missing.
    case blocksSilently
    /// N6 is missing: who submitted has counted this worker as idle, and fewer jobs run at once than may.
    case takesAJobSilently
    /// Shutdown wakes one worker.
    case closeWakesOne

    var maxWorkers: Int { self == .takesAJobSilently || self == .closeWakesOne ? 2 : 1 }
  }

  struct State: Hashable {
    var arrivals = Spot()
    var jobs = Line()
    var isClosed = false
    var isLocked = false
    var live: UInt8 = 0
    var idle: UInt8 = 0
    var blocked: UInt8 = 0
    /// Which worker slots run, which jobs are done (a bit each).
    var runs = Cells()
    var done: UInt8 = 0
    /// What a thread holds: a job, a number it has read, how far it has come.
    var job = Cells()
    var seen = Cells()
    var phase = Cells()

    var isFinished: Bool { isClosed && jobs.isEmpty }
  }

  private func model(_ maxWorkers: Int, _ flaw: Flaw?) -> Model<State> {
    var model = Model("thread pool, \(maxWorkers) workers", initial: State())
    let workers = 3
    let arrivals = SpotSteps<State>(spot: \.arrivals, prefix: "a")
    func hasTooMany(_ state: State) -> Bool { Int(state.live) - Int(state.blocked) > maxWorkers }

    /// K: startIfNeeded.
    func start(_ program: inout Program<State>, _ me: Int, _ label: String, next: String) {
      program.step("\(label)K1 lock") { state in
        if state.isLocked { return .blocked }
        state.isLocked = true
        return .next
      }
      program.action("\(label)K2 look at the jobs") { $0.seen[me] = UInt8($0.jobs.count) }
      program.step("\(label)K3 needed: one more") { state in
        let isNeeded =
          Int(state.live) < maxWorkers
          ? state.seen[me] > state.idle : state.seen[me] > 0 && state.blocked >= state.live
        state.isLocked = false
        guard isNeeded else { return .go(next) }
        guard let slot = (0..<workers).first(where: { state.runs[$0] == 0 }) else { return .fail("too many workers") }
        state.runs[slot] = 1
        state.live += 1
        return .go(next)
      }
    }

    for _ in 0..<workers {
      model.background("worker") { program, me in
        program.step("N0 started") { $0.runs[me] == 1 ? .next : .blocked }
        program.step("N1 too many?") { hasTooMany($0) ? .go("R1") : .next }
        program.step("N2 take") { state in
          if state.jobs.isEmpty { return .next }
          state.job[me] = state.jobs.removeFirst()
          return .go("E1")
        }
        program.action("N3 idle += 1") { $0.idle += 1 }
        arrivals.wait(&program, me, success: "N5") { state in
          if !state.jobs.isEmpty {
            state.job[me] = state.jobs.removeFirst()
            return true
          }
          return state.isFinished || hasTooMany(state)
        }
        program.action("N5 idle -= 1") { $0.idle -= 1 }
        program.step("N6 got a job?") { state in
          if state.job[me] == 0 { return state.isFinished ? .go("Z1") : .go("N1") }
          let looks = Int(state.live) < maxWorkers && !state.jobs.isEmpty && flaw != .takesAJobSilently
          return looks ? .go("nK1") : .go("E1")
        }
        start(&program, me, "n", next: "E1")

        program.step("E1 do the job") { state in
          if state.job[me] == 1 {
            state.phase[me] = 0
            return .go("B0")
          }
          state.done |= 1 << state.job[me]
          state.job[me] = 0
          return .go("N1")
        }
        program.step("B0 announces?") { state in
          if maxWorkers == 2 { return .go("B3") }
          return flaw == .looksBeforeItBlocks ? .go("B2") : .next
        }
        program.step("B1 blocked += 1") { state in
          state.blocked += 1
          return flaw == .looksBeforeItBlocks ? .go("B3") : .next
        }
        program.step("B2 all blocked, jobs in line?") { state in
          let blocked = state.blocked + (flaw == .looksBeforeItBlocks ? 1 : 0)
          if blocked >= state.live, !state.jobs.isEmpty, flaw != .blocksSilently { return .next }
          return flaw == .looksBeforeItBlocks ? .go("B1") : .go("B3")
        }
        start(&program, me, "b", next: flaw == .looksBeforeItBlocks ? "B1" : "B3")
        program.step("B3 wait for the next job's end") { state in
          state.done & 1 << (state.phase[me] + 2) != 0 ? .next : .blocked
        }
        program.action("B4 blocked -= 1") { $0.blocked -= maxWorkers == 2 ? 0 : 1 }
        program.step("B5 too many: wake one") { state in
          if hasTooMany(state) { state.arrivals.wake(1, by: me) }
          state.phase[me] += 1
          if state.phase[me] < 2 { return .go("B0") }
          state.done |= 1 << 1
          state.job[me] = 0
          state.phase[me] = 0
          return .go("N1")
        }

        program.step("R1 lock") { state in
          if state.isLocked { return .blocked }
          state.isLocked = true
          return .next
        }
        program.action("R2 too many?") { $0.seen[me] = hasTooMany($0) ? 1 : 0 }
        program.step("R2b live -= 1, unlock") { state in
          state.isLocked = false
          if state.seen[me] == 0 { return .go("N2") }
          state.live -= 1
          return flaw == .retiresWithoutAnotherLook ? .go("R5") : .next
        }
        program.step("R4 all blocked, jobs in line?") { state in
          state.blocked >= state.live && !state.jobs.isEmpty ? .next : .go("R5")
        }
        start(&program, me, "r", next: "R5")
        program.step("R5 end") { state in
          state.runs[me] = 0
          return .go("N0")
        }
        program.step("Z1 end, behind the lock") { state in
          if state.isLocked { return .blocked }
          state.live -= 1
          state.runs[me] = 0
          return .go("N0")
        }
      }
    }
    model.thread("submitter") { program, me in
      let last: UInt8 = 3
      // Where two workers are allowed, the first has slept before job 1 comes.
      let order: [UInt8] = maxWorkers == 1 ? [1, 2, 3] : [2, 1, 3]
      if flaw == .looksBeforeItAppends {
        program.step("J0 look too early") { state in
          Int(state.live) < maxWorkers || state.blocked >= state.live ? .next : .go("J1")
        }
        start(&program, me, "j", next: "J1")
      }
      program.step("J1 append, wake a worker") { state in
        state.jobs.append(order[Int(state.phase[me])])
        state.phase[me] += 1
        state.arrivals.wake(1, by: me)
        if flaw == .looksBeforeItAppends { return state.phase[me] == last ? .go("X1") : .go("J0") }
        return .next
      }
      if flaw != .looksBeforeItAppends {
        program.step("J2 fewer than allowed, or all blocked?") { state in
          Int(state.live) < maxWorkers || state.blocked >= state.live ? .next : .go("J3")
        }
        start(&program, me, "j", next: "J3")
        program.step("J3 again") { $0.phase[me] == last ? .next : .go("J1") }
      }
      program.action("X1 close") { $0.isClosed = true }
      arrivals.wake(&program, me, "X2", count: flaw == .closeWakesOne ? 1 : 8, next: "X3")
      program.step("X3 wait until all have ended") { $0.live == 0 && $0.isFinished ? .next : .blocked }
    }
    model.finally("every job is done") { $0.done == 0b1110 }
    model.finally("nobody is counted that is not there") { $0.idle == 0 && $0.blocked == 0 && $0.arrivals.isQuiet }
    return model
  }
}
