import FixtureScenarios

@main
struct AtMain {
  static func main() {
    say("main")
    run(scenario: CommandLine.arguments.dropFirst().first ?? "nothing")
  }
}
