import Glibc
import SpindleTestSupport
import Testing
import XCTest

import SpindleProcesses

/// Programs that are not as one would wish still start children.
@Suite(.oneAtATime) struct UnusualProgramTests {
  @Test func `a program whose executable was deleted starts children of the same build`() throws {
    let name = "FixtureDeleted-\(getpid())"
    try Program.link("FixturePlainMain", as: name)
    let lines = try Program(name, "deleted").lines()
    #expect(lines.contains("role true describer true"))
    #expect(lines.last == "exit code 0")
  }

  @Test func `a program without stdin, stdout and stderr starts children that have all three`() throws {
    let lines = try Program("FixturePlainMain", "closed").lines()
    #expect(lines.contains { $0.hasSuffix("inherited [0, 1, 2]") })
    #expect(lines.last == "exit code 0")
  }

  @Test func `where SIGCHLD is ignored the exit status is the true one, or unknown on an old kernel`() throws {
    let lines = try Program("FixturePlainMain", "ignored").lines()
    #expect(["exit code 5", "unknown exit status"].contains(lines.last))
  }

  @Test func `without room for descriptors the start fails with the reason, and works again later`() throws {
    let lines = try Program("FixturePlainMain", "crowded").lines()
    #expect(lines.dropFirst().first?.hasPrefix("true ") == true)
    #expect(lines.last == "exit code 6")
  }

  @Test(arguments: NoChildLeftTests.mains)
  func `code of the main actor runs on a worker's main thread`(main: String) throws {
    #expect(try Program(main, "main-actor").lines().last == "exit code 42")
  }

  @Test(arguments: NoChildLeftTests.mains)
  func `a function of the program's own module runs in a child, whatever kind of main there is`(main: String) throws {
    let lines = try Program(main, "child").lines()
    #expect(lines == ["main", "in the child", "42 exit code 0"])
  }

  @Test func `a child that was not diverted refuses to start children of its own`() throws {
    // As if the constructor had not been there: the order is for another image and stays.
    let program = try Program(
      "FixturePlainMain", "undiverted", environment: ["SPINDLE_WORKER=3:\(getpid()):deadbeef:name"])
    let lines = try program.lines()
    #expect(lines.count == 2)
    #expect(lines.last?.contains("could not be diverted") == true)
  }
}

/// The same from XCTest, whose runner is another program.
final class StartingUnderXCTest: XCTestCase {
  func testAWorkerStartsAndEnds() throws {
    let witness = Witness()
    _ = try witness.start(entry: { 23 })
    XCTAssertEqual(try witness.waitForEnd().exitStatus, .exited(23))
  }
}
