import CSpindle
import CSpindleTesting
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

/// The crash report is not wanted in the test's output.
private func silence() { dup2(unsafe open("/dev/null", O_WRONLY), 2) }
private func segfault(_ address: Int) -> Int {
  silence()
  return unsafe UnsafePointer<Int>(bitPattern: address)!.pointee
}
private func fail(_ text: String) {
  silence()
  fatalError(text)
}
private func leave(_ code: Int32) { exit(code) }
private func stopAndNeverReturn() { raise(SIGSTOP) }
private func fill(_ megabytes: Int) -> Int {
  let bytes = [UInt8](repeating: 7, count: megabytes << 20)
  raise(SIGKILL)
  return bytes.count
}
private func ignoreTermination() {
  _ = signal(SIGTERM, SIG_IGN)
  _ = signal(SIGINT, SIG_IGN)
  while true { pause() }
}
private func waitUntilStopped(_ pid: pid_t) -> Bool {
  var status: Int32 = 0
  // WUNTRACED, as a shell does; it takes no end away, for this child does not end by itself.
  return unsafe waitpid(pid, &status, 2) == pid
}
private func waitForEver() { while true { pause() } }

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct DeathTests {
  private func death(_ child: ChildProcess<some Sendable>) throws -> WorkerDiedError {
    child.start()
    return try #require(throws: WorkerDiedError.self) { try child.join() }
  }

  @Test(arguments: StartMethod.allCases) func `a bad memory access is a death by SIGSEGV`(method: StartMethod) throws {
    #expect(try death(ChildProcess(target: segfault, 8, startMethod: method)).exitStatus == .signalled(SIGSEGV))
  }

  @Test(arguments: StartMethod.allCases) func `a fatal error is a death by a signal`(method: StartMethod) throws {
    let status = try death(ChildProcess(target: fail, "on purpose", startMethod: method)).exitStatus
    #expect([.signalled(SIGILL), .signalled(SIGTRAP)].contains(status))
  }

  @Test(arguments: StartMethod.allCases, [0, 3] as [Int32])
  func `exit in the function is a death with that code`(method: StartMethod, code: Int32) throws {
    #expect(try death(ChildProcess(target: leave, code, startMethod: method)).exitStatus == .exited(code))
  }

  @Test(arguments: StartMethod.allCases) func `a stopped process is alive, and kill ends it`(method: StartMethod) throws
  {
    let child = ChildProcess(target: stopAndNeverReturn, startMethod: method)
    child.start()
    // Stopped it answers nothing, so the kernel is asked.
    #expect(waitUntilStopped(child.pid!))
    #expect(child.isAlive)
    #expect(child.exitStatus == nil)
    child.kill()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.exitStatus == .signalled(SIGKILL))
  }

  @Test(arguments: StartMethod.allCases) func `kill ends a process that ignores the other signals`(method: StartMethod)
    throws
  {
    let child = ChildProcess(target: ignoreTermination, startMethod: method)
    child.start()
    child.terminate()
    child.interrupt()
    child.kill()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.worker == child.name)
  }

  @Test(arguments: StartMethod.allCases) func `interrupt ends a process by SIGINT`(method: StartMethod) throws {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    child.interrupt()
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.exitStatus == .signalled(SIGINT))
  }

  @Test(arguments: StartMethod.allCases) func `the error knows how much memory a large process had`(method: StartMethod)
    throws
  {
    // More than this process ever had: a child may count what its parent had when it was started.
    let size = Int(spindle_peak_bytes() >> 20) + 300
    let error = try death(ChildProcess(target: fill, size, startMethod: method))
    #expect(error.exitStatus == .signalled(SIGKILL))
    // Of a spawned one the kernel says no more than what this process once had, if that was more.
    guard error.peakResidentMemory != nil || method == .forkServer else { return }
    let peak = try #require(error.peakResidentMemory)
    #expect(peak >= size << 20 && peak < (size + 1000) << 20)
    #expect(error.description.contains("MiB of memory"))
  }

  @Test(arguments: StartMethod.allCases)
  func `the end of a process that is being traced is told when it can be reaped`(method: StartMethod) throws {
    let child = ChildProcess(target: waitForEver, startMethod: method)
    child.start()
    let pid = try #require(child.pid)
    let tracer = spindle_trace(pid)
    guard tracer > 0 else { return child.kill() }  // not allowed here
    child.kill()
    // Dead, and the tracer's.
    eventually { isZombie(pid) }
    kill(tracer, SIGKILL)
    waitpid(tracer, nil, 0)
    let error = #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(error?.exitStatus == .signalled(SIGKILL))
    #expect(!isZombie(pid))
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `where the backtracer is on, the error has its report, and standard error too`(method: [String]) throws {
    let lines = try Program("FixturePlainMain", "crash", environment: method + ["SWIFT_BACKTRACE=enable=yes,color=no"])
      .lines()
    #expect(lines.contains("names the function true"))
    #expect(lines.contains("says so true"))
    #expect(lines.contains { $0.contains("Fatal error") })
    #expect(lines.contains { $0.contains("Program crashed") })
    #expect(lines.contains { $0.hasPrefix("status signal") })
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `where the backtracer is off, there is no report`(method: [String]) throws {
    let lines = try Program("FixturePlainMain", "crash", environment: method).lines()
    #expect(lines.contains("names the function false"))
    #expect(lines.contains { $0.hasPrefix("status signal") })
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `a program that reaps every child itself gets results and deaths`(method: [String]) throws {
    let lines = try Program("FixturePlainMain", "reaper", environment: method).lines()
    #expect(lines == ["main", "42", "WorkerDiedError"])
  }
}
