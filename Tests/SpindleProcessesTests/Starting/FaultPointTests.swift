#if DEBUG
  import Glibc
  import Spindle
  import SpindleProcesses
  import SpindleTestSupport
  import Testing

  private func reachTwice(armed: Bool) -> Int {
    if armed { FaultPoint.nowhere.arm(after: 2) }
    FaultPoint.nowhere.reach()
    FaultPoint.nowhere.reach()
    return 2
  }

  @Suite(.watchdog(seconds: 60)) struct FaultPointTests {
    @Test func `a process dies when it reaches the armed point for the n-th time`() {
      let child = ChildProcess(target: reachTwice, true)
      child.start()
      let error = #expect(throws: WorkerDiedError.self) { try child.join() }
      #expect(error?.exitStatus == .signalled(SIGKILL))
    }

    @Test func `a point that is not armed does nothing`() throws {
      let child = ChildProcess(target: reachTwice, false)
      child.start()
      #expect(try child.join() == 2)
    }
  }
#endif
