import Spindle
import SpindleTestSupport
import Testing

@Suite("Semaphore", .watchdog()) struct SemaphoreTests {
  @Test("has as many permits as it was made with") func permits() {
    let semaphore = Semaphore(3)
    let outcomes = (0..<4).map { _ in semaphore.tryAcquire() }
    #expect(outcomes == [true, true, true, false])
    semaphore.release(2)
    #expect(semaphore.available == 2)
  }

  @Test("begins with one permit when no number is given") func defaultNumber() {
    #expect(Semaphore().available == 1)
    #expect(BoundedSemaphore().available == 1)
  }

  @Test("more permits than anybody can count are as good as that many") func hugeNumber() {
    let semaphore = Semaphore(.max)
    #expect(semaphore.tryAcquire())
    semaphore.release(1 << 48)
    #expect(semaphore.available > 1 << 48)
  }

  @Test("may grow past its first number, a bounded one may not") func bounds() async {
    let semaphore = Semaphore(0)
    semaphore.release(5)
    #expect(semaphore.available == 5)
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { BoundedSemaphore(2).release() }
    #expect(message(of: result).contains("release(1) of a BoundedSemaphore would make 3 permits of 2"))
  }

  @Test("a number of permits that cannot be ends the program") func negative() async {
    let made = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Semaphore(-1) }
    #expect(message(of: made).contains("a semaphore with -1 permits"))
    let given = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { Semaphore(1).release(0) }
    #expect(message(of: given).contains("release(0) of a semaphore"))
    let all = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { Semaphore(1).release(.max) }
    #expect(message(of: all).contains("release(9223372036854775807) of a semaphore"))
  }

  @Test("release(n) lets n waiters go, threads and tasks alike") func releaseMany() async throws {
    let semaphore = Semaphore(0)
    let passed = Semaphore(0)
    async let threads: Void = Task.detached {
      let thread = OSThread.spawn { race(threads: 3) { _ in semaphore.acquire(); passed.release() } }
      _ = try await thread.join()
    }.value
    let tasks = (0..<3).map { _ in Task { try await semaphore.acquire(); passed.release() } }
    semaphore.release(4)
    for _ in 0..<4 { try await passed.acquire() }
    #expect(!passed.tryAcquire())
    semaphore.release(2)
    try await threads
    for task in tasks { try await task.value }
    #expect(passed.available == 2)
  }

  @Test("withPermit gives the permit back when its body throws, sync and async") func withPermit() async throws {
    struct Failure: Error {}
    let semaphore = Semaphore(1)
    #expect(throws: Failure.self) { try semaphore.withPermit { throw Failure() } }
    await #expect(throws: Failure.self) {
      try await semaphore.withPermit {
        await Task.yield()
        throw Failure()
      }
    }
    let value = try await semaphore.withPermit {
      await Task.yield()
      return 4
    }
    #expect(value == 4)
    #expect(semaphore.available == 1)
  }

  @Test("a task waits in withPermit without blocking its thread, also for a body without an await")
  @MainActor func bodyWithoutAwait() async throws {
    let semaphore = Semaphore(0)
    // On this very actor: it runs only when the wait below leaves the thread free.
    let releaser = Task { semaphore.release() }
    var runs = 0
    try await semaphore.withPermit { runs += 1 }
    await releaser.value
    #expect(runs == 1)
    #expect(semaphore.available == 1)
    struct Failure: Error {}
    await #expect(throws: Failure.self) {
      let body: () throws -> Int = { throw Failure() }
      return try await semaphore.withPermit(body)
    }
    #expect(semaphore.available == 1)
  }

  @Test("a cancelled task stops waiting, takes no permit and wakes nobody") func cancellation() async throws {
    let semaphore = Semaphore(0)
    let task = Task { try await semaphore.acquire() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    semaphore.release()
    #expect(semaphore.tryAcquire())
  }

  @Test("a timed wait of a task ends when time runs out") func taskTimeOut() async throws {
    #expect(try await Semaphore(0).acquire(timeout: .milliseconds(3)) == false)
    #expect(try await Semaphore(1).acquire(timeout: .zero))
  }

  @Test("loses no permit in a storm of threads, tasks, time-outs and cancellations")
  func storm() async throws {
    let semaphore = Semaphore(3)
    let ledger = PermitLedger(permits: 3)
    async let threads: Void = {
      let thread = OSThread.spawn {
        race(threads: 4) { index in
          var random = SplitMix64(seed: UInt64(index))
          for _ in 0..<800 {
            if random.next() % 2 == 0 {
              semaphore.acquire()
            } else if !semaphore.acquire(timeout: .microseconds(Int(random.next() % 80))) {
              continue
            }
            ledger.hold {}
            semaphore.release()
          }
        }
      }
      _ = try await thread.join()
    }()
    await withTaskGroup { group in
      for index in 0..<60 {
        let task = Task {
          var random = SplitMix64(seed: UInt64(index) + 100)
          for _ in 0..<40 {
            if random.next() % 2 == 0 {
              try await semaphore.acquire()
            } else if try await !semaphore.acquire(timeout: .microseconds(Int(random.next() % 80))) {
              continue
            }
            ledger.hold {}
            semaphore.release()
          }
        }
        group.addTask {
          if index % 3 == 0 { await Task.yield(); task.cancel() }
          _ = await task.result
        }
      }
    }
    try await threads
    #expect(ledger.complaints == [])
    #expect(semaphore.available == 3)
  }
}
