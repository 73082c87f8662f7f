import SpindleTestSupport
import Testing

import SpindleQueues

/// `shutdown`, graceful and immediate, as in Python's `queue` module.
@Suite(.watchdog(seconds: 60)) struct ShutdownTests {
  @Test(arguments: Kind.allCases, [false, true]) func putsAreRefusedAfterwards(_ kind: Kind, immediate: Bool) async {
    let queue = kind.make(capacity: 2)
    queue.shutdown(immediate: immediate)
    #expect(queue.isShutDown)
    #expect(error { () throws(QueueError) in try queue.putNoWait(1) } == .shutDown)
    #expect(queue.tryPut(1) == 1)
    #expect(await taskError { try await queue.put(1) } == .shutDown)
    #expect(await taskError { try await queue.put(1, timeout: .zero) } == .shutDown)
    race(threads: 1) { _ in
      #expect(error { () throws(QueueError) in try queue.put(1) } == .shutDown)
      #expect(error { () throws(QueueError) in try queue.put(1, timeout: short) } == .shutDown)
    }
    #expect(queue.isEmpty)
  }

  @Test(arguments: Kind.allCases) func aFullQueueThatIsShutDownSaysShutDown(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    try queue.putNoWait(1)
    queue.shutdown()
    #expect(error { () throws(QueueError) in try queue.putNoWait(1) } == .shutDown)
    #expect(error { () throws(QueueError) in try queue.put(1, timeout: .zero) } == .shutDown)
  }

  @Test(arguments: Kind.allCases) func aGracefulOneGivesOutWhatIsThere(_ kind: Kind) async throws {
    let queue = kind.make(capacity: 5)
    for number in 0..<4 { try queue.putNoWait(number) }
    queue.shutdown()
    #expect(queue.count == 4)
    var taken = [try await queue.get(), try queue.getNoWait()]
    taken.append(try await queue.get(timeout: .zero))
    taken.append(try #require(queue.tryGet()))
    #expect(taken == kind.order([0, 1, 2, 3]))
    #expect(error { () throws(QueueError) in try queue.getNoWait() } == .shutDown)
    #expect(await taskError { try await queue.get() } == .shutDown)
    #expect(await taskError { try await queue.get(timeout: long) } == .shutDown)
    #expect(queue.tryGet() == nil)
  }

  @Test(arguments: Kind.allCases) func anImmediateOneGivesOutNothing(_ kind: Kind) throws {
    let queue = kind.make(capacity: 5)
    for number in 0..<4 { try queue.putNoWait(number) }
    queue.shutdown(immediate: true)
    #expect(queue.isEmpty)
    #expect(error { () throws(QueueError) in try queue.getNoWait() } == .shutDown)
  }

  @Test(arguments: Kind.allCases, [false, true]) func blockedGetsWakeUp(_ kind: Kind, immediate: Bool) async {
    let queue = kind.make(capacity: 2)
    async let task = taskError { try await queue.get() }
    let errors = await raceBeside(threads: 4) { index -> QueueError? in
      if index == 0 {
        eventually { queue.waitingGetters == 4 }
        queue.shutdown(immediate: immediate)
        return .shutDown
      }
      return error { () throws(QueueError) in index == 1 ? try queue.get(timeout: long) : try queue.get() }
    }
    #expect(errors.allSatisfy { $0 == .shutDown })
    #expect(await task == .shutDown)
  }

  @Test(arguments: Kind.allCases, [false, true]) func blockedPutsWakeUp(_ kind: Kind, immediate: Bool) async throws {
    let queue = kind.make(capacity: 1)
    try queue.putNoWait(0)
    async let task = taskError { try await queue.put(9) }
    let errors = await raceBeside(threads: 4) { index -> QueueError? in
      if index == 0 {
        eventually { queue.waitingPutters == 4 }
        queue.shutdown(immediate: immediate)
        return .shutDown
      }
      return error { () throws(QueueError) in index == 1 ? try queue.put(1, timeout: long) : try queue.put(1) }
    }
    #expect(errors.allSatisfy { $0 == .shutDown })
    #expect(await task == .shutDown)
    #expect(queue.count == (immediate ? 0 : 1))
  }

  @Test(arguments: Kind.allCases) func itMayBeRepeatedAndMadeImmediate(_ kind: Kind) throws {
    let queue = kind.make(capacity: 3)
    try queue.putNoWait(1)
    queue.shutdown()
    queue.shutdown()
    #expect(queue.count == 1)
    queue.shutdown(immediate: true)
    #expect(queue.isEmpty)
    queue.shutdown()
    queue.shutdown(immediate: true)
    #expect(error { () throws(QueueError) in try queue.getNoWait() } == .shutDown)
  }

  @Test(arguments: Kind.allCases) func anImmediateOneCountsWhatItDropsAsDone(_ kind: Kind) throws {
    let queue = kind.make(capacity: 3)
    for number in 0..<3 { try queue.putNoWait(number) }
    _ = try queue.getNoWait()
    queue.shutdown(immediate: true)
    #expect(queue.join(timeout: .zero) == false)
    queue.taskDone()
    #expect(queue.join(timeout: .zero))
  }

  @Test(arguments: Kind.allCases) func anImmediateOneWakesJoinWhenNothingIsLeft(_ kind: Kind) throws {
    let queue = kind.make(capacity: 3)
    for number in 0..<3 { try queue.putNoWait(number) }
    race(threads: 2) { index in
      if index == 0 { return queue.join() }
      eventually { queue.someoneWaitsForTasks }
      queue.shutdown(immediate: true)
    }
  }

  @Test(arguments: Kind.allCases) func tasksDoneBeforeTheirGetAreNotCountedTwice(_ kind: Kind) throws {
    let queue = kind.make(capacity: 3)
    for number in 0..<3 { try queue.putNoWait(number) }
    for _ in 0..<2 { queue.taskDone() }
    queue.shutdown(immediate: true)
    #expect(queue.join(timeout: .zero))
  }

  @Test(arguments: Kind.allCases, [false, true]) func nothingIsLostWhenPutsGetsAndShutdownMeet(
    _ kind: Kind, immediate: Bool
  ) {
    for round in 0..<30 {
      let queue = kind.make(Tracked.self, capacity: 4)
      let counts = race(threads: 5) { index -> Int in
        var count = 0
        switch index {
        case 0, 1:
          while error({ () throws(QueueError) in try queue.put(Tracked(count)) }) == nil { count += 1 }
        case 2, 3:
          while error({ () throws(QueueError) in try queue.get() }) == nil { count += 1 }
        default:
          for _ in 0..<(round * 20) { _ = queue.count }
          queue.shutdown(immediate: immediate)
        }
        return count
      }
      let (put, taken) = (counts[0] + counts[1], counts[2] + counts[3])
      #expect(immediate ? taken <= put : taken == put)
      #expect(queue.isEmpty)
    }
  }
}
