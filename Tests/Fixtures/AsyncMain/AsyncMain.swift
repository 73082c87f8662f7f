import FixtureScenarios

@main
struct AsyncMain {
  static func main() async {
    say("main")
    await Task.yield()
    run(scenario: CommandLine.arguments.dropFirst().first ?? "nothing")
  }
}
