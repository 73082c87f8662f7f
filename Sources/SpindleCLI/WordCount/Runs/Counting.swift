/// What a worker has counted, ready to be handed to another process.
struct Counted: Codable, Sendable {
  var words: WordCounts
  var bytes: Int
  /// Pieces that begin a file.
  var files: Int
  var problems: [FileProblem]
}

/// One worker's counting: a counter, and what could not be read.
// SAFETY: one thread at a time has it: the worker's, then that of who adds it up, who has waited for the worker's end.
final class Counting: @unchecked Sendable {
  private var counter = PieceCounter()
  private(set) var bytes = 0
  private(set) var files = 0
  private var problems: [FileProblem] = []

  /// Counts a piece and says how many bytes of it there were.
  func count(_ piece: Piece, isCounting: Bool = true, shouldStop: () -> Bool = { false }) -> Int {
    let outcome = counter.count(piece, isCounting: isCounting, shouldStop: shouldStop)
    bytes += outcome.bytes
    if let problem = outcome.problem {
      problems.append(problem)
    } else if piece.start == 0 {
      files += 1
    }
    return outcome.bytes
  }

  func count(_ batch: Batch, isCounting: Bool = true, tally: Tally? = nil, shouldStop: () -> Bool = { false }) {
    batch.each { piece in
      let before = files
      let bytes = count(piece, isCounting: isCounting, shouldStop: shouldStop)
      tally?.add(files: files - before, bytes: bytes)
      return !shouldStop()
    }
  }

  /// Adds what another worker has counted, which that one has no more.
  func add(_ other: Counting) {
    if counter.table.uniqueCount == 0 {
      swap(&counter.table, &other.counter.table)
    } else {
      counter.table.add(other.counter.table)
    }
    bytes += other.bytes
    files += other.files
    problems += other.problems
  }

  /// The same from another process.
  func add(_ counted: Counted) {
    counted.words.add(to: &counter.table)
    bytes += counted.bytes
    files += counted.files
    problems += counted.problems
  }

  /// What is handed to another process; throws when there is no memory for it.
  func counted() throws -> Counted {
    Counted(words: try WordCounts(counter.table), bytes: bytes, files: files, problems: problems)
  }

  /// The end of a run in which `found` files were found, with other `problems` on the way.
  func result(
    _ work: Work, found: Int, problems others: [FileProblem]
  ) -> (summary: WordSummary, outcome: RunOutcome) {
    let unread = Set(problems.map(\.path))
    let skipped = Set(problems + others)
    return (
      WordSummary(counter.table, top: work.top),
      RunOutcome(files: found - unread.count, bytes: bytes, problems: skipped.sorted { $0.path < $1.path })
    )
  }
}

/// What is to be counted, and by how many.
struct Work: Sendable {
  let paths: [FilePath]
  let workers: Int
  let top: Int
  let tally: Tally
  /// So many batches wait in a queue at most: 256 MB of files as a rule, some megabytes of paths.
  ///
  /// As many as cost nothing: a finder that is let in for one batch at a time is woken for each, and takes a core from who counts.
  static let queueCapacity = 256
  let shouldStop: @Sendable () -> Bool
}

/// What a run met besides words.
struct RunOutcome: Equatable, Sendable {
  var files: Int
  var bytes: Int
  var problems: [FileProblem]
}
