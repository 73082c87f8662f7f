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
    var child: WatchedProcess?
    while let line = try program.line(), line != "main returns" {
      if line.hasPrefix("child ") { child = WatchedProcess(pid_t(line.dropFirst(6))!) }
    }
    #expect(program.wait() == 0)
    #expect(try #require(child).ends())
  }
}
