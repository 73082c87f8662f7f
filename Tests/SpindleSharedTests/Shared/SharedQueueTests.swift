import CSpindle
import SpindleTestSupport
import SpindleProcesses
import Testing

import Spindle

/// The contract of queues, within one process; `SpindleQueuesTests` has it for the queues of threads.
@Suite(.watchdog(seconds: 120)) struct SharedQueueTests {
  @Test func `a new queue is empty`() {
    let queue = SharedQueue<Int>(capacity: 3)
    #expect(queue.isEmpty && !queue.isFull && queue.count == 0 && queue.capacity == 3 && !queue.isShutDown)
  }

  @Test func `elements leave in the order in which they went in`() throws {
    let queue = SharedQueue<String>()
    for number in 0..<5000 { try queue.putNoWait("element \(number)") }
    #expect(queue.count == 5000)
    for number in 0..<5000 { #expect(try queue.getNoWait() == "element \(number)") }
    #expect(queue.isEmpty)
  }

  @Test(arguments: [1, 2, 3, 7, 64]) func `exactly capacity elements fit`(capacity: Int) throws {
    let queue = SharedQueue<Int>(capacity: capacity)
    for _ in 0..<4 {
      for number in 0..<capacity {
        #expect(!queue.isFull)
        try queue.putNoWait(number)
        #expect(queue.count == number + 1)
      }
      #expect(queue.isFull)
      #expect(refusal { try queue.putNoWait(-1) } == .full)
      #expect(try queue.tryPut(-1) == -1)
      for number in 0..<capacity { #expect(try queue.getNoWait() == number) }
      #expect(refusal { try queue.getNoWait() } == .empty)
      #expect(try queue.tryGet() == nil)
    }
  }

  @Test func `a capacity of 0 is no bound`() throws {
    for queue in [SharedQueue<Int>(), SharedQueue<Int>(capacity: 0)] {
      #expect(queue.capacity == 0)
      for number in 0..<20_000 { try queue.putNoWait(number) }
      #expect(!queue.isFull && queue.count == 20_000)
      for number in 0..<20_000 { #expect(try queue.getNoWait() == number) }
    }
  }

  @Test func `elements of any size come back whole, in any mixture`() throws {
    let queue = SharedQueue<[UInt8]>(capacity: 5)
    var random = SplitMix64(seed: 3)
    var inside: [[UInt8]] = []
    for _ in 0..<300 {
      if inside.count == 5 || (!inside.isEmpty && Bool.random(using: &random)) {
        #expect(try queue.getNoWait() == inside.removeFirst())
      } else {
        let size = [0, 1, 7, 8, 9, 100, 4000, 65_535, 65_536, 200_000, 3_000_000].randomElement(using: &random)!
        inside.append([UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: size))
        try queue.putNoWait(inside.last!)
      }
    }
  }

  @Test func `an element of 100 MB passes, and its memory is given back`() throws {
    let queue = SharedQueue<[UInt8]>(capacity: 2)
    let small = queue.ringByteCount
    let bytes = [UInt8](repeating: 7, count: 100_000_000)
    try queue.put(bytes)
    try queue.put([1])
    #expect(queue.ringByteCount > 100_000_000)
    #expect(try queue.get() == bytes)
    #expect(try queue.get() == [1])
    #expect(queue.ringByteCount == small)
    try queue.put([2])
    #expect(try queue.get() == [2])
  }

  @Test func `elements without bytes count`() throws {
    struct Nothing: Codable, Sendable {}
    let queue = SharedQueue<Nothing>(capacity: 2)
    try queue.put(Nothing())
    try queue.put(Nothing())
    #expect(queue.isFull)
    _ = try queue.get()
    _ = try queue.get()
    #expect(queue.isEmpty)
  }

  @Test func `time-outs end waits`() throws {
    let queue = SharedQueue<Int>(capacity: 1)
    #expect(refusal { try queue.get(timeout: short) } == .empty)
    #expect(refusal { try queue.get(timeout: .zero) } == .empty)
    #expect(refusal { try queue.get(timeout: .seconds(-1)) } == .empty)
    try queue.put(1, timeout: .zero)
    #expect(refusal { try queue.put(2, timeout: short) } == .full)
    #expect(refusal { try queue.put(2, timeout: .zero) } == .full)
    #expect(try queue.get(timeout: long) == 1)
    #expect(queue.isEmpty)
  }

  @Test func `a blocked get receives a later put, a blocked put goes on after a get`() throws {
    let queue = SharedQueue<Int>(capacity: 1)
    let results = race(threads: 2) { index in
      if index == 0 { return try! queue.get() }
      eventually { queue.someoneWaitsForElements }
      try! queue.put(42)
      return 0
    }
    #expect(results[0] == 42)
    try queue.put(1)
    race(threads: 2) { index in
      if index == 0 { return try! queue.put(2) }
      eventually { queue.someoneWaitsForRoom }
      #expect(try! queue.get() == 1)
    }
    #expect(try queue.getNoWait() == 2)
  }

  @Test func `iteration ends with the shutdown`() async throws {
    let queue = SharedQueue<Int>()
    for number in 0..<5 { try queue.putNoWait(number) }
    queue.shutdown()
    #expect(Array(queue) == [0, 1, 2, 3, 4])
    let other = SharedQueue<Int>()
    let reader = Task {
      var seen: [Int] = []
      for await number in other { seen.append(number) }
      return seen
    }
    for number in 0..<5 { try await other.put(number) }
    other.shutdown()
    #expect(await reader.value == [0, 1, 2, 3, 4])
  }

  // MARK: Tasks done, shutdown

  @Test func `join waits for as many tasks done as puts`() async throws {
    let queue = SharedQueue<Int>()
    #expect(try await queue.join(timeout: .zero))
    for number in 0..<3 { try await queue.put(number) }
    let joiner = Task { try await queue.join() }
    await eventually { queue.someoneWaitsForTasks }
    _ = await raceBeside(threads: 4) { index in
      if index == 0 { return queue.join() }
      _ = try! queue.get()
      #expect(!queue.join(timeout: .zero))
      queue.taskDone()
    }
    try await joiner.value
  }

  @Test func `taskDone once too often is a mistake`() async {
    await #expect(processExitsWith: .failure) {
      let queue = SharedQueue<Int>()
      try queue.putNoWait(1)
      queue.taskDone()
      queue.taskDone()
    }
  }

  @Test func `a negative capacity is a mistake`() async {
    await #expect(processExitsWith: .failure) { _ = SharedQueue<Int>(capacity: -1) }
  }

  @Test func `after a shutdown puts are refused and gets empty the queue`() throws {
    let queue = SharedQueue<Int>(capacity: 2)
    try queue.put(1)
    try queue.put(2)
    queue.shutdown()
    queue.shutdown()
    #expect(queue.isShutDown)
    #expect(refusal { try queue.putNoWait(3) } == .shutDown)
    #expect(refusal { try queue.put(3) } == .shutDown)
    #expect(try queue.get() == 1)
    #expect(try queue.get() == 2)
    #expect(refusal { try queue.get() } == .shutDown)
    #expect(refusal { try queue.getNoWait() } == .shutDown)
    #expect(try queue.tryGet() == nil)
  }

  @Test func `an immediate shutdown drops what is in it and counts it as done`() throws {
    let queue = SharedQueue<Int>()
    for number in 0..<3 { try queue.put(number) }
    _ = try queue.get()
    queue.shutdown(immediate: true)
    #expect(queue.isEmpty)
    #expect(refusal { try queue.get() } == .shutDown)
    #expect(!queue.join(timeout: .zero))
    queue.taskDone()
    #expect(queue.join(timeout: .zero))
  }

  @Test(arguments: [false, true]) func `a shutdown wakes threads and tasks that wait`(immediate: Bool) async throws {
    let empty = SharedQueue<Int>(capacity: 1)
    let full = SharedQueue<Int>(capacity: 1)
    try full.putNoWait(0)
    async let getter = taskRefusal { try await empty.get() }
    async let putter = taskRefusal { try await full.put(1) }
    let errors = await raceBeside(threads: 3) { index -> QueueError? in
      switch index {
      case 0: return refusal { try empty.get() }
      case 1: return refusal { try full.put(1) }
      default:
        eventually { empty.someoneWaitsForElements && full.someoneWaitsForRoom }
        empty.shutdown(immediate: immediate)
        full.shutdown(immediate: immediate)
        return .shutDown
      }
    }
    #expect(errors.allSatisfy { $0 == .shutDown })
    #expect(await getter == .shutDown)
    #expect(await putter == .shutDown)
  }

  // MARK: Tasks

  @Test func `tasks wait without a thread, with time-outs`() async throws {
    let queue = SharedQueue<Int>(capacity: 1)
    #expect(await taskRefusal { try await queue.get(timeout: short) } == .empty)
    #expect(await taskRefusal { try await queue.get(timeout: .zero) } == .empty)
    // Many more than there are cooperative threads.
    let getters = (0..<50).map { _ in Task { try await queue.get() } }
    await eventually { queue.someoneWaitsForElements }
    for number in 0..<50 { try await queue.put(number) }
    var sum = 0
    for getter in getters { sum += try await getter.value }
    #expect(sum == 49 * 50 / 2)
    try await queue.put(1)
    #expect(await taskRefusal { try await queue.put(2, timeout: short) } == .full)
  }

  @Test func `cancelling ends a get and a put, and takes and puts nothing`() async throws {
    let queue = SharedQueue<Int>(capacity: 1)
    let getter = Task { try await queue.get() }
    await eventually { queue.someoneWaitsForElements }
    getter.cancel()
    await #expect(throws: CancellationError.self) { try await getter.value }
    try queue.putNoWait(1)
    let putter = Task { try await queue.put(2) }
    await eventually { queue.someoneWaitsForRoom }
    putter.cancel()
    await #expect(throws: CancellationError.self) { try await putter.value }
    #expect(try queue.getNoWait() == 1)
    #expect(queue.isEmpty)
    let joiner = Task { try await queue.join() }
    await eventually { queue.someoneWaitsForTasks }
    joiner.cancel()
    await #expect(throws: CancellationError.self) { try await joiner.value }
  }

  @Test func `a thread and a task talk through two queues`() async throws {
    let there = SharedQueue<Int>(capacity: 1)
    let back = SharedQueue<Int>(capacity: 1)
    let echo = Task {
      for _ in 0..<200 { try await back.put(try await there.get() + 1) }
    }
    _ = await raceBeside(threads: 1) { _ in
      for number in 0..<200 {
        try! there.put(number)
        #expect(try! back.get() == number + 1)
      }
    }
    try await echo.value
  }

  @Test(arguments: [1, 3, 0]) func `threads and tasks lose nothing and keep each producer's order`(
    capacity: Int
  ) async throws {
    let queue = SharedQueue<Int>(capacity: capacity)
    let ledger = ElementLedger(producers: 4, each: 500)
    async let threads: [Void] = raceBeside(threads: 4) { index in
      if index < 2 {
        for number in 0..<500 { try! queue.put(ledger.element(index, number)) }
      } else {
        var reader = ledger.reader()
        for element in queue { reader.took(element) }
      }
    }
    let consumers = (0..<2).map { _ in
      Task {
        var reader = ledger.reader()
        while true {
          let task = Task { try await queue.get(timeout: .milliseconds(1)) }
          if Int.random(in: 0..<4) == 0 { task.cancel() }
          switch await task.result {
          case .success(let element): reader.took(element)
          case .failure(QueueError.shutDown): return
          case .failure: break
          }
        }
      }
    }
    let producers = (2..<4).map { index in
      Task { for number in 0..<500 { try await queue.put(ledger.element(index, number)) } }
    }
    for producer in producers { try await producer.value }
    await eventually { queue.putCount == 2000 }
    queue.shutdown()
    _ = await threads
    for consumer in consumers { await consumer.value }
    #expect(ledger.complaints == [])
  }
}
