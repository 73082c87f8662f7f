import Spindle
import SpindleTestSupport
import Synchronization
import Testing

@Suite("Barrier", .watchdog()) struct BarrierTests {
  @Test("nobody passes before all are there, round after round") func rounds() throws {
    let barrier = Barrier(4)
    let arrived = Atomic<Int>(0)
    try race(threads: 4) { _ in
      for round in 1...500 {
        arrived.wrappingAdd(1, ordering: .relaxed)
        try barrier.wait()
        #expect(arrived.load(ordering: .relaxed) >= 4 * round)
        try barrier.wait()
      }
    }
  }

  @Test("each party gets an order of arrival of its own, 0 to parties - 1") func order() throws {
    let barrier = Barrier(5)
    for _ in 0..<50 {
      let orders = try race(threads: 5) { _ in try barrier.wait() }
      #expect(orders.sorted() == [0, 1, 2, 3, 4])
    }
  }

  @Test("the last to arrive runs the action before anyone goes on") func action() throws {
    let runs = Atomic<Int>(0)
    let barrier = Barrier(3) { runs.wrappingAdd(1, ordering: .relaxed) }
    try race(threads: 3) { _ in
      for round in 0..<200 {
        try barrier.wait()
        let now = runs.load(ordering: .relaxed)
        // The next crossing needs this thread too, so the count stands still while it looks.
        #expect(now == round + 1)
      }
    }
    #expect(runs.load(ordering: .relaxed) == 200)
  }

  @Test("an action that throws breaks it: its thread gets the error, the others broken") func failingAction() {
    struct Failure: Error {}
    let barrier = Barrier(3) { throw Failure() }
    let outcomes = race(threads: 3) { _ in
      do {
        try barrier.wait()
        return "passed"
      } catch BarrierError.broken {
        return "broken"
      } catch {
        return "failure"
      }
    }
    #expect(outcomes.sorted() == ["broken", "broken", "failure"])
    #expect(barrier.isBroken)
  }

  @Test("one who runs out of time breaks it for all") func timeOut() {
    let barrier = Barrier(3)
    let outcomes = race(threads: 2) { index in
      #expect(throws: BarrierError.broken) {
        if index == 0 { try barrier.wait(timeout: .milliseconds(5)) } else { try barrier.wait() }
      }
    }
    #expect(outcomes.count == 2)
    #expect(barrier.isBroken)
    #expect(throws: BarrierError.broken) { try waitFor(barrier) }
  }

  @Test("the time-out it was made with counts for every wait") func defaultTimeOut() {
    let barrier = Barrier(2, timeout: .milliseconds(3))
    #expect(throws: BarrierError.broken) { try waitFor(barrier) }
  }

  @Test("abort breaks it for those who wait and who come later, reset makes it new") func abortAndReset() throws {
    let barrier = Barrier(2)
    race(threads: 2) { index in
      if index == 0 {
        #expect(throws: BarrierError.broken) { try barrier.wait() }
      } else {
        while barrier.waiting == 0 { OSThread.yield() }
        barrier.abort()
      }
    }
    #expect(barrier.isBroken)
    #expect(throws: BarrierError.broken) { try waitFor(barrier) }
    barrier.reset()
    #expect(!barrier.isBroken)
    let orders = try race(threads: 2) { _ in try barrier.wait() }
    #expect(orders.sorted() == [0, 1])
  }

  @Test("reset sends those away who wait") func resetWhileWaiting() {
    let barrier = Barrier(3)
    race(threads: 3) { index in
      if index < 2 {
        #expect(throws: BarrierError.broken) { try barrier.wait() }
      } else {
        while barrier.waiting < 2 { OSThread.yield() }
        barrier.reset()
      }
    }
    #expect(!barrier.isBroken)
    #expect(barrier.waiting == 0)
  }

  @Test("a barrier of one lets its party pass at once") func one() throws {
    #expect(try waitFor(Barrier(1)) == 0)
  }

  @Test("threads and tasks meet at one barrier") func mixed() async throws {
    let barrier = Barrier(4)
    let thread = OSThread.spawn { () throws -> [Int] in try race(threads: 2) { _ in try barrier.wait() } }
    let tasks = (0..<2).map { _ in Task { try await barrier.wait() } }
    var orders: [Int] = []
    for task in tasks { orders.append(try await task.value) }
    orders += try await thread.join()
    #expect(orders.sorted() == [0, 1, 2, 3])
  }

  @Test("a cancelled task takes its arrival back and breaks nothing") func cancellation() async throws {
    let barrier = Barrier(2)
    let task = Task { try await barrier.wait() }
    while barrier.waiting == 0 { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!barrier.isBroken)
    #expect(barrier.waiting == 0)
    let others = (0..<2).map { _ in Task { try await barrier.wait() } }
    var orders: [Int] = []
    for other in others { orders.append(try await other.value) }
    #expect(orders.sorted() == [0, 1])
  }

  @Test("when one of those who wait is cancelled, the others keep their order of arrival") func orderAfterCancellation()
    async throws
  {
    let barrier = Barrier(4)
    var tasks: [Task<Int, any Error>] = []
    for number in 1...3 {
      tasks.append(Task { try await barrier.wait() })
      while barrier.waiting < number { await Task.yield() }
    }
    tasks[1].cancel()
    await #expect(throws: CancellationError.self) { try await tasks[1].value }
    #expect(barrier.waiting == 2)
    let fourth = Task { try await barrier.wait() }
    while barrier.waiting < 3 { await Task.yield() }
    #expect(try await barrier.wait() == 3)
    #expect(try await tasks[0].value == 0)
    #expect(try await tasks[2].value == 1)
    #expect(try await fourth.value == 2)
    // The next round knows nothing of it.
    let next = (0..<4).map { _ in Task { try await barrier.wait() } }
    var orders: [Int] = []
    for task in next { orders.append(try await task.value) }
    #expect(orders.sorted() == [0, 1, 2, 3])
  }

  @Test("abort in the action breaks it for the next round; this one passes") func abortInTheAction() throws {
    let own = Guarded<Barrier?>(nil)
    let barrier = Barrier(2) { own.withLock { $0 }!.abort() }
    own.withLock { $0 = barrier }
    let orders = try race(threads: 2) { _ in try barrier.wait() }
    #expect(orders.sorted() == [0, 1])
    #expect(barrier.isBroken)
    barrier.reset()
    own.withLock { $0 = nil }
  }

  @Test("who comes while the action runs waits for the next round") func earlyWhileTheActionRuns() async throws {
    let isIn = Event()
    let mayEnd = Event()
    let barrier = Barrier(2) {
      isIn.set()
      mayEnd.wait()
    }
    let threads = (0..<2).map { _ in OSThread.spawn { () throws -> Int in try barrier.wait() } }
    try await isIn.wait()
    #expect(barrier.waiting == 0)
    let early = Task { try await barrier.wait() }
    let cancelled = Task { try await barrier.wait() }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    mayEnd.set()
    var orders: [Int] = []
    for thread in threads { orders.append(try await thread.join()) }
    #expect(orders.sorted() == [0, 1])
    while barrier.waiting == 0 { await Task.yield() }
    #expect(try await barrier.wait() == 1)
    #expect(try await early.value == 0)
  }

  @Test("resets, cancellations and time-outs in a storm: whole rounds pass, nobody hangs") func storm() async throws {
    let barrier = Barrier(3)
    let passed = Guarded([0, 0, 0])
    let isOver = Atomic<Bool>(false)
    let parties = (0..<4).map { index in
      OSThread.spawn {
        while !isOver.load(ordering: .relaxed) {
          let order = index == 0 ? try? barrier.wait(timeout: .microseconds(50)) : try? barrier.wait()
          if let order { passed.withLock { $0[order] += 1 } }
        }
      }
    }
    for round in 0..<300 {
      let task = Task { try await barrier.wait() }
      if round % 3 != 0 { await Task.yield() }
      task.cancel()
      if let order = try? await task.value { passed.withLock { $0[order] += 1 } }
      barrier.reset()
    }
    isOver.store(true, ordering: .relaxed)
    barrier.abort()
    for party in parties { try await party.join() }
    // Each round that passed has given each order once.
    let counts = passed.withLock { $0 }
    #expect(Set(counts).count == 1, "\(counts)")
    #expect(barrier.waiting == 0)
  }

  @Test("a barrier of no parties ends the program") func none() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Barrier(0) }
    #expect(message(of: result).contains("a Barrier of 0 parties"))
  }
}

/// The synchronous form, also from async tests.
@discardableResult
private func waitFor(_ barrier: Barrier) throws -> Int { try barrier.wait() }
