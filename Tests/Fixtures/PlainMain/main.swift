import FixtureScenarios
import Spindle

let startedAs = CommandLine.arguments.dropFirst().first ?? "nothing"

func double(_ n: Int) -> Int {
  print("in the child")  // buffered where stdout is a pipe: it must come out all the same
  return 2 * n
}

say("main")
if startedAs == "child" {
  let child = ChildProcess(target: double, 21, startMethod: startMethod)
  child.start()
  say("\(try child.join()) \(child.exitStatus!)")
} else {
  run(scenario: startedAs)
}
