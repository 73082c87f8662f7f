import Glibc
import Spindle
@testable import SpindleProcesses
import SpindleTestSupport
import Synchronization
import Testing

private enum Errands {
  static func spin(_ path: String) -> Int {
    Meeting.say(path)
    // A call that the optimiser does not know: it drops an endless loop without one.
    while getpid() != 0 {}
    return 0
  }
  static func stopItself(_ path: String) -> Int {
    raise(SIGSTOP)
    return 0
  }
  /// Dies as often as there are marks to take away.
  static func dieWhile(_ path: String) -> Int {
    if unsafe unlink(path + ".1") == 0 || unlink(path + ".2") == 0 { raise(SIGKILL) }
    return 7
  }
  static func holdMemory(_ bytes: Int) -> Int32 {
    kept.withLock { $0 = [UInt8](repeating: 1, count: bytes) }
    return getpid()
  }
  private static let kept = Guarded([UInt8]())
  static func identity(_ number: Int) -> Int { number }
  static func slowFirst(_ number: Int) -> Int {
    if number == 0 { usleep(200_000) }
    return number
  }
}

/// Whether all of a process stands still: a signal to stop takes its time.
private func isStopped(_ process: Int32) -> Bool {
  guard let file = unsafe fopen("/proc/\(process)/stat", "r") else { return true }
  defer { unsafe fclose(file) }
  var line = [CChar](repeating: 0, count: 512)
  guard unsafe fgets(&line, 512, file) != nil else { return true }
  let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  return text[(text.lastIndex(of: ")") ?? text.startIndex)...].dropFirst(2).first == "T"
}

@Suite(.oneAtATime, .watchdog(seconds: 90)) struct PoolOptionsTests {
  // MARK: Killing

  @Test func `a running call can be killed; its worker is replaced, and calls handed ahead are not harmed`() throws {
    let mark = Meeting()
    try withProcessPool(maxWorkers: 1) { pool throws in
      for future in (0..<50).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      let future = pool.submit(Errands.spin, mark.path)
      let others = (0..<50).map { pool.submit(Work.square, $0) }
      Meeting.hear(mark.path)
      #expect(pool.kill(future))
      let error = #expect(throws: WorkerDiedError.self) { try future.result() }
      #expect(error?.exitStatus == .signalled(SIGKILL))
      #expect(error?.call?.contains("String") == true)
      for (number, other) in others.enumerated() { #expect(try other.result() == number * number) }
      #expect(!pool.kill(future))
    }
  }

  @Test func `killing a call that has not begun cancels it, and calls of other pools are left alone`() throws {
    let gate = Meeting()
    try withProcessPool(maxWorkers: 1) { pool throws in
      let first = pool.submit(Meeting.hear, gate.path)
      while !first.isRunning { OSThread.yield() }
      let second = pool.submit(Work.square, 2)
      #expect(pool.kill(second))
      #expect(second.isCancelled)
      withProcessPool(maxWorkers: 1) { other in #expect(!other.kill(first)) }
      Meeting.say(gate.path)
      #expect(try first.result() == 1)
    }
  }

  // MARK: Deadlines

  @Test func `a call in an endless loop is killed at its deadline, and the error names it`() throws {
    let mark = Meeting()
    try withProcessPool(maxWorkers: 1) { pool throws in
      let future = pool.submit(Errands.spin, mark.path, options: CallOptions(retries: 3, deadline: .milliseconds(300)))
      Meeting.hear(mark.path)
      let error = #expect(throws: TimeoutError.self) { try future.result() }
      #expect(error?.operation.contains("String") == true)
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  @Test func `a worker that was stopped is killed at the deadline of its call`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let future = pool.submit(Errands.stopItself, "", options: CallOptions(deadline: .milliseconds(100)))
      #expect(throws: TimeoutError.self) { try future.result() }
      // Stopped before it has begun the call.
      let worker = try pool.submit(Work.processID).result()
      kill(worker, SIGSTOP)
      while !isStopped(worker) { OSThread.yield() }
      let next = pool.submit(Work.square, 3, options: CallOptions(deadline: .milliseconds(100)))
      #expect(throws: TimeoutError.self) { try next.result() }
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  @Test func `calls that end in time are not touched by their deadlines, and time in line does not count`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let options = CallOptions(deadline: .seconds(30))
      let futures = (0..<500).map { pool.submit(Work.square, $0, options: options) }
      for (number, future) in futures.enumerated() { #expect(try future.result() == number * number) }
      let gate = Meeting()
      let first = pool.submit(Meeting.hear, gate.path)
      let second = pool.submit(Work.square, 2, options: CallOptions(deadline: .seconds(20)))
      while !first.isRunning { OSThread.yield() }
      #expect(!second.isDone)
      Meeting.say(gate.path)
      #expect(try second.result() == 4)
    }
  }

  // MARK: Retries

  @Test(arguments: [0, 1, 2]) func `a call is begun anew only as often as its options allow`(retries: Int) throws {
    let path = "/tmp/spindle-retry-\(getpid())-\(retries)"
    Work.touch(path + ".1")
    Work.touch(path + ".2")
    defer { _ = unsafe (unlink(path + ".1"), unlink(path + ".2")) }
    try withProcessPool(maxWorkers: 1) { pool throws in
      let future = pool.submit(Errands.dieWhile, path, options: CallOptions(retries: retries))
      if retries == 2 {
        #expect(try future.result() == 7)
      } else {
        #expect(throws: WorkerDiedError.self) { try future.result() }
      }
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  // MARK: Ends by force

  @Test(arguments: [SIGTERM, SIGKILL])
  func `the workers can be ended by force: what runs fails, what has not begun is cancelled`(number: Int32) throws {
    let marks = [Meeting(), Meeting()]
    let pool = ProcessPool(maxWorkers: 2)
    let running = pool.submit(Errands.spin, marks[0].path, options: CallOptions(retries: 5))
    let second = pool.submit(Errands.spin, marks[1].path)
    for mark in marks { Meeting.hear(mark.path) }
    let line = (0..<20).map { pool.submit(Work.square, $0) }
    if number == SIGTERM { pool.terminateWorkers() } else { pool.killWorkers() }
    for future in [running, second] {
      let error = #expect(throws: WorkerDiedError.self) { try future.result() }
      #expect(error?.exitStatus == .signalled(number))
    }
    #expect(line.allSatisfy { $0.isCancelled })
    #expect(throws: ShutdownError.self) { try pool.submit(Work.square, 1).result() }
    pool.shutdown()
    #expect(children() == [])
  }

  // MARK: The life of workers

  @Test func `a worker that holds too much memory is replaced after that call`() throws {
    try withProcessPool(maxWorkers: 1, maxResidentMemory: 150 << 20) { pool throws in
      let first = try pool.submit(Work.processID).result()
      #expect(try pool.submit(Work.processID).result() == first)
      let futures = (0..<20).map { _ in pool.submit(Work.processID) }
      for future in futures { #expect(try future.result() == first) }
      #expect(try pool.submit(Errands.holdMemory, 200 << 20).result() == first)
      #expect(try pool.submit(Work.processID).result() != first)
    }
  }

  @Test func `workers that are idle for too long end, and are started again when they are needed`() throws {
    try withProcessPool(maxWorkers: 2, idleTimeout: .milliseconds(50)) { pool throws in
      let first = try pool.submit(Work.processID).result()
      while !children().isEmpty { OSThread.yield() }
      #expect(try pool.submit(Work.processID).result() != first)
      for future in (0..<100).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      while !children().isEmpty { OSThread.yield() }
    }
  }

  @Test func `by default an idle worker stays`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let first = try pool.submit(Work.processID).result()
      for _ in 0..<20 { #expect(try pool.submit(Work.processID).result() == first) }
    }
  }

  // MARK: Maps

  @Test(arguments: [1, 3, nil] as [Int?]) func `an unordered map gives each value once`(chunkSize: Int?) async throws {
    let sum = try await withProcessPool(maxWorkers: 2) { pool async throws in
      var seen: [Int] = []
      for try await value in pool.mapUnordered(0..<200, chunkSize: chunkSize, Work.square) { seen.append(value) }
      #expect(seen.sorted() == (0..<200).map { $0 * $0 })
      return seen.count
    }
    #expect(sum == 200)
  }

  @Test func `an unordered map does not wait for a slow item`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let results = pool.mapUnordered(0..<10, Errands.slowFirst)
      let values = try results.collect()
      #expect(values.sorted() == Array(0..<10))
      #expect(values.first != 0)
    }
  }

  @Test func `an unordered map holds no more calls than its buffer, and ends with the first error`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let pulled = Atomic<Int>(0)
      let endless = sequence(first: 0) { $0 + 1 }.lazy.map { number -> Int in
        pulled.wrappingAdd(1, ordering: .relaxed)
        return number
      }
      let results = pool.mapUnordered(endless, bufferSize: 4, Work.square)
      for read in 0..<50 {
        #expect(pulled.load(ordering: .relaxed) == 4 + max(0, read - 1))
        #expect(try results.next() != nil)
      }
      let failing = pool.mapUnordered(1...100, Work.fail)
      #expect(throws: Mishap.self) { while try failing.next() != nil {} }
      #expect(try failing.next() == nil)
    }
  }

  @Test func `a map that chooses its chunks gives all values in order, of an endless sequence too`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      #expect(try pool.map(0..<5000, chunkSize: nil, Work.square).collect() == (0..<5000).map { $0 * $0 })
      let results = pool.map(sequence(first: 0) { $0 + 1 }, chunkSize: nil, Work.square)
      for number in 0..<2000 { #expect(try results.next() == number * number) }
    }
  }

  @Test func `chosen chunks grow while their work is short, and never beyond a fourth of a worker's share`() {
    let sizes = ChunkSizes(workers: 2, items: 0)
    #expect(sizes.next() == 1)
    sizes.note(1, nanoseconds: 1000)
    #expect(sizes.next() == 2)
    sizes.note(2, nanoseconds: 2000)
    #expect(sizes.next() == 4)
    for _ in 0..<20 { sizes.note(1, nanoseconds: 10_000) }
    #expect(sizes.next() == 100)
    sizes.note(1, nanoseconds: 50_000_000)
    #expect(sizes.next() == 1)
    let few = ChunkSizes(workers: 2, items: 80)
    for _ in 0..<20 { few.note(1, nanoseconds: 1) }
    #expect(few.next() == 10)
  }
}
