import Glibc
import Spindle
import SpindleTestSupport
import Synchronization
import Testing

/// Numbers that live in each process on their own.
private enum Globals {
  static let initialized = Atomic<Int>(0)
}

private enum Errand {
  static func initialize() { Globals.initialized.wrappingAdd(1, ordering: .relaxed) }
  static func initializations() -> Int { Globals.initialized.load(ordering: .relaxed) }
  static func failToInitialize() throws { throw Mishap(code: 5) }
  static func name() -> String { ChildProcess.current.name }
  /// Says that it runs by making the file, and waits until asked to stop.
  static func runUntilStopped(_ path: String) -> Bool {
    Meeting.say(path)
    while !Cancellation.isRequested {}
    return Cancellation.current?.isRequested == true
  }
  static func isStopped() -> Bool { Cancellation.isRequested }
  static func sleepUntilStopped(_ path: String) async -> Bool {
    Meeting.say(path)
    do { try await Task.sleep(for: .seconds(1000)) } catch { return Cancellation.isRequested }
    return false
  }
  /// Waits until the gate is passed.
  static func wait(_ path: String) -> Int { Meeting.hear(path) }
  static func nested(_ depth: Int) throws -> [Int32] {
    if depth == 0 { return [getpid()] }
    return try withProcessPool(maxWorkers: 1) { pool throws in
      [getpid()] + (try pool.submit(nested, depth - 1).result())
    }
  }

  /// How many workers pools have that are told no number, in a worker and in its worker's worker.
  static func defaults() throws -> [Int] {
    let threads = withThreadPool { $0.maxWorkers }
    return try [threads] + withProcessPool(maxWorkers: 2) { pool throws in
      try pool.submit { [withThreadPool { $0.maxWorkers }, withProcessPool { $0.maxWorkers }] }.result()
    }
  }
}

extension Work {
  static func touch(_ path: String) { close(unsafe open(path, O_CREAT | O_WRONLY, 0o600)) }
}

/// A place where a worker and a test meet: whoever comes first waits for the other.
final class Meeting {
  let path: String
  private static let count = Atomic<Int>(0)

  init() {
    path = "/tmp/spindle-\(getpid())-\(Self.count.wrappingAdd(1, ordering: .relaxed).newValue)"
    unsafe mkfifo(path, 0o600)
  }

  deinit { unsafe unlink(path) }

  static func say(_ path: String) { close(unsafe open(path, O_WRONLY)) }

  @discardableResult
  static func hear(_ path: String) -> Int {
    close(unsafe open(path, O_RDONLY))
    return 1
  }
}

@Suite(.oneAtATime, .watchdog(seconds: 90)) struct PoolLifeTests {
  @Test func `a process pool keeps the contract of all pools`() async throws {
    try await JobPoolContract.run { ProcessPool(maxWorkers: $0) }
  }

  @Test func `shutdown without waiting returns while calls run, and what is in line is still done`() throws {
    let gate = Meeting()
    let pool = ProcessPool(maxWorkers: 1)
    let first = pool.submit(Errand.wait, gate.path)
    let second = pool.submit(Work.square, 5)
    pool.shutdown(wait: false)
    #expect(!first.isDone)
    Meeting.say(gate.path)
    #expect(try second.result() == 25)
    pool.shutdown()
    #expect(children() == [])
  }

  @Test func `shutdown can cancel what has not begun`() throws {
    let gate = Meeting()
    let pool = ProcessPool(maxWorkers: 1)
    let first = pool.submit(Errand.wait, gate.path)
    while !first.isRunning { OSThread.yield() }
    let others = (0..<10).map { pool.submit(Work.square, $0) }
    pool.shutdown(wait: false, cancelFutures: true)
    #expect(others.allSatisfy { $0.isCancelled })
    Meeting.say(gate.path)
    #expect(try first.result() == 1)
    pool.shutdown()
  }

  @Test func `a call that has not begun can be cancelled and never runs`() throws {
    let gate = Meeting()
    let path = "/tmp/spindle-never-\(getpid())"
    try withProcessPool(maxWorkers: 1) { pool throws in
      let first = pool.submit(Errand.wait, gate.path)
      while !first.isRunning { OSThread.yield() }
      let second = pool.submit(Work.touch, path)
      #expect(second.cancel())
      #expect(!first.cancel())
      Meeting.say(gate.path)
      #expect(try first.result() == 1)
      #expect(throws: CancellationError.self) { try second.result() }
    }
    #expect(unsafe access(path, F_OK) != 0)
  }

  @Test func `a running function sees that it is asked to stop, and the next one is not`() throws {
    let mark = Meeting()
    try withProcessPool(maxWorkers: 1) { pool throws in
      let future = pool.submit(Errand.runUntilStopped, mark.path)
      Meeting.hear(mark.path)
      #expect(!future.cancel())
      #expect(try future.result())
      #expect(try !pool.submit(Errand.isStopped).result())
    }
  }

  @Test func `a running async function is cancelled when it is asked to stop`() throws {
    let mark = Meeting()
    try withProcessPool(maxWorkers: 1) { pool throws in
      let future = pool.submit(Errand.sleepUntilStopped, mark.path)
      Meeting.hear(mark.path)
      #expect(!future.cancel())
      #expect(try future.result())
      #expect(try pool.submit(Work.later, 1).result() == 2)
    }
  }

  @Test func `the initializer runs once in each worker, before its first call`() throws {
    try withProcessPool(maxWorkers: 2, initializer: Errand.initialize) { pool throws in
      for future in (0..<20).map({ _ in pool.submit(Errand.initializations) }) { #expect(try future.result() == 1) }
    }
  }

  @Test func `an initializer that throws breaks the pool`() throws {
    let pool = ProcessPool(maxWorkers: 2, initializer: Errand.failToInitialize)
    let futures = (0..<10).map { pool.submit(Work.square, $0) }
    for future in futures {
      let error = #expect(throws: BrokenPoolError.self) { try future.result() }
      #expect(error?.cause as? Mishap == Mishap(code: 5))
    }
    #expect(throws: BrokenPoolError.self) { try pool.submit(Work.square, 1).result() }
    pool.shutdown()
    #expect(children() == [])
  }

  @Test func `an initializer that captured something breaks the pool before it starts anything`() throws {
    let names = Guarded([String]())
    // Used for sure, so that no optimiser leaves the capture out.
    let pool = ProcessPool(maxWorkers: 2, initializer: { names.withLock { $0.append("initialised") } })
    let error = #expect(throws: BrokenPoolError.self) { try pool.submit(Work.square, 1).result() }
    #expect(error?.cause is CapturedContextError)
    pool.shutdown()
  }

  @Test(arguments: [1, 2, 5], [1, 3]) func `workers end after their number of calls, and others take their place`(
    tasks: Int, workers: Int
  ) throws {
    for submissions in [1, 4, 20] {
      let pool = ProcessPool(maxWorkers: workers, maxTasksPerChild: tasks)
      let futures = (0..<submissions).map { _ in pool.submit(Work.processID) }
      var calls: [Int32: Int] = [:]
      for future in futures { calls[try future.result(), default: 0] += 1 }
      #expect(calls.values.allSatisfy { $0 <= tasks })
      pool.shutdown()
      #expect(children() == [])
    }
  }

  @Test func `a pool that nobody holds any more does what was submitted`() throws {
    var futures: [Future<Int>] = []
    do {
      let pool = ProcessPool(maxWorkers: 2)
      futures = (0..<20).map { pool.submit(Work.square, $0) }
    }
    for (number, future) in futures.enumerated() { #expect(try future.result() == number * number) }
    eventually { children().isEmpty }
  }

  @Test func `a callback may wait for another future of its own pool`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let second = Promise<Int>()
      pool.submit(Work.square, 3).onDone { first in
        second.resolve(Result { try pool.submit(Work.square, try first.result()).result() })
      }
      #expect(try second.future.result() == 81)
    }
  }

  @Test func `a worker may have a pool of its own`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let family = try pool.submit(Errand.nested, 2).result()
      #expect(Set(family).count == 3)
    }
  }

  @Test func `pools inside of workers share the processors`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let (half, quarter) = (max(1, Processors.available / 2), max(1, Processors.available / 4))
      #expect(try pool.submit(Errand.defaults).result() == [half, quarter, quarter])
    }
  }

  @Test func `a worker knows its name`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let name = try pool.submit(Errand.name).result()
      #expect(name.hasPrefix("ProcessPool-"))
      #expect(name.hasSuffix(" worker 0"))
    }
  }

  @Test func `workers are started only when they are needed`() throws {
    try withProcessPool(maxWorkers: 8) { pool throws in
      #expect(children() == [])
      for _ in 0..<5 { _ = try pool.submit(Work.square, 1).result() }
      #expect(children().count == 1)
    }
  }

  @Test func `no child, descriptor or shared memory is left when a pool has ended`() async {
    // In a process of its own: what other tests open meanwhile does not count.
    await #expect(processExitsWith: .success) { try useManyPools(100) }
  }

  @Test func `in a task nothing blocks a thread`() async throws {
    let sum = try await withProcessPool(maxWorkers: 2) { pool async throws in
      var sum = 0
      for try await square in pool.map(0..<30, chunkSize: 4, Work.square) { sum += square }
      return try await sum + pool.submit(Work.square, 2).result()
    }
    #expect(sum == (0..<30).reduce(4) { $0 + $1 * $1 })
    #expect(children() == [])
  }
}

@Suite(.oneAtATime) struct PoolProgramTests {
  @Test func `the program's end does what was submitted, and flushes what the workers printed`() throws {
    let program = try Program("FixturePlainMain", "pool.leave")
    let lines = try program.lines()
    #expect(lines.count { $0 == "main" } == 1)
    #expect(lines.filter { $0.hasPrefix("ran") }.sorted() == (0..<6).map { "ran \($0)" })
    #expect(program.wait() == 0)
  }

  @Test(arguments: ["pool.rest", "pool.rest-of-a-copy"])
  func `an idle worker has little memory of its own`(scenario: String) throws {
    let program = try Program("FixturePlainMain", scenario)
    var seen = 0
    while let line = try program.line() {
      let words = line.split(separator: " ")
      guard words.count == 2, words[0] == "child" else { continue }
      let clean = try #require(kernelFigure("/proc/\(words[1])/smaps_rollup", "Private_Clean"))
      let dirty = try #require(kernelFigure("/proc/\(words[1])/smaps_rollup", "Private_Dirty"))
      #expect(clean + dirty < 3000, "kilobytes")
      seen += 1
      program.say("go")
    }
    #expect(seen == 1)
    #expect(program.wait() == 0)
  }

  @Test func `Ctrl-C ends no worker of a program that goes on`() throws {
    let program = try Program("FixturePlainMain", "pool.interrupt")
    while let line = try program.line(), line != "begun" {}
    program.signal(SIGINT, group: true)
    program.say("go")
    #expect(try program.lines() == ["result 1"])
    #expect(program.wait() == 0)
  }

  @Test(arguments: ["pool.idle", "pool.busy", "pool.shutdown", "pool.nested"], [SIGKILL, SIGINT, SIGTERM])
  func `no worker outlives the program`(scenario: String, number: Int32) throws {
    let program = try Program("FixturePlainMain", scenario)
    var seen: [WatchedProcess] = []
    while seen.count < 2 {
      let line = try #require(try program.line(), "the fixture ended early")
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "child" { seen.append(try #require(WatchedProcess(pid_t(words[1])!))) }
    }
    program.signal(number, group: number == SIGINT)
    #expect(program.wait() == number)
    for child in seen { #expect(child.ends()) }
  }
}

/// Looks what is left at once when a pool has ended. Some have used much of their arenas, which take a while to let go.
private func useManyPools(_ count: Int) throws {
  let before = openDescriptors()
  for number in 0..<count {
    let pool = ProcessPool(maxWorkers: 2)
    let futures = (0..<number * 3 % 15).map { pool.submit(Work.square, $0) }
    let large = (0..<number % 4 * 10).map { pool.submit(Work.echo, [UInt8](repeating: 1, count: 10_000 * (1 + $0))) }
    pool.shutdown(cancelFutures: number % 2 == 1)
    #expect(sharedMappings() == 0)
    #expect(newDescriptors(since: before) == [:])
    #expect((futures as [AnyFuture] + large as [AnyFuture]).allSatisfy { $0.isDone })
  }
  #expect(children() == [])
}
