import Glibc
import SpindleTestSupport
import Testing
import XCTest

import SpindleProcesses

/// Programs that are not as one would wish still start children.
@Suite(.oneAtATime) struct UnusualProgramTests {
  @Test(arguments: NoChildLeftTests.methods)
  func `a program whose executable was deleted starts children of the same build`(
    method: [String]
  ) throws {
    let name = "FixtureDeleted-\(getpid())"
    try Program.link("FixturePlainMain", as: name)
    let lines = try Program(name, "deleted", environment: method).lines()
    #expect(lines.contains("role true describer true"))
    #expect(lines.last == "exit code 0")
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `a program without stdin, stdout and stderr starts children that have all three`(
    method: [String]
  ) throws {
    let lines = try Program("FixturePlainMain", "closed", environment: method).lines()
    #expect(lines.contains { $0.hasSuffix("inherited [0, 1, 2]") })
    #expect(lines.last == "exit code 0")
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `where SIGCHLD is ignored the exit status is the true one, or unknown on an old kernel`(
    method: [String]
  ) throws {
    let lines = try Program("FixturePlainMain", "ignored", environment: method).lines()
    #expect(["exit code 5", "unknown exit status"].contains(lines.last))
  }

  @Test func `without room for descriptors the start fails with the reason, and works again later`() throws {
    let lines = try Program("FixturePlainMain", "crowded").lines()
    #expect(lines.dropFirst().first?.hasPrefix("true ") == true)
    #expect(lines.last == "exit code 6")
  }

  @Test(arguments: NoChildLeftTests.programs)
  func `code of the main actor runs on a worker's main thread`(
    program: (main: String, method: [String])
  ) throws {
    #expect(try Program(program.main, "main-actor", environment: program.method).lines().last == "exit code 42")
  }

  @Test(arguments: NoChildLeftTests.programs)
  func `a function of the program's own module runs in a child, whatever kind of main there is`(
    program: (main: String, method: [String])
  ) throws {
    let lines = try Program(program.main, "child", environment: program.method).lines()
    #expect(lines == ["main", "in the child", "42 exit code 0"])
  }

  @Test func `a child that was not diverted refuses to start children of its own`() throws {
    // As if the constructor had not been there: the order is for another image and stays.
    let program = try Program(
      "FixturePlainMain", "undiverted", environment: ["SPINDLE_WORKER=3:\(getpid()):deadbeef:0:name"])
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
