import ArgumentParser
import Glibc

/// The `spindle` command.
@main
struct SpindleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spindle",
    abstract: "Threads, queues, futures and processes for Swift: shown live, and put to work.",
    discussion: """
      Exit status: 0 all is well; 1 a file was skipped, or an outcome was not the documented one; 2 wrong usage, \
      no such path; 3 the modes of a count disagree; 130 ended by Ctrl-C.
      """,
    version: "0.1.0",
    subcommands: [WordCountCommand.self, TourCommand.self])

  static func main() {
    StandardDescriptors.repair()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      // The parser's own status for wrong usage is 64; 2 is what this command promises and other tools give.
      guard code == .validationFailure else { exit(withError: error) }
      Console.shared.write(fullMessage(for: error) + "\n")
      Glibc.exit(ExitStatus.usage.code)
    }
  }
}

/// With what the command ends.
enum ExitStatus: Int32 {
  case success = 0
  /// Something was skipped, or not as documented.
  case incomplete = 1
  /// Wrong usage, or no such path.
  case usage = 2
  /// The modes counted differently.
  case disagreement = 3

  var code: Int32 { rawValue }
}
