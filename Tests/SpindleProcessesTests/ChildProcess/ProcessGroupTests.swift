import CSpindle
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

/// Starts a program that is none of Spindle's; its number.
private func startSleeper() -> Int32 {
  var pid: pid_t = 0
  // SAFETY: both arrays end with nil and stay for the call.
  var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("sleep"), strdup("1000"), nil]
  guard unsafe posix_spawnp(&pid, "sleep", nil, nil, &arguments, environ) == 0 else { return -1 }
  return pid
}
private func startSleeperAndTell(_ path: String) {
  let pid = startSleeper()
  let file = unsafe open(path, O_WRONLY)
  let text = Array("\(pid)\n".utf8)
  _ = unsafe write(file, text, text.count)
  close(file)
  while true { pause() }
}
private func groups() -> [Int32] { [getpgrp(), getpid()] }

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct ProcessGroupTests {
  @Test(arguments: StartMethod.allCases) func `a child is in its parent's group, or leads its own`(method: StartMethod)
    throws
  {
    let inherited = ChildProcess(target: groups, startMethod: method)
    let own = ChildProcess(target: groups, startMethod: method, processGroup: .own)
    inherited.start()
    own.start()
    #expect(try inherited.join()[0] == getpgrp())
    let found = try own.join()
    #expect(found[0] == found[1] && found[1] == own.pid)
  }

  /// A child that has started a program, and that program.
  private func begin(_ method: StartMethod, _ group: ProcessGroup) throws -> (ChildProcess<Void>, WatchedProcess, pid_t)
  {
    let path = "/tmp/spindle-group-\(getpid())"
    _ = unsafe unlink(path)
    try #require(unsafe mkfifo(path, 0o600) == 0)
    defer { _ = unsafe unlink(path) }
    let child = ChildProcess(target: startSleeperAndTell, path, startMethod: method, processGroup: group)
    child.start()
    let file = unsafe open(path, O_RDONLY)
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 32)
    let count = unsafe read(file, &text, text.count)
    let pid = try #require(pid_t(String(decoding: text.prefix(max(0, count - 1)), as: UTF8.self)))
    return (child, try #require(WatchedProcess(pid)), pid)
  }

  @Test(arguments: StartMethod.allCases, [SIGKILL, SIGTERM, SIGINT])
  func `a signal to a child with its own group reaches the programs it has started`(
    method: StartMethod, number: Int32
  ) throws {
    let (child, sleeper, _) = try begin(method, .own)
    switch number {
    case SIGKILL: child.kill()
    case SIGTERM: child.terminate()
    default: child.interrupt()
    }
    let error = try #require(throws: WorkerDiedError.self) { try child.join() }
    #expect(error.exitStatus == .signalled(number))
    #expect(sleeper.ends())
  }

  @Test(arguments: StartMethod.allCases) func `a child in its parent's group is signalled alone`(method: StartMethod)
    throws
  {
    let (child, sleeper, pid) = try begin(method, .inherited)
    child.kill()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(!sleeper.ends(within: 0))
    kill(pid, SIGKILL)
    #expect(sleeper.ends())
  }

  @Test(arguments: StartMethod.allCases)
  func `what is left of a child's own group ends with the child, however it ends`(method: StartMethod) throws {
    let child = ChildProcess(target: startSleeper, startMethod: method, processGroup: .own)
    child.start()
    let pid = try child.join()
    // Killed before the child was reaped; somebody else's child, so it may still be a zombie.
    if let sleeper = WatchedProcess(pid) { #expect(sleeper.ends()) }
    let (other, sleeper, _) = try begin(method, .own)
    kill(other.pid!, SIGKILL)
    #expect(throws: WorkerDiedError.self) { try other.join() }
    #expect(sleeper.ends())
  }

  @Test(arguments: NoChildLeftTests.methods, [SIGKILL, SIGTERM, SIGINT])
  func `the group of a child ends with the program, however that ends`(method: [String], number: Int32) throws {
    let program = try Program("FixturePlainMain", "group", environment: method)
    var family: [WatchedProcess] = []
    while family.count < 2, let line = try program.line() {
      if line.hasPrefix("child "), let pid = pid_t(line.dropFirst(6)) {
        family.append(try #require(WatchedProcess(pid)))
      }
    }
    program.signal(number)
    #expect(program.wait() == number)
    for member in family { #expect(member.ends()) }
  }
}
