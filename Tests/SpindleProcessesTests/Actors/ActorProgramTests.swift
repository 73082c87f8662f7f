import Glibc
import Spindle
import SpindleTestSupport
import Testing

/// Actors in whole programs, of each kind of main and with each start method.
@Suite(.oneAtATime) struct ActorProgramTests {
  @Test("actors work from every kind of main", arguments: NoChildLeftTests.programs)
  func everyMain(program: (main: String, method: [String])) throws {
    let program = try Program(program.main, "actors", environment: program.method)
    let lines = try program.lines().filter { !$0.hasPrefix("child ") }
    let died = "died \(ProcessExitStatus.signalled(SIGKILL))"
    #expect(lines == ["main", "tally 42", "words [\"x\", \"x\"]", "failure 7", died, "main returns"])
    #expect(program.wait() == 0)
  }

  @Test("a program that leaves its actors behind ends, and they with it", arguments: NoChildLeftTests.programs)
  func leaving(program: (main: String, method: [String])) throws {
    let program = try Program(program.main, "actors.leave", environment: program.method)
    var pid: pid_t?
    var child: WatchedProcess?
    while let line = try program.line(), line != "main returns" {
      guard line.hasPrefix("child ") else { continue }
      pid = pid_t(line.dropFirst(6))
      child = WatchedProcess(pid!)
    }
    #expect(program.wait() == 0)
    #expect(pid != nil)
    // Unless it had ended, with the program, before it could be watched.
    if let child { #expect(child.ends()) }
  }
}
