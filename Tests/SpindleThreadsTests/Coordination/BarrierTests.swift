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

  @Test("a barrier of no parties ends the program") func none() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Barrier(0) }
    #expect(message(of: result).contains("a Barrier of 0 parties"))
  }
}

/// The synchronous form, also from async tests.
@discardableResult
private func waitFor(_ barrier: Barrier) throws -> Int { try barrier.wait() }
