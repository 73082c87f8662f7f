import Glibc
import SpindleTestSupport
import Testing

/// Whatever ends the program ends its children, whatever they are doing.
@Suite(.oneAtATime) struct NoChildLeftTests {
  static let mains = ["FixturePlainMain", "FixtureAtMain", "FixtureAsyncMain"]

  /// Starts a fixture and waits until both of its children have begun.
  private func begin(_ name: String, _ scenario: String, children: Int = 2) throws -> (Program, [WatchedProcess]) {
    let program = try Program(name, scenario)
    var seen: [WatchedProcess] = []
    while seen.count < children {
      let line = try #require(try program.line(), "the fixture ended early")
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "child" || words[0] == "deaf" {
        seen.append(try #require(WatchedProcess(pid_t(words[1])!)))
      }
    }
    return (program, seen)
  }

  @Test(arguments: mains, ["idle", "busy"])
  func `kill -9 of the parent leaves no child`(main: String, kind: String) throws {
    let (program, children) = try begin(main, kind + "-wait")
    program.signal(SIGKILL)
    #expect(program.wait() == SIGKILL)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"])
  func `Ctrl-C at the terminal leaves no child`(kind: String) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-wait")
    program.signal(SIGINT, group: true)
    #expect(program.wait() == SIGINT)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: mains, ["idle", "busy"])
  func `a return from main leaves no daemon child`(main: String, kind: String) throws {
    let (program, children) = try begin(main, kind + "-return")
    program.say("go")
    #expect(program.wait() == 0)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"])
  func `exit in the parent leaves no daemon child and keeps its code`(kind: String) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-exit")
    program.say("go")
    #expect(program.wait() == 3 << 8)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"])
  func `_exit in the parent leaves no child`(kind: String) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-_exit")
    program.say("go")
    #expect(program.wait() == 4 << 8)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"])
  func `a trap in the parent leaves no child`(kind: String) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-trap")
    program.say("go")
    #expect(program.wait() & 0x7f != 0)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["wait", "exit", "trap"])
  func `a child that closed its socket and ignores signals ends with the parent`(end: String) throws {
    let (program, children) = try begin("FixturePlainMain", "deaf-" + end)
    program.say("go")
    if end == "wait" { program.signal(SIGKILL) }
    _ = program.wait()
    for child in children { #expect(child.ends()) }
  }

  @Test func `kill -9 of the program ends the children of its children`() throws {
    let (program, family) = try begin("FixturePlainMain", "nested")
    program.signal(SIGKILL)
    _ = program.wait()
    for member in family { #expect(member.ends()) }
  }

  @Test(arguments: mains)
  func `a child never runs main, sees the same arguments, a clean signal mask and no descriptor of its parent`(
    main: String
  ) throws {
    let program = try Program(main, "environment")
    let lines = try program.lines()
    #expect(lines.count { $0 == "main" } == 1)
    #expect(lines.contains("role true describer true"))
    #expect(lines.contains("arguments environment"))
    #expect(lines.contains("blocked []"))
    #expect(lines.contains { $0.hasSuffix("inherited [0, 1, 2]") })
    #expect(lines.contains("order none"))
    #expect(lines.last == "exit code 0")
    #expect(program.wait() == 0)
  }

  @Test func `the program waits at its end for children that are no daemons`() throws {
    let program = try Program("FixturePlainMain", "awaited")
    var said: [String] = []
    while said.count < 3, let line = try program.line() { said.append(line) }
    #expect(Set(said) == ["main", "main returns", "begun"])
    program.say("go")
    #expect(try program.lines() == ["finished by itself", "exit code 0"])
    #expect(program.wait() == 0)
  }
}
