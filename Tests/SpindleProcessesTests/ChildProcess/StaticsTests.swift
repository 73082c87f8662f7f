import Spindle
import SpindleTestSupport
import Testing

/// The statics resolve without type arguments, in expressions and as values.
@Suite(.oneAtATime) struct ChildProcessStaticsTests {
  @Test func `the statics need no type arguments`() {
    let id: Int32 = ChildProcess.currentID
    let handle: ProcessHandle = ChildProcess.current
    #expect(handle.pid == id)
    #expect(handle.isAlive && !handle.isDaemon && handle.exitStatus == nil)
    #expect(ChildProcess.current == ChildProcess.current)
    #expect(ChildProcess.parentID == nil)
    #expect(ChildProcess.active.allSatisfy { $0.pid != id })
  }
}
