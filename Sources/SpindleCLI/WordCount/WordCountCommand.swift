import ArgumentParser
import Glibc
import Spindle

/// `spindle wordcount`.
struct WordCountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wordcount",
    abstract: "Count the words of all files below the paths: serially, on threads, on processes.",
    discussion: """
      A word is a maximal run of ASCII letters; upper and lower case are the same. Every regular file is counted once, \
      however many links lead to it: symbolic links are followed, hard links are names of one file. Pipes, sockets and \
      devices are passed over. What cannot be read is reported, skipped, and makes the exit status 1.

      Files are found by one thread and handed through a bounded queue to a pool of threads or processes; large files go \
      in pieces that never cut a word. The mode "all" runs the three, after reading the files once so that none of them \
      waits for the disk, checks that their counts are equal, and compares their speed.
      """)

  enum Modes: String, CaseIterable, ExpressibleByArgument {
    case serial, threads, processes, all

    var modes: [Mode] { Mode(rawValue: rawValue).map { [$0] } ?? Mode.allCases }
  }

  @Argument(help: "Files and directories.", completion: .file())
  var paths: [String]

  @Option(help: "Who counts.")
  var mode: Modes = .threads

  @Option(help: "How many threads or processes count (default: the cores this process may use).")
  var workers: Int?

  @Option(help: "How many of the most frequent words are shown.")
  var top = 10

  @Flag(help: "Write one JSON object on standard output, and nothing else there.")
  var json = false

  mutating func validate() throws {
    if let workers, workers < 1 { throw ValidationError("--workers \(workers): at least one has to count.") }
    if let workers, workers > 1024 { throw ValidationError("--workers \(workers): 1024 is the most.") }
    if top < 0 { throw ValidationError("--top \(top): a number of words is 0 or more.") }
  }

  func run() throws {
    let paths = paths.map { FilePath($0) }
    guard checkThatAllExist(paths) else { throw ExitCode(ExitStatus.usage.code) }
    let status = WordCount(paths: paths, modes: mode.modes, workers: workers ?? Processors.available, top: top).run(
      json: json)
    if status != 0 { throw ExitCode(status) }
  }

  /// Says which paths do not exist: a mistyped one is noticed before anything is counted.
  private func checkThatAllExist(_ paths: [FilePath]) -> Bool {
    var allExist = true
    for path in paths {
      guard case .failure(let error) = FileSystem.status(of: path.bytes) else { continue }
      guard error.code == ENOENT || error.code == ENOTDIR else { continue }
      let isLink = if case .success = FileSystem.status(of: path.bytes, link: true) { true } else { false }
      Console.shared.say("\(path): \(isLink ? "a link that leads nowhere" : "no such file or directory")")
      allExist = false
    }
    return allExist
  }
}
