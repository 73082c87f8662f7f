import SpindleTestSupport
import Testing

import SpindleQueues

/// What every queue keeps, whatever its order: the calls for tasks.
@Suite(.watchdog(seconds: 60)) struct ContractAsyncTests {
  @Test(arguments: Kind.allCases) func putAndGetWithoutWaiting(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 3)
    for number in [2, 1, 3] { try await queue.put(number) }
    var taken: [Int] = []
    for _ in 0..<3 { taken.append(try await queue.get()) }
    #expect(taken == kind.order([2, 1, 3]))
  }

  @Test(arguments: Kind.allCases) func timeOutsEndWaits(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 1)
    #expect(await taskError { try await queue.get(timeout: short) } == .empty)
    #expect(await taskError { try await queue.get(timeout: .zero) } == .empty)
    try await queue.put(1, timeout: short)
    #expect(await taskError { try await queue.put(2, timeout: short) } == .full)
    #expect(await taskError { try await queue.put(2, timeout: .seconds(-1)) } == .full)
    #expect(try await queue.get(timeout: long) == 1)
    #expect(queue.isEmpty)
  }

  @Test(arguments: Kind.allCases) func aSuspendedGetReceivesALaterPut(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 1)
    let getter = Task { try await queue.get() }
    await eventually { queue.someoneWaitsForElements }
    try queue.putNoWait(42)
    #expect(try await getter.value == 42)
  }

  @Test(arguments: Kind.allCases) func aSuspendedPutGoesOnAfterAGet(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 1)
    try await queue.put(1)
    let putter = Task { try await queue.put(2) }
    await eventually { queue.someoneWaitsForRoom }
    #expect(try queue.getNoWait() == 1)
    try await putter.value
    #expect(try await queue.get() == 2)
  }

  @Test(arguments: Kind.allCases) func cancellingEndsAGetAndTakesNothing(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 1)
    let getter = Task { try await queue.get() }
    await eventually { queue.someoneWaitsForElements }
    getter.cancel()
    await #expect(throws: CancellationError.self) { try await getter.value }
    try queue.putNoWait(1)
    #expect(queue.count == 1)
    #expect(!queue.someoneWaitsForElements)
  }

  @Test(arguments: Kind.allCases) func cancellingEndsAPutAndPutsNothing(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 1)
    try queue.putNoWait(1)
    let putter = Task { try await queue.put(2) }
    await eventually { queue.someoneWaitsForRoom }
    putter.cancel()
    await #expect(throws: CancellationError.self) { try await putter.value }
    #expect(try queue.getNoWait() == 1)
    #expect(queue.isEmpty)
  }

  @Test(arguments: Kind.allCases) func aCancelledTaskStillGetsWhatIsThere(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 2)
    try queue.putNoWait(1)
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0!.cancel() }
      return try await queue.get()
    }
    #expect(try await task.value == 1)
  }

  @Test(arguments: Kind.allCases) func aThreadAndATaskTalkThroughAQueue(_ kind: Kind) async throws {
    let there = kind.make(capacity: 1)
    let back = kind.make(capacity: 1)
    let echo = Task {
      for _ in 0..<500 { try await back.put(try await there.get() + 1) }
    }
    _ = await raceBeside(threads: 1) { _ in
      for number in 0..<500 {
        try! there.put(number)
        #expect(try! back.get() == number + 1)
      }
    }
    try await echo.value
  }

  @Test(arguments: Kind.allCases) func iterationEndsWithTheShutdown(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 10)
    let reader = Task {
      var seen: [Int] = []
      for await number in queue { seen.append(number) }
      return seen
    }
    for number in 0..<5 { try await queue.put(number) }
    queue.shutdown()
    #expect(await reader.value.sorted() == [0, 1, 2, 3, 4])
  }

  @Test(arguments: Kind.allCases) func iterationEndsWhenItsTaskIsCancelled(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 10)
    let reader = Task {
      var count = 0
      for await _ in queue { count += 1 }
      return count
    }
    try await queue.put(1)
    await eventually { queue.isEmpty && queue.someoneWaitsForElements }
    reader.cancel()
    #expect(await reader.value == 1)
  }

  @Test func waitingTasksAreServedInTheOrderTheyCame() async throws {
    let queue = Queue<Int>()
    let order = Queue<Int>()
    var tasks: [Task<Void, any Error>] = []
    for index in 0..<20 {
      tasks.append(
        Task {
          try order.putNoWait(index)
          try order.putNoWait(try await queue.get() * 100 + index)
        })
      // One after the other, so that the order in which they come is known.
      await eventually { order.count == 1 }
      _ = try order.getNoWait()
      await eventually { queue.waitingGetters == index + 1 }
    }
    for number in 0..<20 {
      try queue.putNoWait(number)
      #expect(try await order.get() == number * 100 + number)
    }
    for task in tasks { try await task.value }
  }

  @Test @MainActor func elementsThatAreNotSendablePassBetweenIsolations() async throws {
    final class Sheet { var words: [String] = [] }
    let queue = Queue<Sheet>(capacity: 1)
    let writer = Task.detached {
      let sheet = Sheet()
      sheet.words.append("hello")
      try await queue.put(sheet)
    }
    let sheet = try await queue.get()
    sheet.words.append("world")
    try await writer.value
    #expect(sheet.words == ["hello", "world"])
  }
}
