import Glibc
import SpindleTestSupport
import SpindleProcesses
import Testing

import Spindle

// What the tests run in children.

private func produce(_ queue: SharedQueue<Int>, _ first: Int, _ count: Int) throws {
  for number in first..<first + count { try queue.put(number) }
}
private func large(_ number: Int) -> [UInt8] {
  [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number % 3 == 2 ? 10 : 9 << 20)
}
private func produceLarge(_ queue: SharedQueue<[UInt8]>, _ count: Int) throws {
  for number in 0..<count { try queue.put(large(number)) }
}
private func sum(_ queue: SharedQueue<Int>) -> Int { queue.reduce(0, +) }
private func double(_ jobs: SharedQueue<Int>, _ results: SharedQueue<Int>) throws {
  for job in jobs {
    try results.put(2 * job)
    jobs.taskDone()
  }
}
private func doubleInTask(_ jobs: SharedQueue<Int>, _ results: SharedQueue<Int>) async throws {
  for await job in jobs {
    try await results.put(2 * job)
    jobs.taskDone()
  }
}
private func refusalOfGet(_ queue: SharedQueue<Int>) -> Bool { refusal { try queue.get() } == .shutDown }
private func produceSealed(_ queue: SharedQueue<Sealed>, _ producer: Int, _ count: Int) throws {
  for number in 0..<count { try queue.put(Sealed(producer, number, byteCount: number * 37 % 3000)) }
}
private func produceSealedForEver(_ queue: SharedQueue<Sealed>, _ producer: Int) throws {
  var number = 0
  while true {
    try queue.put(Sealed(producer, number, byteCount: number * 37 % 3000))
    number += 1
  }
}
private func consumeSealedForEver(_ queue: SharedQueue<Sealed>) throws {
  while true { _ = try queue.get() }
}
private func consumeSealed(_ queue: SharedQueue<Sealed>) throws -> [Int] {
  var last: [Int: Int] = [:]
  var counts = [0, 0, 0]
  for sealed in queue {
    counts[0] += 1
    if !sealed.isWhole { counts[1] += 1 }
    if let before = last[sealed.producer], before >= sealed.number { counts[2] += 1 }
    last[sealed.producer] = sealed.number
  }
  return counts
}
private func dieInsideAPut(_ queue: SharedQueue<Int>) throws {
  try queue.interruptedPut { kill(getpid(), SIGKILL) }
}
struct Orders: Codable, Sendable {
  let name: String
  let queues: [SharedQueue<Int>]
}
private func fill(_ order: Orders) throws {
  for (index, queue) in order.queues.enumerated() { try queue.put(index) }
}
private func handOn(_ queue: SharedQueue<Int>) throws {
  let child = ChildProcess(target: produce, queue, 5, 1)
  child.start()
  try child.join()
}
private func echoQueue(_ queue: SharedQueue<Int>) throws -> SharedQueue<Int> {
  try queue.put(1)
  return queue
}
private func echoBig(_ there: SharedQueue<[UInt8]>, _ back: SharedQueue<[UInt8]>) throws {
  for bytes in there { try back.put(bytes) }
}

/// Uses and sends queues; returns what is left of them.
private func useQueues() async throws -> [String] {
  // The first child leaves behind what starting children needs: not ours to count.
  do {
    let first = ChildProcess(target: produce, SharedQueue<Int>(), 1, 1)
    first.start()
    try await first.join()
  }
  let descriptors = openDescriptors()
  for _ in 0..<3 {
    let queue = SharedQueue<[UInt8]>(capacity: 2), other = SharedQueue<[UInt8]>(capacity: 2)
    let child = ChildProcess(target: echoBig, queue, other)
    child.start()
    try await queue.put([UInt8](repeating: 1, count: 10_000_000))
    guard try await other.get().count == 10_000_000 else { return ["an element of another size"] }
    guard await taskRefusal({ try await other.get(timeout: short) }) == .empty else { return ["an element too many"] }
    queue.shutdown()
    try await child.join()
  }
  let left = await descriptorsLeft(since: descriptors) { queueMappings() == 0 }
  return left + (queueMappings() > 0 ? ["\(queueMappings()) mappings"] : [])
}

/// One queue and several processes.
@Suite(.oneAtATime, .watchdog(seconds: 180)) struct SharedQueueProcessTests {
  @Test func `elements go from the program to a child`() throws {
    let queue = SharedQueue<Int>(capacity: 5)
    let child = ChildProcess(target: sum, queue)
    child.start()
    for number in 1...1000 { try queue.put(number) }
    queue.shutdown()
    #expect(try child.join() == 500_500)
  }

  @Test func `elements go from a child to the program, in order`() throws {
    let queue = SharedQueue<Int>(capacity: 5)
    let child = ChildProcess(target: produce, queue, 0, 1000)
    child.start()
    for number in 0..<1000 { #expect(try queue.get(timeout: long) == number) }
    try child.join()
    #expect(queue.isEmpty)
  }

  @Test func `a task waits for a child and a child's task for us`() async throws {
    let jobs = SharedQueue<Int>(capacity: 2), results = SharedQueue<Int>(capacity: 2)
    let child = ChildProcess(target: doubleInTask, jobs, results)
    child.start()
    let writer = Task {
      for number in 0..<200 { try await jobs.put(number) }
      try await jobs.join()
      jobs.shutdown()
    }
    for number in 0..<200 { #expect(try await results.get(timeout: long) == 2 * number) }
    try await writer.value
    try await child.join()
  }

  @Test func `join returns when the children have done all tasks`() throws {
    let jobs = SharedQueue<Int>(), results = SharedQueue<Int>()
    let children = (0..<3).map { _ in ChildProcess(target: double, jobs, results) }
    for child in children { child.start() }
    for round in 1...5 {
      for number in 0..<100 { try jobs.put(number) }
      jobs.join()
      #expect(results.count == 100 * round)
    }
    jobs.shutdown()
    for child in children { try child.join() }
  }

  @Test(arguments: [false, true]) func `a shutdown ends waits in children`(immediate: Bool) throws {
    let queue = SharedQueue<Int>()
    let children = (0..<2).map { _ in ChildProcess(target: refusalOfGet, queue) }
    for child in children { child.start() }
    eventually { queue.someoneWaitsForElements }
    queue.shutdown(immediate: immediate)
    for child in children { #expect(try child.join()) }
  }

  @Test func `the capacity holds between processes`() throws {
    let queue = SharedQueue<Int>(capacity: 3)
    let child = ChildProcess(target: produce, queue, 0, 100)
    child.start()
    eventually { queue.someoneWaitsForRoom }
    #expect(queue.count == 3)
    #expect(queue.isFull)
    for number in 0..<100 {
      #expect(queue.count <= 3)
      #expect(try queue.get(timeout: long) == number)
    }
    try child.join()
  }

  @Test(arguments: [0, 2, 50]) func `four processes lose nothing and keep each producer's order`(capacity: Int) throws {
    let queue = SharedQueue<Sealed>(capacity: capacity)
    let each = amount(1500, orWhereSlow: 600)
    let producers = (0..<2).map { ChildProcess(target: produceSealed, queue, $0, each) }
    let consumers = (0..<2).map { _ in ChildProcess(target: consumeSealed, queue) }
    for child in producers { child.start() }
    for child in consumers { child.start() }
    for child in producers { try child.join() }
    queue.shutdown()
    let results = try consumers.map { try $0.join() }
    #expect(results.map { $0[0] }.reduce(0, +) == 2 * each)
    #expect(results.map { $0[1] } == [0, 0])
    #expect(results.map { $0[2] } == [0, 0])
  }

  @Test func `large elements go there and back`() throws {
    let there = SharedQueue<[UInt8]>(capacity: 2), back = SharedQueue<[UInt8]>(capacity: 2)
    let child = ChildProcess(target: echoBig, there, back)
    child.start()
    for size in [0, 12_345_678, 1, 100_000] {
      let pattern = (0..<1021).map { UInt8(truncatingIfNeeded: $0) }
      var bytes: [UInt8] = []
      while bytes.count + pattern.count <= size { bytes += pattern }
      try there.put(bytes)
      let same = try back.get(timeout: long) == bytes
      #expect(same)
    }
    there.shutdown()
    try child.join()
  }

  @Test func `elements that are put while a queue gets smaller are whole`() throws {
    let queue = SharedQueue<[UInt8]>(), count = amount(60, orWhereSlow: 30)
    let child = ChildProcess(target: produceLarge, queue, count)
    child.start()
    let wrong = try (0..<count).filter { try queue.get(timeout: long) != large($0) }
    #expect(wrong == [])
    try child.join()
  }

  @Test func `queues travel inside other values, to grandchildren, and back in results`() throws {
    let queues = (0..<3).map { _ in SharedQueue<Int>() }
    let child = ChildProcess(target: fill, Orders(name: "three", queues: queues))
    child.start()
    try child.join()
    #expect(try queues.map { try $0.getNoWait() } == [0, 1, 2])

    let parent = ChildProcess(target: handOn, queues[0])
    parent.start()
    try parent.join()
    #expect(try queues[0].getNoWait() == 5)

    let echo = ChildProcess(target: echoQueue, queues[1])
    echo.start()
    let same = try echo.join()
    try same.put(2)
    #expect(try queues[1].get() == 1)
    #expect(try queues[1].get() == 2)
  }

  // MARK: Deaths

  @Test func `a process that dies inside a put harms nobody`() throws {
    let queue = SharedQueue<Int>(capacity: 10)
    try queue.put(1)
    for death in 1...3 {
      let child = ChildProcess(target: dieInsideAPut, queue)
      child.start()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      try queue.put(death + 1)
      #expect(queue.deaths == death)
    }
    #expect(queue.count == 4)
    for number in 1...4 { #expect(try queue.get() == number) }
  }

  @Test func `processes killed in a storm leave a queue that goes on, with whole elements`() throws {
    let queue = SharedQueue<Sealed>(capacity: 20)
    let steady = (0..<2).map { ChildProcess(target: produceSealed, queue, $0, amount(1500, orWhereSlow: 800)) }
    let consumer = ChildProcess(target: consumeSealed, queue)
    for child in steady { child.start() }
    consumer.start()
    var random = SplitMix64(seed: 11)
    for round in 0..<amount(15, orWhereSlow: 10) {
      let victims = [
        ChildProcess(target: produceSealedForEver, queue, 10 + round),
        ChildProcess(target: produceSealedForEver, queue, 100 + round),
      ]
      for victim in victims { victim.start() }
      // Until they are at it, and then some.
      let goal = queue.putCount + Int.random(in: 50..<500, using: &random)
      eventually { queue.putCount >= goal }
      for victim in victims { victim.kill() }
      for victim in victims { #expect(throws: WorkerDiedError.self) { try victim.join() } }
    }
    for child in steady { try child.join() }
    queue.shutdown()
    let result = try consumer.join()
    #expect(result[0] == queue.putCount)
    #expect(result[1] == 0)
    #expect(result[2] == 0)
  }

  @Test func `a killed reader takes at most one element with it`() throws {
    let queue = SharedQueue<Sealed>(capacity: 20)
    for round in 0..<5 {
      let victim = ChildProcess(target: consumeSealedForEver, queue)
      victim.start()
      for number in 0..<200 * (round + 1) { try queue.put(Sealed(round, number, byteCount: 100), timeout: long) }
      victim.kill()
      #expect(throws: WorkerDiedError.self) { try victim.join() }
      // What is still there is whole and in order.
      var last = -1
      while let sealed = try queue.tryGet() {
        #expect(sealed.isWhole && sealed.number > last)
        last = sealed.number
      }
    }
    try queue.put(Sealed(9, 9, byteCount: 9))
    #expect(try queue.get().isWhole)
  }

  // MARK: Order

  @Test func `nothing is left of queues that were used and sent`() throws {
    // In a child, where nobody else makes queues meanwhile.
    let child = ChildProcess(target: useQueues)
    child.start()
    let left = try child.join()
    #expect(left == [])
  }

  @Test func `a queue cannot be encoded but for another process`() {
    let queue = SharedQueue<Int>()
    #expect(throws: EncodingError.self) { try Wire.encode(queue) }
  }

  @Test func `what is no queue is an error`() async {
    // In a process of its own: what other tests open meanwhile does not count.
    await #expect(processExitsWith: .success) { try decodeWhatIsNoQueue() }
  }

  @Test func `damaged memory is an error, not a crash`() throws {
    for word in 0..<14 {
      for value in [UInt64.max, 1 << 63, 1 << 62, 1 << 39, 12345, 3] {
        let queue = SharedQueue<[UInt8]>(capacity: 10)
        for _ in 0..<3 { try queue.put([1, 2, 3]) }
        _ = try queue.get()
        try queue.damage(word: word, with: value)
        // Some damage cannot be told from a state; then elements are refused or come out wrong, and no more.
        for _ in 0..<5 {
          _ = try? queue.putNoWait([4])
          _ = try? queue.getNoWait()
          _ = queue.count
          _ = queue.isFull
        }
        queue.shutdown(immediate: true)
      }
    }
  }
}

private func decodeWhatIsNoQueue() throws {
  let list = AttachmentList()
  let bytes = try Wire.encode(SharedQueue<Int>(), attachments: list)
  // The descriptor did not come.
  #expect(throws: DecodingError.self) {
    try Wire.decode(SharedQueue<Int>.self, from: bytes, attachments: AttachmentList())
  }
  let descriptors = openDescriptors()
  // Another descriptor came: a device, a file.
  for other in unsafe [open("/dev/null", O_RDWR), open("/proc/self/exe", O_RDONLY)] {
    #expect(throws: SharedMemoryError.self) {
      try Wire.decode(SharedQueue<Int>.self, from: bytes, attachments: AttachmentList(received: [other]))
    }
  }
  #expect(openDescriptors() == descriptors)
}
