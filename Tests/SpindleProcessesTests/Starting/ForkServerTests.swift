import CSpindle
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Synchronization
import Testing

private func family() -> [Int32] { [getpid(), getppid()] }
private func double(_ n: Int) -> Int { 2 * n }
private func waitForEver() { while true { pause() } }
private func nested(_ n: Int) throws -> Int {
  let child = ChildProcess(target: double, n, startMethod: .forkServer)
  child.start()
  return try child.join()
}
/// The numbers that are open beside 0 to 3 and not for Spindle's own use.
private func strangers() -> [String] {
  openDescriptors().filter { Int($0.key)! > 3 && !$0.value.hasPrefix("/memfd:spindle-crash") }.map { "\($0)" }
}

#if DEBUG
  private func loseWorkers() throws {
    // Given up when the fork server has ended already, and because its end is told.
    for time in [Duration.milliseconds(200), .zero] {
      var options = WorkerProcess.Options(name: "lost")
      options.startMethod = .forkServer
      options.startFault = spindle_fault_lost.rawValue
      options.helloTimeout = time
      let error = #expect(throws: ProcessStartError.self) {
        _ = try WorkerProcess.start(options, entry: { 0 }, onMessage: { _, _ in }, onEnd: { _, _ in })
      }
      #expect(error?.reason.contains("did not become a worker") == true)
      let child = ChildProcess(target: double, 3, startMethod: .forkServer)
      child.start()
      #expect(try child.join() == 6)
    }
  }
#endif

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct ForkServerTests {
  @Test func `a forked worker is a child of the program, and the fork server is another process`() throws {
    try ForkServer.start()
    let server = try #require(ForkServer.pid)
    let child = ChildProcess(target: family, startMethod: .forkServer)
    child.start()
    let pids = try child.join()
    #expect(pids == [child.pid, getpid()])
    #expect(server != child.pid && server != getpid())
    #expect(ForkServer.pid == server)
    #expect(!ChildProcess.active.contains { $0.pid == server })
  }

  @Test func `a worker's life, as the fork server goes through it before the first request, comes to a good end`() async {
    // In a process of its own, which forgets who it is.
    await #expect(processExitsWith: .success) {
      let results = (try Rehearsal.ofChild(), try Rehearsal.ofPoolWorker())
      #expect(results == (0, 1))
    }
  }

  @Test func `starting it twice keeps it, stopping it leaves nothing, and the next child has a new one`() throws {
    try ForkServer.start()
    let first = ForkServer.pid
    try ForkServer.start()
    #expect(ForkServer.pid == first)
    ForkServer.stop()
    #expect(ForkServer.pid == nil)
    ForkServer.stop()
    let child = ChildProcess(target: double, 4, startMethod: .forkServer)
    child.start()
    #expect(try child.join() == 8)
    #expect(ForkServer.pid != nil && ForkServer.pid != first)
  }

  @Test func `a fork server that is killed is replaced at the next start`() throws {
    for number in 0..<5 {
      try ForkServer.start()
      let server = try #require(ForkServer.pid)
      kill(server, SIGKILL)
      let child = ChildProcess(target: double, number, startMethod: .forkServer)
      child.start()
      #expect(try child.join() == 2 * number)
      #expect(ForkServer.pid != server)
    }
  }

  @Test func `its copies outlive it`() throws {
    let child = ChildProcess(target: waitForEver, startMethod: .forkServer)
    child.start()
    ForkServer.stop()
    #expect(child.isAlive)
    child.kill()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(child.exitStatus == .signalled(SIGKILL))
  }

  @Test func `whenever the fork server is killed, every start ends in a result or an error`() throws {
    let stop = Atomic<Bool>(false)
    let killer = OSThread.spawn {
      // As fast as they come.
      while !stop.load(ordering: .relaxed) { if let pid = ForkServer.pid { kill(pid, SIGKILL) } else { sched_yield() } }
    }
    var results = 0
    for number in 0..<60 {
      let child = ChildProcess(target: double, number, startMethod: .forkServer)
      child.start()
      do {
        #expect(try child.join() == 2 * number)
        results += 1
      } catch let error as ProcessStartError {
        #expect(error.description.contains("fork server"))
      }
    }
    stop.store(true, ordering: .relaxed)
    killer.join()
    let child = ChildProcess(target: double, 3, startMethod: .forkServer)
    child.start()
    #expect(try child.join() == 6)
    #expect(zombies() == [])
  }

  @Test func `a fork server that does not answer is replaced, and the start says so`() throws {
    try ForkServer.start()
    let server = try #require(ForkServer.pid)
    kill(server, SIGSTOP)
    var options = WorkerProcess.Options(name: "never")
    options.startMethod = .forkServer
    options.helloTimeout = .zero
    let error = #expect(throws: ProcessStartError.self) {
      _ = try WorkerProcess.start(options, entry: { 0 }, onMessage: { _, _ in }, onEnd: { _, _ in })
    }
    #expect(error?.reason.contains("did not become a worker") == true)
    let child = ChildProcess(target: double, 3, startMethod: .forkServer)
    child.start()
    #expect(try child.join() == 6)
    #expect(ForkServer.pid != server)
  }

  @Test func `of many forked at the same time none has a descriptor of another`() throws {
    let children = (0..<20).map { _ in ChildProcess(target: strangers, startMethod: .forkServer, output: .labelled) }
    for child in children { child.start() }
    for child in children { #expect(try child.join() == []) }
  }

  @Test func `a forked worker may have a fork server of its own`() throws {
    let child = ChildProcess(target: nested, 5, startMethod: .forkServer)
    child.start()
    #expect(try child.join() == 10)
  }

  @Test func `a signal that is sent before the process is known reaches it`() throws {
    for method in StartMethod.allCases {
      let witness = Witness(method)
      let worker = witness.launch(entry: {
        while ControlChannel.ofWorker.receive() != nil {}
        return 0
      })
      #expect(worker.kill())
      let end = try witness.waitForEnd()
      #expect(end.exitStatus == .signalled(SIGKILL))
    }
  }

  #if DEBUG
    @Test(arguments: StartMethod.allCases, [spindle_fault_before_hello.rawValue, spindle_fault_after_hello.rawValue])
    func `a worker that is killed at a step of its start has died, and nothing is left`(
      method: StartMethod, step: UInt32
    ) throws {
      var options = WorkerProcess.Options(name: "short")
      options.startFault = step
      let witness = Witness(method)
      _ = try witness.start(options, entry: { 0 })
      let end = try witness.waitForEnd()
      #expect(end.exitStatus == .signalled(SIGKILL))
      #expect(end.startError == nil)
      #expect(zombies() == [])
    }

    @Test(arguments: [spindle_fault_before_fork.rawValue, spindle_fault_after_fork.rawValue])
    func `a fork server that dies over a request costs no start`(step: UInt32) throws {
      var options = WorkerProcess.Options(name: "survivor")
      options.startFault = step
      let witness = Witness(.forkServer)
      _ = try witness.start(options, entry: { 42 })
      #expect(try witness.waitForEnd().exitStatus == .exited(42))
      let next = Witness(.forkServer)
      _ = try next.start(entry: { 43 })
      #expect(try next.waitForEnd().exitStatus == .exited(43))
      #expect(zombies() == [])
    }

    @Test func `a worker that hangs and of which nobody has told is given up when its time is over`() async {
      // In a process of its own: with that the hanging workers end, whose numbers nobody knows.
      await #expect(processExitsWith: .success) { try loseWorkers() }
    }
  #endif
}
