/// One count of all files.
struct Run: Sendable {
  let mode: Mode
  let workers: Int
  let seconds: Double
  let summary: WordSummary
  let outcome: RunOutcome

  /// Counts the files in one mode, from the first look at a path to the last merged count.
  init(_ mode: Mode, _ work: Work) {
    let clock = ContinuousClock()
    let start = clock.now
    let counting = Counting()
    let search =
      switch mode {
      case .serial: countSerially(work, into: counting)
      case .threads: countOnThreads(work, into: counting)
      case .processes: countOnProcesses(work, into: counting)
      }
    let (summary, outcome) = counting.result(work, found: search.files, problems: search.problems)
    self.seconds = (clock.now - start) / .seconds(1)
    self.mode = mode
    workers = mode == .serial ? 1 : work.workers
    self.summary = summary
    self.outcome = outcome
  }
}
