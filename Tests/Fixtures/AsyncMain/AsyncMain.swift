import FixtureScenarios
import Spindle

@main
struct AsyncMain {
  static func double(_ n: Int) async -> Int {
    await Task.yield()
    print("in the child")
    return 2 * n
  }

  static func main() async throws {
    let startedAs = CommandLine.arguments.dropFirst().first ?? "nothing"
    say("main")
    await Task.yield()
    guard startedAs == "child" else { return run(scenario: startedAs) }
    let child = ChildProcess(target: double, 21, startMethod: startMethod)
    child.start()
    say("\(try await child.join()) \(child.exitStatus!)")
  }
}
