import SpindleTestSupport
import Testing

/// The workers of a `ThreadPool`: started when there is work, spare ones while others wait, ended at shutdown.
///
///     submit                                   worker (PoolCore.next, JobQueue)
///     J1 append the job                        M1 too many workers: retire (R)
///     J2 nobody searches: wake one (W)         M2 take a job, else
///     J4 fewer workers than allowed, or all    N1 idle += 1, searching += 1
///        blocked: start one if needed (K)      N2 look for a job, the end, too many workers; found: N6
///                                              N3 searching -= 1
///     wake one                                 N4 list itself, look again; found: searching += 1, N2
///     W1 take one out of the list              N5 sleep until woken: N2
///     W2 searching += 1                        N6 idle -= 1, searching -= 1; the last, and jobs in line: W
///     W3 end its sleep                         N7 got a job while others wait in line: K
///
///     start if needed
///     K1 lock
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
/// allowed, job 1 waits by means of its own and the second worker does them; job 4 is one more, for that.
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
    /// N6 does not look: two jobs came while one worker searched and another slept.
    case leavesTheSearchSilently
    /// N4 does not look: who submitted saw a worker that searches, and it sleeps.
    case sleepsWithoutAnotherLook
    /// N7 is missing: who submitted has counted this worker as idle, and fewer jobs run at once than may.
    case takesAJobSilently
    /// Shutdown wakes one worker.
    case closeWakesOne

    var maxWorkers: Int {
      switch self {
      case .takesAJobSilently, .closeWakesOne, .leavesTheSearchSilently: 2
      default: 1
      }
    }
  }

  struct State: Hashable {
    var arrivals = Spot()
    var jobs = Line()
    var isClosed = false
    var isLocked = false
    var live: UInt8 = 0
    var idle: UInt8 = 0
    var searching: UInt8 = 0
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
    let workers = maxWorkers == 1 ? 3 : 2
    // Where two workers are allowed, both have been started, and may sleep, before job 1 comes.
    let order: [UInt8] = maxWorkers == 1 ? [1, 2, 3] : [2, 4, 1, 3]
    let arrivals = SpotSteps<State>(spot: \.arrivals, prefix: "a")
    func areDone(_ state: State) -> Bool { order.allSatisfy { state.done & 1 << $0 != 0 } }
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

    /// W: wakeOne, wakeAll.
    func wake(_ program: inout Program<State>, _ me: Int, _ label: String, count: Int = 1, next: String) {
      arrivals.wake(&program, me, label, count: count, next: next) { $0.searching += UInt8($1) }
    }

    for _ in 0..<workers {
      model.background("worker") { program, me in
        program.step("N0 started") { $0.runs[me] == 1 ? .next : .blocked }
        program.step("M1 too many?") { hasTooMany($0) ? .go("R1") : .next }
        program.step("M2 take") { state in
          if state.jobs.isEmpty { return .next }
          state.job[me] = state.jobs.removeFirst()
          return .go("E1")
        }
        program.action("N1 idle += 1, searching += 1") { state in
          state.idle += 1
          state.searching += 1
        }
        program.step("N2 look") { state in
          if !state.jobs.isEmpty {
            state.job[me] = state.jobs.removeFirst()
            return .go("N6")
          }
          return state.isFinished || hasTooMany(state) ? .go("N6") : .next
        }
        program.action("N3 searching -= 1") { $0.searching -= 1 }
        arrivals.park(&program, me, woken: "N2", unneeded: "N4c") { state in
          flaw == .sleepsWithoutAnotherLook || state.jobs.isEmpty && !state.isFinished && !hasTooMany(state)
        }
        program.step("N4c searching += 1") { state in
          state.searching += 1
          return .go("N2")
        }
        program.step("N6 idle -= 1, searching -= 1; the last?") { state in
          state.idle -= 1
          state.searching -= 1
          return state.searching == 0 && flaw != .leavesTheSearchSilently ? .next : .go("N7")
        }
        program.step("N6b jobs in line?") { $0.jobs.isEmpty ? .go("N7") : .next }
        wake(&program, me, "n", next: "N7")
        program.step("N7 got a job?") { state in
          if state.job[me] == 0 { return state.isFinished ? .go("Z1") : .go("M1") }
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
          return .go("M1")
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
        program.step("B5 too many: wake one") { hasTooMany($0) ? .next : .go("B6") }
        wake(&program, me, "b", next: "B6")
        program.step("B6 wait for another, or end") { state in
          state.phase[me] += 1
          if state.phase[me] < 2 { return .go("B0") }
          state.done |= 1 << 1
          state.job[me] = 0
          state.phase[me] = 0
          return .go("M1")
        }

        program.step("R1 lock") { state in
          if state.isLocked { return .blocked }
          state.isLocked = true
          return .next
        }
        program.action("R2 too many?") { $0.seen[me] = hasTooMany($0) ? 1 : 0 }
        program.step("R2b live -= 1, unlock") { state in
          state.isLocked = false
          if state.seen[me] == 0 { return .go("M2") }
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
      let last = UInt8(order.count)
      if flaw == .looksBeforeItAppends {
        program.step("J0 look too early") { state in
          Int(state.live) < maxWorkers || state.blocked >= state.live ? .next : .go("J1")
        }
        start(&program, me, "j", next: "J1")
      }
      program.action("J1 append") { state in
        state.jobs.append(order[Int(state.phase[me])])
        state.phase[me] += 1
      }
      let afterwards = flaw == .looksBeforeItAppends ? "J5" : "J4"
      program.step("J2 somebody searches?") { $0.searching > 0 ? .go(afterwards) : .next }
      wake(&program, me, "j", next: afterwards)
      if flaw != .looksBeforeItAppends {
        program.step("J4 fewer than allowed, or all blocked?") { state in
          Int(state.live) < maxWorkers || state.blocked >= state.live ? .next : .go("J5")
        }
        start(&program, me, "j", next: "J5")
      }
      program.step("J5 again") { state in
        if state.phase[me] == last { return .next }
        return flaw == .looksBeforeItAppends ? .go("J0") : .go("J1")
      }
      program.step("X0 close late, where that could help nobody out") { state in
        maxWorkers == 1 || areDone(state) ? .next : .blocked
      }
      program.action("X1 close") { $0.isClosed = true }
      wake(&program, me, "x", count: flaw == .closeWakesOne ? 1 : 8, next: "X3")
      program.step("X3 wait until all have ended") { $0.live == 0 && $0.isFinished ? .next : .blocked }
    }
    model.finally("every job is done", areDone)
    model.finally("nobody is counted that is not there") { $0.idle == 0 && $0.searching == 0 && $0.blocked == 0 && $0.arrivals.isQuiet }
    return model
  }
}
