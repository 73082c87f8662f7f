import ArgumentParser

/// `spindle tour`.
struct TourCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tour",
    abstract: "The cheat sheet, run live: every line from Python in Swift, and what it did.",
    discussion: "Sections: \(Tour.sections.map(\.name).joined(separator: ", ")). Without one, all.")

  @Argument(help: "The section to run.")
  var section: String?

  @Flag(help: "Print all of it as the documentation's article instead of running it.")
  var article = false

  func run() throws {
    if article {
      Output.write(Tour.article)
      return
    }
    var sections = Tour.sections
    if let section {
      sections = sections.filter { $0.name == section }
      if sections.isEmpty {
        let names = Tour.sections.map(\.name).joined(separator: ", ")
        Console.shared.say("there is no section \"\(section)\"; there are \(names)")
        throw ExitCode(ExitStatus.usage.code)
      }
    }
    let guide = TourGuide(style: Style.forOutput)
    if !guide.show(sections) { throw ExitCode(ExitStatus.incomplete.code) }
  }
}
