import Glibc
import Spindle
import SpindleTestSupport
import Testing

private func shout(_ text: String, _ times: Int) -> String { text + String(repeating: "!", count: times) }
private func selfTold() -> String { "\(ChildProcess.current.name) \(ChildProcess.current.isDaemon)" }
private func later(_ number: Int) async -> Int { number }
private func nothing(_ number: Int) {}

/// Calls as a user types them: that they compile is half of the property.
@Suite(.oneAtATime, .watchdog(seconds: 60)) struct PoolCallShapeTests {
  @Test func `a body without await is taken from a task too`() async throws {
    let future = await withProcessPool(maxWorkers: 1) { pool in pool.submit(Work.square, 3) }
    #expect(future.isDone)
    #expect(try await future.result() == 9)
    await withProcessPool(maxWorkers: 1) { pool in _ = pool.maxWorkers }
    await #expect(throws: Mishap.self) {
      try await withProcessPool(maxWorkers: 1) { pool in throw Mishap(code: 1) }
    }
  }

  @Test func `a map is a collection under try`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      var sum = 0
      for value in try pool.map(1...3, chunkSize: 2, { $0 * 2 }) { sum += value }
      #expect(sum == 12)
      #expect(try Array(pool.map(1...3, Work.square)) == [1, 4, 9])
      #expect(throws: Mishap(code: 7)) { for _ in try pool.map([7], Work.fail) {} }
    }
  }

  @Test func `the labels of a map may stand in Python's order`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let results = pool.map(1...3, timeout: .seconds(60), chunkSize: 2, bufferSize: 1) { $0 * 2 }
      #expect(try results.collect() == [2, 4, 6])
    }
  }

  @Test func `the name of a child may come first`() throws {
    func check<Output: Equatable>(_ child: ChildProcess<Output>, gives output: Output) throws {
      child.start()
      #expect(try child.join() == output)
    }
    try check(ChildProcess(name: "Ada", target: selfTold), gives: "Ada false")
    try check(ChildProcess(name: "Ada", isDaemon: true, target: selfTold), gives: "Ada true")
    try check(ChildProcess(name: "Ada", isDaemon: true) { ChildProcess.current.name }, gives: "Ada")
    try check(ChildProcess(isDaemon: true) { ChildProcess.current.isDaemon }, gives: true)
    try check(ChildProcess(name: "Ada", target: shout, "hey", 2), gives: "hey!!")
    try check(ChildProcess(isDaemon: false, target: later, 3), gives: 3)
    let child = ChildProcess(name: "Ada", target: nothing, 3)
    child.start()
    try child.join()
    #expect(child.exitStatus == .exited(0))
  }

  @Test func `the description of a child says how it stands`() throws {
    let child = ChildProcess(name: "Ada", isDaemon: true, target: nothing, 3)
    #expect("\(child)" == #"process "Ada" (not started, daemon)"#)
    child.start()
    let pid = try #require(child.pid)
    try child.join()
    #expect("\(child)" == #"process "Ada" (pid \#(pid), exit code 0, daemon)"#)
  }
}
