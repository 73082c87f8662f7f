import FixtureScenarios

let startedAs = CommandLine.arguments.dropFirst().first ?? "nothing"
say("main")
run(scenario: startedAs)
