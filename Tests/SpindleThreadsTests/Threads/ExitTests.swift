import CSpindleTesting
import Spindle
import SpindleTestSupport
import Testing

/// How a program ended, and what it wrote.
struct ProgramEnd {
  let status: Int32
  let lines: [String]

  /// Runs a fixture; one that hangs is killed, which its status shows.
  init(of program: String, _ argument: String) {
    var output = [CChar](repeating: 0, count: 1 << 16)
    status = unsafe spindle_test_run(program, argument, 30, &output, output.count)
    let text = String(decoding: output.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    lines = text.split(separator: "\n").map(String.init)
  }

  /// The code it exited with; nil when a signal ended it.
  var code: Int32? { status & 0x7F == 0 ? status >> 8 & 0xFF : nil }
  var signal: Int32 { status & 0x7F }
  var hasTrapped: Bool { signal == 4 || signal == 5 }
}

@Suite(.watchdog(seconds: 90)) struct ExitTests {
  private func end(_ scenario: String) -> ProgramEnd { ProgramEnd(of: "FixtureExitMain", scenario) }

  @Test func `on return from main the process waits for threads that are not daemons`() {
    let end = end("return")
    #expect(end.code == 0)
    #expect(end.lines == ["main ends", "thread ends"])
  }

  @Test func `on exit the process waits and keeps its status`() {
    let end = end("exit")
    #expect(end.code == 7)
    #expect(end.lines == ["main ends", "thread ends"])
  }

  @Test func `when main throws the error is told, the process waits, then it traps`() {
    let end = end("throw")
    #expect(end.hasTrapped)
    #expect(end.lines.first == "main ends")
    #expect(end.lines.dropFirst().first?.contains("main ended with the error Failed()") == true)
    #expect(end.lines.dropFirst(2).first == "thread ends")
    #expect(end.lines.dropFirst(3).first?.contains("Error raised at top level") == true)
  }

  @Test func `when main throws and no thread runs nothing is added`() {
    let end = end("throw-alone")
    #expect(end.hasTrapped)
    #expect(end.lines.first?.contains("Error raised at top level") == true)
  }

  @Test func `the process waits for no daemon`() {
    let end = end("daemon")
    #expect(end.code == 0)
    #expect(end.lines == ["main ends"])
  }

  @Test func `daemons that are busy at exit do not crash the process`() {
    for _ in 0..<5 {
      let end = end("busy-daemons")
      #expect(end.code == 0)
      #expect(end.lines == ["main ends"])
    }
  }

  @Test(arguments: [("exit-in-thread", Int32(3)), ("exit-in-daemon", 4)])
  func `a thread that calls exit is not waited for, the others are`(scenario: String, code: Int32) {
    let end = end(scenario)
    #expect(end.code == code)
    #expect(end.lines == ["thread ends"])
  }

  @Test func `a second exit does not cut the first one short`() {
    let end = end("exit-twice")
    #expect(end.code == 5)
    #expect(end.lines == ["thread ends"])
  }

  @Test func `a thread started during exit is waited for too`() {
    let end = end("late-start")
    #expect(end.code == 0)
    #expect(end.lines == ["late thread ends"])
  }

  @Test func `the process waits for a delayed call that was started and not cancelled`() {
    let end = end("delayed-call")
    #expect(end.code == 0)
    #expect(end.lines == ["main ends", "call"])
  }

  @Test func `pools end before the threads and processes after them, last registered first`() {
    let end = end("stages")
    #expect(end.code == 0)
    #expect(end.lines == ["pools 2", "pools 3", "pools 1", "thread ends", "processes 2", "processes 1"])
  }

  @Test func `a forked child waits for no thread of its parent`() {
    let end = end("fork")
    #expect(end.code == 0)
    #expect(end.lines == ["child \(9 << 8)", "thread ends"])
  }

  @Test func `an error nobody joined is reported when the process ends`() {
    let end = end("unjoined-global")
    #expect(end.code == 0)
    #expect(end.lines == ["Spindle: thread \"Thread-1\" ended with an error that nobody joined: Failed()"])
  }

  @Test func `an error nobody joined is reported when the OSThread goes`() {
    #expect(
      end("unjoined-dropped").lines == ["Spindle: thread \"dropped\" ended with an error that nobody joined: Failed()"])
  }

  @Test func `an error that was joined is not reported`() {
    #expect(end("joined").lines == ["joined Failed()"])
  }

  @Test func `the hook is called on the failing thread, and nothing else is reported`() {
    #expect(end("hook").lines == ["hook hooked Failed() true"])
  }

  @Test func `the main thread knows itself`() {
    #expect(
      end("main-thread").lines == [
        "MainThread true true false", "true 1 true", "(false, 2)", "1 Thread-3",
      ])
  }

  @Test(arguments: ["FixtureExitAtMain", "FixtureExitAsyncMain"], ["return", "exit", "throw"])
  func `a main type ends as a main file does`(program: String, scenario: String) {
    let end = ProgramEnd(of: program, scenario)
    #expect(end.lines.first == "main ends true")
    #expect(end.lines.contains("thread ends"))
    switch scenario {
    case "return": #expect(end.code == 0)
    case "exit": #expect(end.code == 7)
    default: #expect(end.hasTrapped)
    }
  }
}
