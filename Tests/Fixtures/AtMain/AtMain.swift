import FixtureScenarios
import Spindle

@main
struct AtMain {
  static func double(_ n: Int) -> Int {
    print("in the child")
    return 2 * n
  }

  static func main() throws {
    let startedAs = CommandLine.arguments.dropFirst().first ?? "nothing"
    say("main")
    guard startedAs == "child" else { return run(scenario: startedAs) }
    let child = ChildProcess(target: double, 21, startMethod: startMethod)
    child.start()
    say("\(try child.join()) \(child.exitStatus!)")
  }
}
