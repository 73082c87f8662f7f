import Glibc
import Spindle
import SpindleTestSupport
import Testing

// What the tests run in children.

private struct Odd: Error, Codable, Equatable {
  let number: Int
}

private func add(_ a: Int, _ b: Int) -> Int { a + b }
private func half(_ n: Int) throws -> Int {
  if n % 2 != 0 { throw Odd(number: n) }
  return n / 2
}
private func oneself() -> [Int32] { [getpid(), getppid(), ChildProcess.currentID, ChildProcess.parentID ?? -1] }
private func ownName() -> String { ChildProcess.current.name }
private func ownDaemon() -> Bool { ChildProcess.current.isDaemon }
private func nothing() {}
private func leave(_ code: Int32) { exit(code) }
private func die(_ number: Int32) { kill(getpid(), number) }
private func outOfBounds(_ index: Int) -> Int {
  close(2)  // the crash report is not wanted in the test's output
  return [1, 2, 3][index]
}
private func waitForEver() { while true { pause() } }
private func grandchild(_ n: Int) throws -> [Int32] {
  let child = ChildProcess(target: oneself)
  child.start()
  let inner = try child.join()
  return [getpid()] + inner
}
private func nestedNames() throws -> [String] {
  let child = ChildProcess(target: ownName)
  child.start()
  return [ownName(), try child.join()]
}
private func slowly(_ n: Int) async -> Int {
  await Task.yield()
  return n * 2
}
private func slowlyThrowing(_ n: Int) async throws -> Int {
  await Task.yield()
  throw Odd(number: n)
}
@MainActor private var total = 0
private func onMainActor(_ n: Int) async -> Int {
  await MainActor.run {
    total += n
    return total
  }
}
private func echoBytes(_ bytes: [UInt8]) -> [UInt8] { bytes.reversed() }
private func middle<T: Codable & Sendable & Comparable>(_ a: T, _ b: T, _ c: T) -> T { [a, b, c].sorted()[1] }
private func many(_ a: Int, _ b: String, _ c: Double, _ d: [Int], _ e: [String: Int], _ f: Bool?) -> String {
  "\(a) \(b) \(c) \(d) \(e) \(f.map(String.init) ?? "nil")"
}
private let globalTable = [10: "ten", 20: "twenty"]
private func lookUp(_ n: Int) -> String? { globalTable[n] }
private enum Place {
  static func twice(_ n: Int) -> Int { 2 * n }
}

@Suite(.oneAtATime) struct ChildProcessTests {
  // MARK: Results

  @Test(arguments: StartMethod.allCases) func `join returns what the function returned`(method: StartMethod) throws {
    let child = ChildProcess(target: add, 2, 40, startMethod: method)
    child.start()
    #expect(try child.join() == 42)
    #expect(child.exitStatus == .exited(0))
  }

  @Test(arguments: StartMethod.allCases) func `join throws what the function threw, and the exit code is 1`(
    method: StartMethod
  ) throws {
    let child = ChildProcess(target: half, 7, startMethod: method)
    child.start()
    #expect(throws: Odd(number: 7)) { try child.join() }
    #expect(child.exitStatus == .exited(1))
  }

  @Test(arguments: StartMethod.allCases) func `a function without a result can be joined`(method: StartMethod) throws {
    let child = ChildProcess(target: nothing, startMethod: method)
    child.start()
    try child.join()
    #expect(child.exitStatus == .exited(0))
  }

  @Test(arguments: StartMethod.allCases) func `arguments of many types arrive as they were`(method: StartMethod) throws
  {
    let child = ChildProcess(target: many, -1, "zwei", 2.5, [1, 2], ["a": 1], nil, startMethod: method)
    child.start()
    #expect(try child.join() == "-1 zwei 2.5 [1, 2] [\"a\": 1] nil")
  }

  @Test(arguments: StartMethod.allCases) func `megabytes of arguments and results pass`(method: StartMethod) throws {
    let bytes = (0..<amount(5_000_000, orWhereSlow: 2_000_000)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let child = ChildProcess(target: echoBytes, bytes, startMethod: method)
    child.start()
    #expect(try child.join() == bytes.reversed())
  }

  @Test(arguments: StartMethod.allCases)
  func `static functions, closures without captures and globals of other files work`(method: StartMethod) throws {
    let one = ChildProcess(target: Place.twice, 4, startMethod: method)
    let two = ChildProcess(target: { (n: Int) in n + 1 }, 4, startMethod: method)
    let three = ChildProcess(target: lookUp, 20, startMethod: method)
    for child in [one, two] { child.start() }
    three.start()
    #expect(try one.join() == 8)
    #expect(try two.join() == 5)
    #expect(try three.join() == "twenty")
  }

  @Test(arguments: StartMethod.allCases) func `async functions and code of the main actor run in a child`(
    method: StartMethod
  ) throws {
    let one = ChildProcess(target: slowly, 4, startMethod: method)
    let two = ChildProcess(target: slowlyThrowing, 5, startMethod: method)
    let three = ChildProcess(target: onMainActor, 6, startMethod: method)
    one.start()
    two.start()
    three.start()
    #expect(try one.join() == 8)
    #expect(throws: Odd(number: 5)) { try two.join() }
    #expect(try three.join() == 6)
  }

  @Test(arguments: StartMethod.allCases) func `every join gives the same, from threads and tasks`(method: StartMethod)
    async throws
  {
    let child = ChildProcess(target: half, 8, startMethod: method)
    child.start()
    let all = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<10 { group.addTask { try await child.join() } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(all == Array(repeating: 4, count: 10))
    #expect(try await child.join() == 4)
  }

  // MARK: Deaths

  @Test(arguments: StartMethod.allCases) func `exit in the function is a death with its code`(method: StartMethod)
    throws
  {
    let child = ChildProcess(target: leave, 3, name: "leaver", startMethod: method)
    child.start()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.exitStatus == .exited(3))
    #expect(error.worker == "leaver")
    #expect(error.pid == child.pid)
    #expect(error.call?.contains("leave") == true)
    #expect(child.exitStatus == .exited(3))
  }

  @Test(arguments: [SIGKILL, SIGTERM, SIGUSR1], StartMethod.allCases)
  func `death by a signal names the signal`(number: Int32, method: StartMethod) throws {
    let child = ChildProcess(target: die, number, startMethod: method)
    child.start()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.exitStatus == .signalled(number))
  }

  @Test(arguments: StartMethod.allCases) func `an index out of bounds ends the child and not the program`(
    method: StartMethod
  ) throws {
    let child = ChildProcess(target: outOfBounds, 9, startMethod: method)
    child.start()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    guard case .signalled = error.exitStatus else {
      Issue.record("\(error)")
      return
    }
  }

  @Test(arguments: StartMethod.allCases)
  func `terminate ends with SIGTERM, kill with SIGKILL, and neither harms one that has ended`(method: StartMethod)
    throws
  {
    for (end, status) in [
      ({ (child: ChildProcess<Void>) in child.terminate() }, ProcessExitStatus.signalled(SIGTERM)),
      ({ $0.kill() }, .signalled(SIGKILL)),
    ] {
      let child = ChildProcess(target: waitForEver, startMethod: method)
      child.start()
      #expect(child.isAlive)
      #expect(child.exitStatus == nil)
      end(child)
      #expect(throws: WorkerDiedError.self) { try child.join() }
      #expect(child.exitStatus == status)
      #expect(!child.isAlive)
      end(child)
    }
  }

  // MARK: Waiting

  @Test(arguments: StartMethod.allCases) func `join with a time-out gives nil while the child runs`(method: StartMethod)
    async throws
  {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    #expect(try await child.join(timeout: .milliseconds(5)) == nil)
    #expect(child.isAlive)
    child.kill()
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test(arguments: StartMethod.allCases) func `the synchronous join with a time-out gives nil, zero only looks`(
    method: StartMethod
  ) throws {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    #expect(try child.join(timeout: .zero) == nil)
    #expect(try child.join(timeout: .milliseconds(5)) == nil)
    child.kill()
    #expect(throws: WorkerDiedError.self) { try child.join(timeout: .seconds(60)) }
  }

  @Test(arguments: StartMethod.allCases) func `cancelling a task ends its join and not the child`(method: StartMethod)
    async throws
  {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    let task = Task { try await child.join() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(child.isAlive)
    child.kill()
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test(arguments: StartMethod.allCases) func `the sentinel becomes readable at the end`(method: StartMethod) throws {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    #expect(!isReadable(child.sentinel, within: 0))
    child.kill()
    #expect(isReadable(child.sentinel, within: 30))
    #expect(!child.isAlive)
    #expect(child.exitStatus == .signalled(SIGKILL))
    // Known to have ended: even a join that only looks finds the outcome.
    #expect(throws: WorkerDiedError.self) { try child.join(timeout: .zero) }
  }

  // MARK: Identity

  @Test(arguments: StartMethod.allCases) func `a child has its own number and knows its parent`(method: StartMethod)
    throws
  {
    let child = ChildProcess(target: oneself, startMethod: method)
    #expect(child.pid == nil)
    #expect(!child.isAlive)
    child.start()
    let pid = try #require(child.pid)
    #expect(try child.join() == [pid, getpid(), pid, getpid()])
    #expect(ChildProcess.currentID == getpid())
    #expect(ChildProcess.parentID == nil)
    #expect(ChildProcess.current.name == "MainProcess")
    #expect(ChildProcess.current.pid == getpid())
  }

  @Test(arguments: StartMethod.allCases) func `names are given or numbered, and known in the child`(method: StartMethod)
    throws
  {
    let named = ChildProcess(target: ownName, name: "häschen", startMethod: method)
    let numbered = ChildProcess(target: ownName, startMethod: method)
    let nested = ChildProcess(target: nestedNames, startMethod: method)
    named.start()
    numbered.start()
    nested.start()
    #expect(try named.join() == "häschen")
    #expect(numbered.name.hasPrefix("Process-"))
    #expect(try numbered.join() == numbered.name)
    #expect(try nested.join() == [nested.name, nested.name + ":1"])
  }

  @Test(arguments: StartMethod.allCases) func `a daemon knows that it is one`(method: StartMethod) throws {
    let daemon = ChildProcess(target: ownDaemon, isDaemon: true, startMethod: method)
    let other = ChildProcess(target: ownDaemon, startMethod: method)
    daemon.start()
    other.start()
    #expect(daemon.isDaemon && !other.isDaemon)
    #expect(try daemon.join())
    #expect(try !other.join())
  }

  @Test(arguments: StartMethod.allCases) func `a child may have children`(method: StartMethod) throws {
    let child = ChildProcess(target: grandchild, 1, startMethod: method)
    child.start()
    let pids = try child.join()
    #expect(pids[0] == child.pid)
    #expect(pids[2] == child.pid)
    #expect(pids[4] == child.pid)
  }

  @Test(arguments: StartMethod.allCases) func `the active children are those started and not ended`(method: StartMethod)
    throws
  {
    let children = (0..<3).map { ChildProcess(target: waitForEver, name: "active-\($0)", startMethod: method) }
    let names = { Set(ChildProcess.active.map(\.name)).intersection(["active-0", "active-1", "active-2"]) }
    #expect(names() == [])
    for child in children { child.start() }
    #expect(names() == ["active-0", "active-1", "active-2"])
    for handle in ChildProcess.active where handle.name.hasPrefix("active-") { handle.kill() }
    for child in children { #expect(throws: WorkerDiedError.self) { try child.join() } }
    #expect(names() == [])
  }

  // MARK: Order

  @Test(arguments: StartMethod.allCases) func `fifty children give fifty results and leave nothing behind`(
    method: StartMethod
  ) async {
    // In a process of its own: what other tests open meanwhile does not count.
    switch method {
    case .spawn: await #expect(processExitsWith: .success) { try joinFiftyChildren(.spawn) }
    case .forkServer: await #expect(processExitsWith: .success) { try joinFiftyChildren(.forkServer) }
    }
  }

  @Test(arguments: StartMethod.allCases) func `a closure with captures is refused with what it captured`(
    method: StartMethod
  ) throws {
    let offset = Int(getpid())  // a constant would be propagated, and nothing captured
    let child = ChildProcess(target: { (n: Int) in n + offset }, 1, startMethod: method)
    let error = #expect(throws: (any Error).self) { try child.tryStart() }
    #expect(error.map { "\($0)" }?.contains("Int") == true)
    let other = ChildProcess(target: { (n: Int) in n + offset }, 1, startMethod: method)
    other.start()
    #expect(throws: (any Error).self) { try other.join() }
    #expect(other.pid == nil)
    #expect(!other.isAlive)
  }

  @Test func `starting twice is a mistake`() async {
    await #expect(processExitsWith: .failure) {
      let child = ChildProcess(target: nothing)
      child.start()
      child.start()
    }
  }

  @Test func `joining before the start is a mistake`() async {
    await #expect(processExitsWith: .failure) {
      try await ChildProcess(target: nothing).join()
    }
  }

  @Test func `terminating before the start is a mistake`() async {
    await #expect(processExitsWith: .failure) { ChildProcess(target: nothing).terminate() }
  }
}

private func joinFiftyChildren(_ method: StartMethod) throws {
  // The first child leaves behind what starting children needs: not ours to count.
  let first = ChildProcess(target: add, 1, 1, startMethod: method)
  first.start()
  _ = try first.join()
  ForkServer.stop()
  let before = openDescriptors()
  do {
    let children = (0..<50).map { ChildProcess(target: add, $0, $0, startMethod: method) }
    for child in children { child.start() }
    for (n, child) in children.enumerated() { #expect(try child.join() == 2 * n) }
  }
  ForkServer.stop()
  #expect(newDescriptors(since: before) == [:])
  #expect(zombies() == [])
}
