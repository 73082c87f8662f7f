import SpindleTestSupport
import Testing

import SpindleQueues

/// `taskDone` and `join`.
@Suite(.watchdog(seconds: 60)) struct TaskTests {
  @Test(arguments: Kind.allCases) func joinOfAnUnusedQueueReturnsAtOnce(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 2)
    try await queue.join()
    #expect(try await queue.join(timeout: .zero))
    race(threads: 1) { _ in
      queue.join()
      #expect(queue.join(timeout: .zero))
    }
  }

  @Test(arguments: Kind.allCases) func gettingIsNotDoing(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 2)
    try await queue.put(1)
    _ = try await queue.get()
    #expect(try await queue.join(timeout: short) == false)
    race(threads: 1) { _ in #expect(queue.join(timeout: short) == false) }
    queue.taskDone()
    #expect(try await queue.join(timeout: .zero))
  }

  @Test(arguments: Kind.allCases) func joinReturnsAfterTheLastTask(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 3)
    for number in 0..<3 { try await queue.put(number) }
    let joiner = Task { try await queue.join() }
    await eventually { queue.someoneWaitsForTasks }
    _ = await raceBeside(threads: 4) { index in
      if index == 0 { return queue.join() }
      _ = try! queue.get()
      queue.taskDone()
    }
    try await joiner.value
  }

  @Test(arguments: Kind.allCases) func cancellingEndsAJoin(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 3)
    try await queue.put(1)
    let joiner = Task { try await queue.join() }
    await eventually { queue.someoneWaitsForTasks }
    joiner.cancel()
    await #expect(throws: CancellationError.self) { try await joiner.value }
    #expect(!queue.someoneWaitsForTasks)
  }

  @Test(arguments: Kind.allCases) func aQueueCanBeJoinedAgainAndAgain(_ kind: Kind) {
    let queue = kind.make(capacity: 2)
    race(threads: 3) { index in
      if index > 0 {
        while let _ = try? queue.get() { queue.taskDone() }
        return
      }
      for round in 0..<50 {
        for number in 0..<(round % 7) { try! queue.put(number) }
        queue.join()
        #expect(queue.isEmpty)
      }
      queue.shutdown()
    }
  }

  @Test func doneTooOftenIsAMistake() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let queue = Queue<Int>(capacity: 2)
      try queue.putNoWait(1)
      queue.taskDone()
      queue.taskDone()
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("taskDone() called more often"))
  }

  @Test func doneTooOftenIsAMistakeForALockedQueueToo() async {
    await #expect(processExitsWith: .failure) { LIFOQueue<Int>().taskDone() }
  }
}
