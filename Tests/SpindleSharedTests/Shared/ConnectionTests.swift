import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// What the tests run in children.

private func echo(_ line: Connection<[UInt8]>) throws {
  while true {
    do { try line.send(try line.receive()) } catch ConnectionError.endOfStream { return }
  }
}
private func echoInTask(_ line: Connection<[UInt8]>) async throws {
  while true {
    do { try await line.send(try await line.receive()) } catch ConnectionError.endOfStream { return }
  }
}
private func sendMany(_ line: Connection<Sealed>, _ producer: Int, _ count: Int) throws {
  for number in 0..<count { try line.send(Sealed(producer, number, byteCount: number * 977 % 150_000)) }
}
private func sendForEver(_ line: Connection<Sealed>, _ producer: Int) throws {
  var number = 0
  while true {
    try line.send(Sealed(producer, number, byteCount: number * 977 % 150_000))
    number += 1
  }
}
private func sleepForEver(_ line: Connection<Int>) { while true { pause() } }
// Not private: its name travels.
struct Parts: Codable, Sendable {
  var lock: SharedLock
  var total: SharedValue<Int>
  var memory: SharedMemory
  var line: Connection<String>
  var queue: SharedQueue<Int>
}
private func useParts(_ line: Connection<Parts>) throws {
  let parts = try line.receive()
  parts.lock.withLock { parts.total.value += Int(parts.memory[5]) }
  try parts.queue.put(7)
  try parts.line.send("done")
}
private func takeLocks(_ line: Connection<[SharedLock]>) throws -> Int {
  let locks = try line.receive()
  return locks.filter { $0.tryAcquire() }.count
}
private func countDown(_ line: Connection<Int>) throws {
  while case let number = try line.receive(), number > 0 { try line.send(number - 1) }
}

/// Uses connections in every way; returns the descriptors that are left.
private func useConnections() async throws -> [String] {
  do {
    let (here, there) = Connection<Int>.pair()
    let first = ChildProcess(target: countDown, there)
    first.start()
    try await here.send(0)
    try await first.join()
    _ = try await here.poll(timeout: .milliseconds(1))
    let mapping = SharedMemory(byteCount: 1)
    _ = mapping[0]
  }
  let before = openDescriptors()
  for round in 0..<3 {
    let (here, there) = Connection<[SharedLock]>.pair()
    // Received, not received, and received where nobody keeps them.
    try await here.send((0..<300).map { _ in SharedLock() })
    if round > 0 { _ = try await there.receive() }
    if round > 1 { try await there.send([SharedLock()]) }
    let (a, b) = Connection<[UInt8]>.pair()
    let task = Task { try await b.receive() }
    try await a.send([UInt8](repeating: 1, count: 5_000_000))
    guard try await task.value.count == 5_000_000 else { return ["another message"] }
  }
  return await descriptorsLeft(since: before)
}

@Suite(.watchdog(seconds: 120)) struct ConnectionTests {
  @Test func `messages go both ways, in order`() throws {
    let (a, b) = Connection<String>.pair()
    for number in 0..<50 { try a.send("a \(number)") }
    for number in 0..<50 { try b.send("b \(number)") }
    for number in 0..<50 { #expect(try a.receive() == "b \(number)") }
    for number in 0..<50 { #expect(try b.receive() == "a \(number)") }
  }

  @Test func `messages of any size arrive whole`() throws {
    let (here, there) = Connection<[UInt8]>.pair()
    let child = ChildProcess(target: echo, there)
    child.start()
    there.close()
    for size in [0, 1, 1000, 65_000, 65_526, 65_536, 65_600, 200_000, 204_780, 204_790, 204_800, 204_810, 30_000_000] {
      let bytes =
        (0..<min(size, 1021)).map { UInt8(truncatingIfNeeded: $0) } + [UInt8](repeating: 3, count: max(0, size - 1021))
      try here.send(bytes)
      let same = try here.receive() == bytes
      #expect(same)
    }
    here.close()
    try child.join()
  }

  @Test func `tasks send and receive without a thread`() async throws {
    let (here, there) = Connection<[UInt8]>.pair()
    let child = ChildProcess(target: echoInTask, there)
    child.start()
    there.close()
    // Many more than there are cooperative threads, waiting for messages and for room.
    let senders = (0..<20).map { _ in
      Task { for _ in 0..<20 { try await here.send([UInt8](repeating: 1, count: 10_000)) } }
    }
    let receivers = (0..<20).map { _ in
      Task { () async throws -> Int in
        var sum = 0
        for _ in 0..<20 { sum += try await here.receive().count }
        return sum
      }
    }
    for task in senders { try await task.value }
    for task in receivers { #expect(try await task.value == 200_000) }
    #expect(try await here.receive(timeout: short) == nil)
    #expect(try await here.poll(timeout: short) == false)
    here.close()
    try await child.join()
  }

  @Test func `a line that nobody reads fills up, and goes on when somebody does`() throws {
    let (a, b) = Connection<[UInt8]>.pair()
    let bytes = [UInt8](repeating: 9, count: 60_000)
    let thread = OSThread.spawn { for _ in 0..<100 { try! a.send(bytes) } }
    for _ in 0..<100 { #expect(try b.receive() == bytes) }
    thread.join()
  }

  @Test func `several threads and processes send at once, and no message is cut`() throws {
    let (here, there) = Connection<Sealed>.pair()
    let children = (0..<2).map { ChildProcess(target: sendMany, there, $0, 100) }
    for child in children { child.start() }
    let threads = (2..<4).map { number in OSThread.spawn { try! sendMany(there, number, 100) } }
    var last: [Int: Int] = [:]
    for _ in 0..<400 {
      let sealed = try here.receive()
      #expect(sealed.isWhole && sealed.number == last[sealed.producer, default: -1] + 1)
      last[sealed.producer] = sealed.number
    }
    for child in children { try child.join() }
    for thread in threads { thread.join() }
    #expect(!here.poll())
  }

  // MARK: Waiting

  @Test func `poll says whether receive would return at once`() throws {
    let (a, b) = Connection<Int>.pair()
    #expect(!a.poll() && !a.poll(timeout: .zero) && !a.poll(timeout: short))
    #expect(try a.tryReceive() == nil)
    #expect(try a.receive(timeout: short) == nil)
    try b.send(1)
    #expect(a.poll() && a.poll(timeout: long))
    #expect(try a.receive(timeout: long) == 1)
    b.close()
    // Not at once: a child that another test is starting has a copy of every descriptor until its program begins.
    #expect(a.poll(timeout: long))
  }

  @Test func `wait returns the connections that are ready, and processes that have ended`() throws {
    let pairs = (0..<20).map { _ in Connection<Int>.pair() }
    // The other ends close when they go.
    defer { withExtendedLifetime(pairs) {} }
    let ends = pairs.map(\.0)
    #expect(wait(for: ends, timeout: .zero).isEmpty && Connection.wait(for: ends, timeout: short).isEmpty)
    try pairs[3].1.send(3)
    pairs[7].1.close()
    var ready = Connection.wait(for: ends)
    #expect(ready.first === ends[3])
    // The end of a line may come a moment later: see above.
    while ready.count < 2 { ready = Connection.wait(for: ends) }
    #expect(ready.count == 2 && ready[0] === ends[3] && ready[1] === ends[7])
    let child = ChildProcess(target: sleepForEver, pairs[0].1)
    child.start()
    let mixed: [any Pollable] = [child, ends[1]]
    #expect(wait(for: mixed, timeout: short).isEmpty)
    child.kill()
    #expect(wait(for: mixed).first is ChildProcess<Void>)
    #expect(throws: WorkerDiedError.self) { try child.join() }
  }

  @Test func `a task waits for the connections that are ready, and processes that have ended`() async throws {
    let pairs = (0..<3).map { _ in Connection<Int>.pair() }
    defer { withExtendedLifetime(pairs) {} }
    let ends = pairs.map(\.0)
    #expect(try await wait(for: ends, timeout: short).isEmpty)
    #expect(try await Connection.wait(for: ends, timeout: .zero).isEmpty)
    let first = Task { try await Connection.wait(for: ends).count }
    try await pairs[2].1.send(3)
    #expect(try await first.value == 1)
    let child = ChildProcess(target: sleepForEver, pairs[0].1)
    child.start()
    let line = ends[1]
    let ended = Task { try await wait(for: [child, line] as [any Pollable]).first is ChildProcess<Void> }
    child.kill()
    #expect(try await ended.value)
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test func `a cancelled task stops waiting and takes nothing`() async throws {
    let (a, b) = Connection<Int>.pair()
    let task = Task { try await a.receive() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    try await b.send(5)
    #expect(try await a.receive() == 5)
  }

  // MARK: The end

  @Test func `when the other end is gone, what was sent is received, then the end is told`() throws {
    let (a, b) = Connection<Int>.pair()
    try b.send(1)
    try b.send(2)
    b.close()
    b.close()
    #expect(b.isClosed && b.sentinel == -1)
    #expect(try a.receive() == 1)
    #expect(try a.receive(timeout: .zero) == 2)
    for _ in 0..<2 {
      #expect(throws: ConnectionError.endOfStream) { try a.receive() }
      #expect(throws: ConnectionError.endOfStream) { try a.tryReceive() }
      #expect(throws: ConnectionError.endOfStream) { try a.send(3) }
    }
    #expect(throws: ConnectionError.closed) { try b.receive() }
    #expect(throws: ConnectionError.closed) { try b.send(3) }
  }

  @Test func `the death of the only process with the other end is its end`() async throws {
    let (here, there) = Connection<Int>.pair()
    let child = ChildProcess(target: sleepForEver, there)
    child.start()
    there.close()
    let task = Task { try await here.receive() }
    let thread = OSThread.spawn { () -> ConnectionError? in
      do { _ = try here.receive(); return nil } catch { return error as? ConnectionError }
    }
    child.kill()
    await #expect(throws: ConnectionError.endOfStream) { try await task.value }
    #expect(try! await thread.join() == .endOfStream)
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test func `close ends the waits of threads and tasks of this process`() async throws {
    let (a, b) = Connection<Int>.pair()
    let task = Task { try await a.receive() }
    let thread = OSThread.spawn { () -> ConnectionError? in
      do { _ = try a.receive(); return nil } catch { return error as? ConnectionError }
    }
    for _ in 0..<100 { await Task.yield() }
    a.close()
    await #expect(throws: ConnectionError.closed) { try await task.value }
    #expect(try! await thread.join() == .closed)
    #expect(throws: ConnectionError.endOfStream) { try b.receive() }
  }

  @Test func `senders that are killed send all of a message or nothing`() throws {
    let (here, there) = Connection<Sealed>.pair()
    var random = SplitMix64(seed: 5)
    var received = 0
    for round in 0..<6 {
      let victim = ChildProcess(target: sendForEver, there, round)
      victim.start()
      for _ in 0..<Int.random(in: 5..<60, using: &random) {
        #expect(try here.receive().isWhole)
        received += 1
      }
      victim.kill()
      #expect(throws: WorkerDiedError.self) { try victim.join() }
      while let sealed = try here.tryReceive() { #expect(sealed.isWhole) }
    }
    try there.send(Sealed(9, 9, byteCount: 9))
    #expect(try here.receive().producer == 9)
  }

  // MARK: Shared objects in messages

  @Test func `shared objects, queues and connections travel in messages`() throws {
    let (here, there) = Connection<Parts>.pair()
    let child = ChildProcess(target: useParts, there)
    child.start()
    let (end, other) = Connection<String>.pair()
    let parts = Parts(
      lock: SharedLock(), total: SharedValue(1), memory: SharedMemory(byteCount: 10), line: other, queue: SharedQueue())
    parts.memory[5] = 41
    try here.send(parts)
    #expect(try end.receive() == "done")
    #expect(parts.total.value == 42)
    #expect(try parts.queue.get() == 7)
    try child.join()
  }

  @Test func `a message may carry more descriptors than the system sends at once`() throws {
    let (here, there) = Connection<[SharedLock]>.pair()
    let child = ChildProcess(target: takeLocks, there)
    child.start()
    let locks = (0..<600).map { _ in SharedLock() }
    try here.send(locks)
    #expect(try child.join() == 600)
    let areHeld = locks.allSatisfy { $0.isLocked }
    #expect(areHeld)
  }

  @Test func `nothing is left of messages, received or not`() throws {
    let child = ChildProcess(target: useConnections)
    child.start()
    #expect(try child.join() == [])
  }

  @Test func `connections are encoded for other processes only, and only connections are decoded`() throws {
    #expect(throws: EncodingError.self) { try Wire.encode(Connection<Int>.pair().0) }
    let list = AttachmentList()
    let bytes = try Wire.encode(SharedLock(), attachments: list)
    #expect(throws: ConnectionError.self) {
      try Wire.decode(
        Connection<Int>.self, from: bytes, attachments: AttachmentList(received: list.descriptors.map { dup($0) }))
    }
  }

  @Test func `what is no message is an error`() throws {
    let (here, there) = Connection<[SharedLock]>.pair()
    for bytes: [UInt8] in [
      [1], [0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0], [0xFF],
      [3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
    ] {
      _ = unsafe bytes.withUnsafeBytes { unsafe write(there.sentinel, $0.baseAddress, $0.count) }
      #expect(throws: DecodingError.self) { try here.receive() }
    }
    try there.send([])
    #expect(try here.receive().isEmpty)
  }
}
