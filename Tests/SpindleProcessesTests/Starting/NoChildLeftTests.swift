import Glibc
import SpindleTestSupport
import Testing

/// Whatever ends the program ends its children, whatever they are doing.
@Suite(.oneAtATime) struct NoChildLeftTests {
  static let mains = ["FixturePlainMain", "FixtureAtMain", "FixtureAsyncMain"]
  /// Each kind of main with each start method, told by the environment.
  static let programs: [(main: String, method: [String])] = mains.flatMap {
    [($0, []), ($0, ["FIXTURE_START=forkServer"])]
  }
  static let methods: [[String]] = [[], ["FIXTURE_START=forkServer"]]

  /// Starts a fixture and waits until both of its children have begun.
  private func begin(_ name: String, _ scenario: String, _ method: [String]) throws -> (Program, [WatchedProcess]) {
    let program = try Program(name, scenario, environment: method)
    var seen: [WatchedProcess] = []
    while seen.count < 2 {
      let line = try #require(try program.line(), "the fixture ended early")
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "child" || words[0] == "deaf" {
        seen.append(try #require(WatchedProcess(pid_t(words[1])!)))
      }
    }
    return (program, seen)
  }

  @Test(arguments: programs, ["idle", "busy"])
  func `kill -9 of the parent leaves no child`(program: (main: String, method: [String]), kind: String) throws {
    let (program, children) = try begin(program.main, kind + "-wait", program.method)
    program.signal(SIGKILL)
    #expect(program.wait() == SIGKILL)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"], methods)
  func `Ctrl-C at the terminal leaves no child`(kind: String, method: [String]) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-wait", method)
    program.signal(SIGINT, group: true)
    #expect(program.wait() == SIGINT)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: programs, ["idle", "busy"])
  func `a return from main leaves no daemon child`(program: (main: String, method: [String]), kind: String) throws {
    let (program, children) = try begin(program.main, kind + "-return", program.method)
    program.say("go")
    #expect(program.wait() == 0)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"], methods)
  func `exit in the parent leaves no daemon child and keeps its code`(kind: String, method: [String]) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-exit", method)
    program.say("go")
    #expect(program.wait() == 3 << 8)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"], methods)
  func `_exit in the parent leaves no child`(kind: String, method: [String]) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-_exit", method)
    program.say("go")
    #expect(program.wait() == 4 << 8)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["idle", "busy"], methods)
  func `a trap in the parent leaves no child`(kind: String, method: [String]) throws {
    let (program, children) = try begin("FixturePlainMain", kind + "-trap", method)
    program.say("go")
    #expect(program.wait() & 0x7f != 0)
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: ["wait", "exit", "trap"], methods)
  func `a child that closed its socket and ignores signals ends with the parent`(end: String, method: [String]) throws {
    let (program, children) = try begin("FixturePlainMain", "deaf-" + end, method)
    program.say("go")
    if end == "wait" { program.signal(SIGKILL) }
    _ = program.wait()
    for child in children { #expect(child.ends()) }
  }

  @Test(arguments: methods) func `kill -9 of the program ends the children of its children`(method: [String]) throws {
    let (program, family) = try begin("FixturePlainMain", "nested", method)
    program.signal(SIGKILL)
    _ = program.wait()
    for member in family { #expect(member.ends()) }
  }

  @Test(arguments: programs)
  func `a child never runs main, sees the same arguments, a clean signal mask and no descriptor of its parent`(
    kind: (main: String, method: [String])
  ) throws {
    let program = try Program(kind.main, "environment", environment: kind.method)
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

  @Test(arguments: methods)
  func `the program waits at its end for children that are no daemons`(method: [String]) throws {
    let program = try Program("FixturePlainMain", "awaited", environment: method)
    var said: [String] = []
    while said.count < 3, let line = try program.line() { said.append(line) }
    #expect(Set(said) == ["main", "main returns", "begun"])
    program.say("go")
    #expect(try program.lines() == ["finished by itself", "exit code 0"])
    #expect(program.wait() == 0)
  }
}
