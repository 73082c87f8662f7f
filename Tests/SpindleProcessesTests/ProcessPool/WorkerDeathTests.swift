import CSpindle
import CSpindleTesting
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

/// Ways to end one's own process.
enum End {
  static func bySignal(_ number: Int32) -> Int {
    raise(number)
    return 0
  }
  static func byExit(_ code: Int32) -> Int { exit(code) }
  static func byTrap(_ index: Int) -> Int {
    close(2)  // the test's output stays readable
    return [1, 2, 3][index]
  }
  /// While its result is on the way: it is in memory that the pool reads, but nobody has been told.
  static func whileReplying(_ size: Int) -> [UInt8] {
    FaultPoint.largeReplyWritten.arm()
    return [UInt8](repeating: 7, count: size)
  }
  static func atStart() { raise(SIGKILL) }
  static func whenDecoded(_ bomb: Bomb) -> Int { 1 }

  struct Bomb: Codable, Sendable {
    init() {}
    init(from decoder: any Decoder) throws { raise(SIGKILL) }
    func encode(to encoder: any Encoder) throws { var one = encoder.singleValueContainer(); try one.encode(1) }
  }

  /// Appends a byte to a file, and then waits or dies as told.
  static func mark(_ path: String, _ number: Int) -> Int {
    let file = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
    var byte = UInt8(number)
    _ = unsafe write(file, &byte, 1)
    close(file)
    if number % 10 == 3 { raise(SIGKILL) }
    return number
  }
}

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct WorkerDeathTests {
  @Test(arguments: [SIGKILL, SIGTERM])
  func `a worker that a signal ends fails its call, and the next call succeeds`(number: Int32) throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let pid = try pool.submit(Work.processID).result()
      let error = #expect(throws: WorkerDiedError.self) { try pool.submit(End.bySignal, number).result() }
      #expect(error?.exitStatus == .signalled(number))
      #expect(error?.pid == pid)
      #expect(error?.worker.hasSuffix("worker 0") == true)
      #expect(error?.call?.contains("Int32") == true)
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  @Test func `a worker that calls exit fails its call with the exit code`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      for code in [3, 0] as [Int32] {
        let error = #expect(throws: WorkerDiedError.self) { try pool.submit(End.byExit, code).result() }
        #expect(error?.exitStatus == .exited(code))
      }
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  @Test func `a trap fails its call only`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let others = (0..<20).map { pool.submit(Work.square, $0) }
      let error = #expect(throws: WorkerDiedError.self) { try pool.submit(End.byTrap, 3).result() }
      guard case .signalled? = error?.exitStatus else {
        Issue.record("\(String(describing: error))")
        return
      }
      for (number, other) in others.enumerated() { #expect(try other.result() == number * number) }
    }
  }

  @Test func `a worker that is killed while it is idle costs no call`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      for _ in 0..<20 {
        let pid = try pool.submit(Work.processID).result()
        kill(pid, SIGKILL)
        // Submitted before anybody can know of the death.
        #expect(try pool.submit(Work.processID).result() != pid)
      }
    }
  }

  #if DEBUG  // fault points are in debug builds only
    @Test func `a worker that dies while its result is on the way fails that call`() throws {
      try withProcessPool(maxWorkers: 1) { pool throws in
        let error = #expect(throws: WorkerDiedError.self) {
          try pool.submit(End.whileReplying, 100_000_000).result()
        }
        #expect(error?.exitStatus == .signalled(9))
        #expect(try pool.submit(Work.square, 3).result() == 9)
      }
    }
  #endif

  @Test func `a worker that dies while it decodes the arguments fails that call`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      #expect(throws: WorkerDiedError.self) { try pool.submit(End.whenDecoded, End.Bomb()).result() }
      #expect(try pool.submit(Work.square, 3).result() == 9)
    }
  }

  @Test func `workers that die in the initializer break the pool instead of being started for ever`() throws {
    let pool = ProcessPool(maxWorkers: 2, initializer: End.atStart)
    let futures = (0..<10).map { pool.submit(Work.square, $0) }
    for future in futures {
      let error = #expect(throws: BrokenPoolError.self) { try future.result() }
      #expect(error?.description.contains("signal 9") == true)
    }
    #expect(throws: BrokenPoolError.self) { try pool.submit(Work.square, 1).result() }
    pool.shutdown()
  }

  @Test(arguments: [1, 3]) func `of many calls each runs once, and only those whose worker died fail`(workers: Int) throws {
    let path = "/tmp/spindle-marks-\(getpid())-\(workers)"
    defer { _ = unsafe unlink(path) }
    try withProcessPool(maxWorkers: workers) { pool throws in
      let futures = (0..<60).map { pool.submit(End.mark, path, $0) }
      for (number, future) in futures.enumerated() {
        if number % 10 == 3 {
          let error = #expect(throws: WorkerDiedError.self) { try future.result() }
          #expect(error?.exitStatus == .signalled(9))
        } else {
          #expect(try future.result() == number)
        }
      }
    }
    let file = unsafe open(path, O_RDONLY)
    defer { close(file) }
    var marks = [UInt8](repeating: 0, count: 1000)
    let count = unsafe read(file, &marks, marks.count)
    #expect(marks.prefix(count).sorted() == (0..<60).map { UInt8($0) })
  }

  @Test func `neither a child nor a descriptor is left, whatever died`() async {
    // In a process of its own: what other tests open meanwhile does not count.
    await #expect(processExitsWith: .success) { try letWorkersDie() }
  }
}

private func letWorkersDie() throws {
  let before = openDescriptors()
  try withProcessPool(maxWorkers: 3) { pool throws in
    let futures = (0..<12).map { $0 % 3 == 0 ? pool.submit(End.bySignal, SIGKILL) : pool.submit(Work.square, $0) }
    for future in futures { _ = try future.error() }
    _ = try? pool.submit(End.whileReplying, 10_000_000).result()
  }
  #expect(newDescriptors(since: before) == [:])
  #expect(children() == [])
}
