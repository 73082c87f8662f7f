import SpindleTestSupport
import Testing

import SpindleQueues

/// What every queue keeps, whatever its order: the calls for threads.
@Suite(.watchdog(seconds: 60)) struct ContractTests {
  @Test(arguments: Kind.allCases) func aNewQueueIsEmpty(_ kind: Kind) {
    let queue = kind.make(capacity: 3)
    #expect(queue.isEmpty)
    #expect(!queue.isFull)
    #expect(queue.count == 0)
    #expect(queue.capacity == 3)
    #expect(!queue.isShutDown)
  }

  @Test(arguments: Kind.allCases) func elementsLeaveInTheOrderOfTheKind(_ kind: Kind) throws {
    let queue = kind.make()
    let elements = [5, 3, 9, 1, 7, 1, 8]
    for element in elements { try queue.putNoWait(element) }
    let taken = try elements.map { _ in try queue.getNoWait() }
    #expect(taken == kind.order(elements))
  }

  @Test(arguments: Kind.allCases) func theOrderHoldsOverManyRounds(_ kind: Kind) throws {
    let queue = kind.make(capacity: 5)
    var random = SplitMix64(seed: 7)
    for _ in 0..<500 {
      let elements = (0..<Int.random(in: 1...5, using: &random)).map { _ in Int.random(in: 0..<10, using: &random) }
      for element in elements { try queue.putNoWait(element) }
      let taken = try elements.map { _ in try queue.getNoWait() }
      #expect(taken == kind.order(elements))
    }
  }

  @Test(arguments: Kind.allCases) func countFollowsPutsAndGets(_ kind: Kind) throws {
    let queue = kind.make(capacity: 40)
    for number in 1...40 {
      try queue.putNoWait(number)
      #expect(queue.count == number)
      #expect(!queue.isEmpty)
      #expect(queue.isFull == (number == 40))
    }
    for number in (0..<40).reversed() {
      _ = try queue.getNoWait()
      #expect(queue.count == number)
      #expect(!queue.isFull)
    }
  }

  @Test(arguments: Kind.allCases, [1, 2, 3, 4, 7, 8, 31, 32, 64]) func exactlyCapacityElementsFit(
    _ kind: Kind, capacity: Int
  ) throws {
    let queue = kind.make(capacity: capacity)
    for _ in 0..<4 {
      for number in 0..<capacity { try queue.putNoWait(number) }
      #expect(error { () throws(QueueError) in try queue.putNoWait(-1) } == .full)
      #expect(queue.tryPut(-1) == -1)
      #expect(queue.count == capacity)
      for _ in 0..<capacity { _ = try queue.getNoWait() }
      #expect(error { () throws(QueueError) in try queue.getNoWait() } == .empty)
      #expect(queue.tryGet() == nil)
    }
  }

  @Test(arguments: Kind.allCases) func aTimedPutIntoAFullQueueThrowsFull(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    try queue.put(1)
    #expect(error { () throws(QueueError) in try queue.put(2, timeout: short) } == .full)
    #expect(error { () throws(QueueError) in try queue.put(2, timeout: .zero) } == .full)
    #expect(error { () throws(QueueError) in try queue.put(2, timeout: .seconds(-1)) } == .full)
    #expect(queue.count == 1)
    #expect(!queue.someoneWaitsForRoom)
  }

  @Test(arguments: Kind.allCases) func aTimedGetFromAnEmptyQueueThrowsEmpty(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    #expect(error { () throws(QueueError) in try queue.get(timeout: short) } == .empty)
    #expect(error { () throws(QueueError) in try queue.get(timeout: .zero) } == .empty)
    #expect(error { () throws(QueueError) in try queue.get(timeout: .seconds(-1)) } == .empty)
    #expect(!queue.someoneWaitsForElements)
  }

  @Test(arguments: Kind.allCases) func aTimeOutThatIsNotNeededCostsNothing(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    try queue.put(7, timeout: .zero)
    #expect(try queue.get(timeout: .zero) == 7)
    try queue.put(8, timeout: long)
    #expect(try queue.get(timeout: long) == 8)
  }

  @Test(arguments: Kind.allCases) func aBlockedGetReceivesALaterPut(_ kind: Kind) {
    let queue = kind.make(capacity: 1)
    let results = race(threads: 2) { index in
      if index == 0 { return try! queue.get() }
      eventually { queue.someoneWaitsForElements }
      try! queue.put(42)
      return 0
    }
    #expect(results[0] == 42)
  }

  @Test(arguments: Kind.allCases) func aBlockedPutGoesOnAfterAGet(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    try queue.put(1)
    race(threads: 2) { index in
      if index == 0 { return try! queue.put(2) }
      eventually { queue.someoneWaitsForRoom }
      #expect(try! queue.get() == 1)
    }
    #expect(try queue.getNoWait() == 2)
  }

  @Test(arguments: Kind.allCases) func aTimedGetReceivesALaterPut(_ kind: Kind) {
    let queue = kind.make(capacity: 1)
    let results = race(threads: 2) { index in
      if index == 0 { return try! queue.get(timeout: long) }
      eventually { queue.someoneWaitsForElements }
      try! queue.put(42, timeout: long)
      return 0
    }
    #expect(results[0] == 42)
  }

  @Test(arguments: Kind.allCases) func aCompletedPutIsSeenByTheNextGetOfAnotherThread(_ kind: Kind) {
    let queue = kind.make(capacity: 2)
    let reply = kind.make(capacity: 2)
    race(threads: 2) { index in
      for number in 0..<2000 {
        if index == 0 {
          try! queue.putNoWait(number)
          // Only after this is the other told to look.
          try! reply.put(number)
          eventually { reply.isEmpty && queue.isEmpty }
        } else {
          #expect(try! reply.get() == number)
          #expect(try! queue.getNoWait() == number)
        }
      }
    }
  }

  @Test(arguments: Kind.allCases) func anyKindCanBeIteratedUntilItIsShutDown(_ kind: Kind) throws {
    let queue = kind.make()
    for number in [3, 1, 2] { try queue.put(number) }
    queue.shutdown()
    var seen: [Int] = []
    for number in queue { seen.append(number) }
    #expect(seen == kind.order([3, 1, 2]))
  }

  @Test func aNegativeCapacityIsAMistake() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Queue<Int>(capacity: -1)
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("capacity"))
  }

  @Test func aVeryLargeCapacityTakesNoMemoryAtOnce() throws {
    let queues = (0..<100).map { _ in Queue<Int>(capacity: .max) }
    for queue in queues {
      try queue.putNoWait(1)
      #expect(queue.capacity == .max)
      #expect(!queue.isFull)
      #expect(try queue.getNoWait() == 1)
    }
  }

  @Test func queuesWithoutACapacityHaveNoBound() throws {
    for queue in [Queue<Int>(), Queue<Int>(capacity: 0), LIFOQueue<Int>(), PriorityQueue<Int>()] as [BlockingQueue] {
      #expect(queue.capacity == 0)
      for number in 0..<5000 { try queue.putNoWait(number) }
      #expect(!queue.isFull)
      #expect(queue.count == 5000)
    }
  }
}
