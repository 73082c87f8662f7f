import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// Not private: its name travels.
struct Order: Codable, Sendable {
  var name: String
  var answer: SharedQueue<Int>
  var lock: SharedLock
}

// What the tests run in children.

private func answer(_ orders: SharedQueue<Order>) throws {
  for order in orders { try order.lock.withLock { try order.answer.put(order.name.count) } }
}
private func answerInTask(_ orders: SharedQueue<Order>) async throws {
  for await order in orders { try await order.answer.put(order.name.count) }
}
private func putOrders(_ orders: SharedQueue<Order>, _ answer: SharedQueue<Int>, _ count: Int) throws {
  for number in 0..<count { try orders.put(Order(name: "\(number)", answer: answer, lock: SharedLock())) }
}
private func takeAndDie(_ queue: SharedQueue<Int>, _ count: Int) throws {
  for _ in 0..<count { _ = try queue.get() }
  kill(getpid(), SIGKILL)
}
private func doSomeAndDie(_ queue: SharedQueue<Int>, _ count: Int) throws {
  for _ in 0..<count {
    _ = try queue.get()
    queue.taskDone()
  }
  _ = try queue.get()
  kill(getpid(), SIGKILL)
}
private func takeOne(_ queue: SharedQueue<Int>, _ results: SharedQueue<Int>) throws { try results.put(queue.get()) }
private func useForEver(_ orders: SharedQueue<Order>, _ point: UInt8, _ after: Int) throws {
  FaultPoint(rawValue: point)?.arm(after: after)
  let answer = SharedQueue<Int>()
  while true {
    try orders.put(Order(name: "mine", answer: answer, lock: SharedLock()))
    _ = try orders.get()
    orders.taskDone()
  }
}

private func growAndShrinkForEver(_ queue: SharedQueue<[UInt8]>, _ point: UInt8, _ after: Int) throws {
  FaultPoint(rawValue: point)?.arm(after: after)
  while true {
    try queue.put([UInt8](repeating: 7, count: 9 << 20))
    _ = try queue.get()
    queue.taskDone()
  }
}

private func closeAtOnce(_ queue: SharedQueue<[UInt8]>, _ point: UInt8) throws {
  FaultPoint(rawValue: point)?.arm()
  queue.shutdown(immediate: true)
}

/// Puts elements with descriptors that are taken, dropped, and left; returns the descriptors that are left after it.
private func useOrders() async throws -> [String] {
  do {
    let first = ChildProcess(target: answer, SharedQueue<Order>())
    first.start()
    first.kill()
    _ = try? await first.join()
  }
  let before = openDescriptors()
  for round in 0..<3 {
    let orders = SharedQueue<Order>(), results = SharedQueue<Int>()
    let child = ChildProcess(target: putOrders, orders, results, 50)
    child.start()
    try await child.join()
    for _ in 0..<round * 20 { _ = try await orders.get() }
    if round == 1 { orders.shutdown(immediate: true) }
  }
  return await descriptorsLeft(since: before) { queueMappings() == 0 }
}

/// Elements with shared objects in them, and elements that were in the hands of the dead.
@Suite(.watchdog(seconds: 180)) struct SharedQueueElementTests {
  @Test func `queues and locks travel in elements to processes already running`() throws {
    let orders = SharedQueue<Order>(capacity: 3)
    let children = [ChildProcess(target: answer, orders), ChildProcess(target: answer, orders)]
    for child in children { child.start() }
    let answers = SharedQueue<Int>()
    for number in 0..<100 {
      try orders.put(Order(name: String(repeating: "x", count: number), answer: answers, lock: SharedLock()))
    }
    var sum = 0
    for _ in 0..<100 { sum += try answers.get(timeout: long) }
    #expect(sum == 4950)
    orders.shutdown()
    for child in children { try child.join() }
  }

  @Test func `tasks put and get elements with shared objects`() async throws {
    let orders = SharedQueue<Order>(), answers = SharedQueue<Int>()
    let child = ChildProcess(target: answerInTask, orders)
    child.start()
    for _ in 0..<50 { try await orders.put(Order(name: "four", answer: answers, lock: SharedLock())) }
    for _ in 0..<50 { #expect(try await answers.get() == 4) }
    orders.shutdown()
    try await child.join()
  }

  @Test func `large elements, elements with many descriptors and elements without any mix`() throws {
    let queue = SharedQueue<[SharedArray<UInt8>?]>()
    let pages = (0..<300).map { SharedArray(repeating: UInt8(truncatingIfNeeded: $0), count: 10) }
    let elements: [[SharedArray<UInt8>?]] = [
      [], [pages[1]], pages, [nil, nil], [SharedArray<UInt8>?](repeating: nil, count: 200_000) + [pages[3]],
    ]
    for element in elements { try queue.put(element) }
    for element in elements {
      let same = try queue.get()
      #expect(same.count == element.count)
      let isEqual = zip(same, element).allSatisfy { $0?.first == $1?.first }
      #expect(isEqual)
    }
  }

  @Test func `a queue without bound waits when the system keeps no more descriptors, and goes on`() throws {
    let orders = SharedQueue<Order>(), answers = SharedQueue<Int>()
    let thread = OSThread.spawn { try! putOrders(orders, answers, 2000) }
    for number in 0..<2000 { #expect(try orders.get(timeout: long).name == "\(number)") }
    thread.join()
    #expect(orders.isEmpty)
  }

  @Test func `a queue travels through itself`() throws {
    let queue = SharedQueue<[SharedMemory]>()
    let outer = SharedQueue<SharedQueue<[SharedMemory]>>()
    try outer.put(queue)
    try outer.get().put([SharedMemory(byteCount: 7)])
    #expect(try queue.get().first?.byteCount == 7)
  }

  @Test func `nothing is left of elements with descriptors, taken, dropped or left in the queue`() throws {
    let child = ChildProcess(target: useOrders)
    child.start()
    #expect(try child.join() == [])
  }

  // MARK: Deaths

  @Test func `join does not wait for what a dead process had taken, and it is counted`() throws {
    let queue = SharedQueue<Int>()
    for number in 0..<5 { try queue.put(number) }
    let child = ChildProcess(target: takeAndDie, queue, 3)
    child.start()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(!queue.join(timeout: .zero))
    for _ in 0..<2 {
      _ = try queue.get()
      queue.taskDone()
    }
    queue.join()
    #expect(queue.lostCount == 3)
  }

  @Test func `join that waits already notices a death`() async throws {
    let queue = SharedQueue<Int>()
    for number in 0..<5 { try await queue.put(number) }
    let task = Task { try await queue.join() }
    let thread = OSThread.spawn { queue.join() }
    let child = ChildProcess(target: doSomeAndDie, queue, 4)
    child.start()
    try await task.value
    try! await thread.join()
    #expect(queue.lostCount == 1)
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test func `whoever says done for another's elements is believed`() throws {
    let queue = SharedQueue<Int>(), results = SharedQueue<Int>()
    for number in 0..<2 { try queue.put(number) }
    for _ in 0..<2 {
      let child = ChildProcess(target: takeOne, queue, results)
      child.start()
      try child.join()
      // What the child took is done only now, and here.
      _ = try results.get()
      queue.taskDone()
    }
    queue.join()
    #expect(queue.lostCount == 0)
    // Also when the loss was counted before.
    try queue.put(3)
    let other = SharedQueue<Int>()
    try other.put(1)
    let child = ChildProcess(target: takeAndDie, other, 1)
    child.start()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(other.lostCount == 1)
    other.taskDone()
    #expect(other.lostCount == 0 && other.join(timeout: .zero))
  }

  #if DEBUG
    @Test(arguments: [
      FaultPoint.ringWritten, .ringStateWritten, .ringCommitted, .ringNoted, .ringPacketSent, .ringPacketReceived,
      .ringTaskNoted, .spotChanged,
    ])
    func `a process killed at any step of a call leaves a queue that goes on`(_ point: FaultPoint) throws {
      for after in [1, 2, 5] {
        let orders = SharedQueue<Order>(), answer = SharedQueue<Int>()
        for _ in 0..<3 { try orders.put(Order(name: "ours", answer: answer, lock: SharedLock())) }
        let child = ChildProcess(target: useForEver, orders, point.rawValue, after)
        child.start()
        let error = #expect(throws: WorkerDiedError.self) { try child.join() }
        #expect(error?.exitStatus == .signalled(SIGKILL))
        try orders.put(Order(name: "last", answer: answer, lock: SharedLock()))
        // At most one of the three is lost, and the last is there.
        var names: [String] = []
        while names.last != "last" {
          names.append(try orders.get(timeout: long).name)
          orders.taskDone()
        }
        #expect(names.count >= 3 && orders.isEmpty)
        orders.join()
        #expect(orders.lostCount <= 1)
      }
    }

    @Test(arguments: [
      FaultPoint.ringWritten, .ringStateWritten, .ringCommitted, .ringNoted, .ringJumped, .ringShrunk,
    ])
    func `a process killed while a queue grows or shrinks leaves a queue that goes on`(_ point: FaultPoint) throws {
      let large = [UInt8](repeating: 7, count: 9 << 20)
      for after in 1...4 {
        let queue = SharedQueue<[UInt8]>()
        let small = queue.ringByteCount
        let child = ChildProcess(target: growAndShrinkForEver, queue, point.rawValue, after)
        child.start()
        #expect(throws: WorkerDiedError.self) { try child.join() }
        try queue.put([1, 2, 3])
        var last: [UInt8] = []
        while last != [1, 2, 3] {
          last = try queue.get(timeout: long)
          queue.taskDone()
          let isWhole = last == [1, 2, 3] || last == large
          #expect(isWhole)
        }
        queue.join()
        #expect(queue.lostCount <= 1)
        try queue.put(large)
        let isSame = try queue.get(timeout: long) == large
        #expect(isSame)
        #expect(queue.ringByteCount == small)
      }
    }

    @Test func `a place into which a queue grew again after an unfinished shrinking is not given back`() throws {
      let queue = SharedQueue<[UInt8]>()
      let child = ChildProcess(target: growAndShrinkForEver, queue, FaultPoint.ringShrunk.rawValue, 1)
      child.start()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      let large = [UInt8](repeating: 8, count: 9 << 20)
      try queue.put(large)
      let isSame = try queue.get(timeout: long) == large
      #expect(isSame)
      #expect(queue.isEmpty)
    }

    @Test(arguments: [FaultPoint.ringClosed, .ringDropped])
    func `a process killed while it empties a queue has emptied it`(_ point: FaultPoint) throws {
      let queue = SharedQueue<[UInt8]>()
      for number in 0..<3 { try queue.put([UInt8(number)]) }
      let child = ChildProcess(target: closeAtOnce, queue, point.rawValue)
      child.start()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      #expect(queue.isShutDown && queue.isEmpty)
      #expect(throws: QueueError.shutDown) { try queue.put([4]) }
      queue.join()
      #expect(throws: QueueError.shutDown) { try queue.get() }
      #expect(queue.isEmpty && queue.lostCount == 0)
    }
  #endif
}

// Private: only the place in the program tells another process which types these are.
private struct HiddenNote: Codable, Sendable, Equatable { var text: String }
private enum HiddenKind: Codable, Sendable { case first, second }
private func sendNotes(_ queue: SharedQueue<HiddenNote>, _ kinds: Connection<[HiddenKind]>) throws -> HiddenNote {
  try kinds.send([.second, .first])
  try queue.put(HiddenNote(text: "one"))
  return HiddenNote(text: "two")
}
private func takeTuple(_ queue: SharedQueue<HiddenPairing<(Int, HiddenNote)>>) -> Int { 1 }
private struct HiddenPairing<Inner: Sendable>: Codable, Sendable {
  init() {}
  init(from decoder: any Decoder) throws {}
  func encode(to encoder: any Encoder) throws {}
}

@Suite(.oneAtATime, .watchdog(seconds: 120)) struct PrivateElementTests {
  @Test(arguments: StartMethod.allCases)
  func `shared objects of private types go to other processes`(_ method: StartMethod) throws {
    let queue = SharedQueue<HiddenNote>(capacity: 2)
    let (mine, theirs) = Connection<[HiddenKind]>.pair()
    let child = ChildProcess(target: sendNotes, queue, theirs, startMethod: method)
    child.start()
    #expect(try child.join() == HiddenNote(text: "two"))
    #expect(try queue.get() == HiddenNote(text: "one"))
    guard case .second = try mine.receive()[0] else {
      Issue.record("another kind")
      return
    }
    let pool = ProcessPool(maxWorkers: 1, startMethod: method)
    let (ours, others) = Connection<[HiddenKind]>.pair()
    #expect(try pool.submit(sendNotes, queue, others).result() == HiddenNote(text: "two"))
    pool.shutdown()
    _ = ours
  }

  @Test func `a type that has no name for other processes is refused before anything is sent`() throws {
    let queue = SharedQueue<HiddenPairing<(Int, HiddenNote)>>(capacity: 2)
    let pool = ProcessPool(maxWorkers: 1)
    // Either it works, or the error says which type and that it has no name.
    do {
      #expect(try pool.submit(takeTuple, queue).result() == 1)
    } catch let error as FunctionNameError {
      #expect(error.description.contains("cannot be named in another process"), "\(error)")
    }
    pool.shutdown()
  }
}
