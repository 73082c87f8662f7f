import CSpindle
import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

private func double(_ number: Int) -> Int { number * 2 }
private func sum(_ a: Int, _ b: Double, _ c: String) throws -> String { "\(a) \(b) \(c)" }

@Suite(.watchdog()) struct ThreadPoolTests {
  @Test func submitTakesClosuresAndFunctionsWithArguments() throws {
    let pool = ThreadPool(maxWorkers: 2)
    #expect(try pool.submit { 42 }.result() == 42)
    #expect(try pool.submit(double, 21).result() == 42)
    #expect(try pool.submit(sum, 1, 2.5, "x").result() == "1 2.5 x")
    #expect(throws: Oops(number: 1)) { try pool.submit { throw Oops(number: 1) }.result() }
    pool.shutdown()
  }

  @Test func withoutANumberItHasAsManyWorkersAsThereAreCores() {
    #expect(ThreadPool().maxWorkers == Processors.available)
  }

  @Test func aPoolWithoutWorkersIsAMistake() async {
    await #expect(processExitsWith: .failure) { _ = ThreadPool(maxWorkers: 0) }
  }

  @Test func jobsRunOnNamedThreadsUpToTheNumberOfWorkers() throws {
    let pool = ThreadPool(maxWorkers: 3, threadNamePrefix: "crew")
    let gate = Gate()
    let names = (0..<12).map { _ in
      pool.submit {
        gate.pass()
        return OSThread.current.name
      }
    }
    gate.awaitArrivals(3)
    #expect(gate.arrivals == 3)
    gate.open()
    #expect(Set(try names.map { try $0.result() }).isSubset(of: ["crew_0", "crew_1", "crew_2"]))
    pool.shutdown()
  }

  @Test func idleWorkersAreUsedBeforeNewOnesAreStarted() throws {
    let pool = ThreadPool(maxWorkers: 100)
    var names = Set<String>()
    for _ in 0..<20 {
      // The worker counts as idle a moment after the result is there, so a few may be started.
      names.insert(try pool.submit { OSThread.current.name }.result())
    }
    #expect(names.count < 20)
    pool.shutdown()
  }

  @Test func oneWorkerRunsJobsInTheOrderSubmitted() {
    let pool = ThreadPool(maxWorkers: 1)
    let log = Log<Int>()
    for number in 0..<200 { pool.submit { log.append(number) } }
    pool.shutdown()
    #expect(log.all == Array(0..<200))
  }

  @Test func aQueueBesideThePoolGivesAnotherOrderAndABound() throws {
    let gate = Gate()
    let done = Log<Int>()
    let line = PriorityQueue<Int>(capacity: 3)
    withThreadPool(maxWorkers: 1) { pool in
      pool.execute { gate.pass() }
      gate.awaitArrivals(1)
      for number in [3, 1, 2] {
        try? line.put(number)
        pool.execute { if let number = try? line.get() { done.append(number) } }
      }
      #expect(throws: QueueError.self) { try line.putNoWait(4) }
      gate.open()
    }
    #expect(done.all == [1, 2, 3])
  }

  @Test func aPendingJobCanBeCancelledAndNeverRuns() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let log = Log<Int>()
    let running = pool.submit { gate.pass() }
    let pending = pool.submit { log.append(1) }
    gate.awaitArrivals()
    #expect(running.isRunning)
    #expect(!running.cancel())
    #expect(pending.cancel())
    gate.open()
    try running.result()
    pool.shutdown()
    #expect(log.all == [])
    #expect(throws: CancellationError.self) { try pending.result() }
  }

  @Test func aRunningJobSeesThatItIsAskedToStop() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let future = pool.submit { () -> Int in
      gate.pass()
      var rounds = 0
      while !Cancellation.isRequested { rounds += 1 }
      return Cancellation.current!.isRequested ? 1 : 0
    }
    gate.open()
    gate.awaitArrivals()
    #expect(!future.cancel())
    #expect(try future.result() == 1)
    #expect(!future.isCancelled)
    // The next job of the same thread has not been asked.
    #expect(try pool.submit { Cancellation.isRequested }.result() == false)
    pool.shutdown()
    #expect(!Cancellation.isRequested)
  }

  @Test func callbacksRunOnTheWorker() throws {
    let pool = ThreadPool(maxWorkers: 1, threadNamePrefix: "only")
    let gate = Gate()
    let log = Log<String>()
    let future = pool.submit { gate.pass() }
    future.onDone { _ in log.append(OSThread.current.name) }
    gate.open()
    pool.shutdown()
    #expect(log.all == ["only_0"])
  }

  // MARK: Closures without a future

  @Test func executedClosuresStandInLineWithJobs() {
    let pool = ThreadPool(maxWorkers: 1)
    let log = Log<Int>()
    for number in 0..<100 {
      if number % 2 == 0 { pool.execute { log.append(number) } } else { pool.submit { log.append(number) } }
    }
    pool.shutdown()
    #expect(log.all == Array(0..<100))
  }

  @Test func anExecutedClosureIsReleasedBeforeTheNextJobBegins() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    for _ in 0..<100 {
      do {
        let live = Live(count)
        pool.execute { _ = live.count }
      }
      #expect(try pool.submit { count.value }.result() == 0)
    }
    pool.shutdown()
  }

  @Test func anExecutedClosureMayWaitForAJob() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let log = Log<Int>()
    pool.execute { log.append((try? pool.submit { 1 }.result()) ?? 0) }
    pool.execute { log.append((try? pool.submit { 2 }.result(timeout: .seconds(50))) ?? 0) }
    while log.all.count < 2 { OSThread.yield() }
    pool.shutdown()
    #expect(log.all == [1, 2])
  }

  @Test func aClosureThatComesTooLateOrIsCancelledIsReleased() {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    let log = Log<Int>()
    let gate = Gate()
    pool.execute { gate.pass() }
    gate.awaitArrivals()
    do {
      let live = Live(count)
      pool.execute { log.append(live.count.value) }
    }
    #expect(count.value == 1)
    pool.shutdown(wait: false, cancelFutures: true)
    #expect(count.value == 0)
    do {
      let live = Live(count)
      #expect(!pool.execute { log.append(live.count.value) })
    }
    #expect(count.value == 0)
    gate.open()
    pool.shutdown()
    #expect(log.all == [])
  }

  // MARK: Shutdown

  @Test func submitAfterShutdownFailsTheFuture() throws {
    let pool = ThreadPool(maxWorkers: 1)
    pool.shutdown()
    #expect(throws: ShutdownError.self) { try pool.submit { 1 }.result() }
  }

  @Test func shutdownWithoutWaitingReturnsWhileJobsRun() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let running = pool.submit { gate.pass() }
    let pending = pool.submit { 5 }
    pool.shutdown(wait: false)
    #expect(!running.isDone)
    gate.open()
    #expect(try pending.result() == 5)
    pool.shutdown()
  }

  @Test func shutdownCancelsWhatHasNotBegunAndTellsThoseWhoWait() async throws {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let running = pool.submit { gate.pass() }
    await awaitArrivals(at: gate)
    let pending = (0..<10).map { number in pool.submit { number } }
    let log = Log<Bool>()
    for future in pending { future.onDone { log.append($0.isCancelled) } }
    let waiting = Task { try await wait(for: pending).done.count }
    await pool.shutdown(wait: false, cancelFutures: true)
    #expect(pending.allSatisfy { $0.isCancelled })
    #expect(log.all == Array(repeating: true, count: 10))
    #expect(try await waiting.value == 10)
    gate.open()
    await pool.shutdown()
    #expect(running.isDone && !running.isCancelled)
  }

  @Test func afterShutdownTheThreadsAreGone() {
    let pool = ThreadPool(maxWorkers: 3, threadNamePrefix: "leaving")
    for _ in 0..<10 { pool.submit {} }
    pool.shutdown()
    #expect(!OSThread.all.contains { $0.name.hasPrefix("leaving") })
  }

  @Test func shutdownInsideAJobDoesNotWaitForItself() throws {
    let pool = ThreadPool(maxWorkers: 2)
    let future = pool.submit { () -> Int in
      pool.shutdown()
      return 1
    }
    #expect(try future.result() == 1)
    pool.shutdown()
  }

  @Test func aCancelledTaskStillWaitsForTheEndOfThePool() async {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let future = pool.submit { gate.pass() }
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      await pool.shutdown()
      return future.isDone
    }
    await awaitArrivals(at: gate)
    gate.open()
    #expect(await task.value)
  }

  @Test func aPoolThatIsReleasedDoesWhatIsInLine() throws {
    var pool: ThreadPool? = ThreadPool(maxWorkers: 2)
    let futures = (0..<100).map { number in pool!.submit { number } }
    pool = nil
    #expect(try futures.map { try $0.result() } == Array(0..<100))
  }

  @Test func withThreadPoolShutsDownAlsoWhenTheBodyThrows() async throws {
    let log = Log<Int>()
    let value = try await onThread {
      withThreadPool(maxWorkers: 5) { pool -> Int in
        for number in 0..<20 { pool.submit { log.append(number) } }
        return 7
      }
    }
    #expect(value == 7 && log.all.count == 20)
    await #expect(throws: Oops.self) {
      try await onThread {
        try withThreadPool(maxWorkers: 2) { pool in
          for number in 0..<20 { pool.submit { log.append(number) } }
          throw Oops()
        }
      }
    }
    #expect(log.all.count == 40)
    let later = await withThreadPool(maxWorkers: 2) { pool -> Future<Int> in
      await Task.yield()
      return pool.submit { 3 }
    }
    #expect(later.isDone)
    await #expect(throws: Oops.self) {
      try await withThreadPool(maxWorkers: 2) { pool in
        pool.submit { log.append(0) }
        throw Oops()
      }
    }
    #expect(log.all.count == 41)
  }

  @Test func queuedJobsAreDoneBeforeTheProcessEnds() async {
    // The last of many jobs decides the exit status.
    await #expect(processExitsWith: .exitCode(7)) {
      let pool = ThreadPool(maxWorkers: 1)
      let count = Atomic<Int>(0)
      for _ in 0..<1000 {
        pool.submit {
          spindle_yield()
          if count.wrappingAdd(1, ordering: .relaxed).newValue == 1000 { spindle_exit_now(7) }
        }
      }
    }
  }

  @Test func anIdlePoolDoesNotKeepTheProcess() async {
    await #expect(processExitsWith: .success) {
      let pool = ThreadPool(maxWorkers: 2)
      _ = try await pool.submit { 1 }.result()
      _ = unsafe Unmanaged.passRetained(pool)
    }
  }

  // MARK: Initializer

  @Test func theInitializerRunsOnceOnEveryWorker() throws {
    let log = Log<String>()
    let pool = ThreadPool(maxWorkers: 2, threadNamePrefix: "set") { log.append(OSThread.current.name) }
    for _ in 0..<50 { pool.submit {} }
    pool.shutdown()
    #expect(Set(log.all).count == log.all.count)
    #expect(Set(log.all).isSubset(of: ["set_0", "set_1"]) && !log.all.isEmpty)
  }

  @Test func anInitializerThatThrowsBreaksThePool() throws {
    let gate = Gate()
    let pool = ThreadPool(maxWorkers: 1) {
      gate.pass()
      throw Oops(number: 9)
    }
    let futures = (0..<5).map { number in pool.submit { number } }
    gate.open()
    for future in futures {
      let error = #expect(throws: BrokenPoolError.self) { try future.result() }
      #expect(error?.cause as? Oops == Oops(number: 9))
    }
    #expect(throws: BrokenPoolError.self) { try pool.submit { 1 }.result() }
    pool.shutdown()
  }

  // MARK: Captures

  @Test func whatAJobCapturedIsReleasedBeforeItsFutureEnds() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    for _ in 0..<100 {
      let future: Future<Void>
      do {
        let live = Live(count)
        future = pool.submit { _ = live.count }
      }
      try future.result()
      #expect(count.value == 0)
    }
    pool.shutdown()
  }

  /// Several captures lie in memory of their own, which the future keeps: what lay there is released all the same.
  @Test func capturesAreReleasedThoughTheirMemoryStays() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    let futures = (0..<100).map { number in
      let live = Live(count)
      return pool.submit { live.count === count ? number : -1 }
    }
    #expect(try futures.map { try $0.result() } == Array(0..<100))
    #expect(count.value == 0)
    pool.shutdown()
  }

  @Test func aClosureThatIsSubmittedManyTimesKeepsItsCaptures() throws {
    let pool = ThreadPool(maxWorkers: 2)
    let count = Live.Count()
    do {
      let live = Live(count)
      let number = count.value
      let work = { @Sendable in live.count.value + number }
      let futures = (0..<100).map { _ in pool.submit(work) }
      #expect(try futures.allSatisfy { try $0.result() == 2 })
      #expect(work() == 2)
    }
    // The workers let go of the last futures when they look for the next job.
    pool.shutdown()
    #expect(count.value == 0)
  }

  @Test func capturesOfACancelledJobAreReleasedThoughItsFutureStays() {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Event()
    let blocker = pool.submit { gate.wait() }
    let count = Live.Count()
    let futures = (0..<100).map { number in
      let live = Live(count)
      return pool.submit { live.count === count ? number : -1 }
    }
    #expect(futures.allSatisfy { $0.cancel() })
    #expect(count.value == 0)
    gate.set()
    #expect(throws: Never.self) { try blocker.result() }
    pool.shutdown()
  }

  /// The memory of large captures is not kept.
  @Test func largeCapturesArriveAndAreReleased() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    let future: Future<Int>
    do {
      let (a, b, c, d) = (Live(count), Live(count), Live(count), Live(count))
      let numbers = (pool.maxWorkers, 2, 3, 4, 5, 6, 7, 8)
      future = pool.submit { numbers.0 + numbers.7 + a.count.value + b.count.value + c.count.value + d.count.value }
    }
    #expect(try future.result() == 25)
    #expect(count.value == 0)
    pool.shutdown()
  }

  /// Values that fill the future's words, and values that need memory of their own.
  @Test func valuesOfAllSizesArrive() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let word = pool.maxWorkers
    let two = pool.submit { (word, 2) }
    let three = pool.submit { (word, 2, "three") }
    let four = pool.submit { (word, 2, 3, 4) }
    let five = pool.submit { (word, 2, 3, 4, ["five"]) }
    #expect(try two.result() == (1, 2))
    #expect(try three.result() == (1, 2, "three"))
    #expect(try four.result() == (1, 2, 3, 4))
    #expect(try five.result() == (1, 2, 3, 4, ["five"]))
    pool.shutdown()
  }

  @Test func theResultBelongsToThoseWhoHoldTheFuture() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    do {
      let future = pool.submit { Live(count) }
      _ = try future.result()
      #expect(count.value == 1)
      // The worker lets go of the future when it looks for the next job.
      try pool.submit {}.result()
    }
    #expect(count.value == 0)
    pool.shutdown()
  }

  @Test func whatACancelledJobCapturedIsReleasedAtOnce() {
    let pool = ThreadPool(maxWorkers: 1)
    let count = Live.Count()
    let gate = Gate()
    pool.submit { gate.pass() }
    gate.awaitArrivals()
    let future: Future<Void>
    do {
      let live = Live(count)
      future = pool.submit { _ = live.count }
    }
    #expect(count.value == 1)
    future.cancel()
    #expect(count.value == 0)
    gate.open()
    pool.shutdown()
  }
}

/// As a task: waits until somebody has arrived at the gate.
private func awaitArrivals(at gate: Gate) async {
  while gate.arrivals == 0 { await Task.yield() }
}
