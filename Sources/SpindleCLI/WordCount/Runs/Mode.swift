import ArgumentParser
import Spindle

/// How the files are counted.
enum Mode: String, CaseIterable, ExpressibleByArgument, Sendable {
  /// By the thread that finds them.
  case serial
  /// On a `ThreadPool`.
  case threads
}

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
      }
    let (summary, outcome) = counting.result(work, found: search.files, problems: search.problems)
    self.seconds = (clock.now - start) / .seconds(1)
    self.mode = mode
    workers = mode == .serial ? 1 : work.workers
    self.summary = summary
    self.outcome = outcome
  }
}

/// What the search for files came to.
struct Search: Sendable {
  var files = 0
  var problems: [FileProblem] = []

  /// Searches the paths and hands each file to `found`, which returns false to end.
  init(_ work: Work, found: (FoundFile) -> Bool) {
    var (files, problems): (Int, [FileProblem]) = (0, [])
    withoutActuallyEscaping(found) { found in
      var finder = FileFinder(
        found: { file in
          files += 1
          return found(file) && !work.shouldStop()
        },
        problem: { problem in problems.append(problem) })
      for path in work.paths where !finder.search(path) { break }
    }
    (self.files, self.problems) = (files, problems)
  }
}

/// One thread finds and counts. The same loop over the same pieces as the other modes have.
func countSerially(_ work: Work, into counting: Counting) -> Search {
  Search(work) { file in
    Piece.each(of: file) { piece in
      let bytes = counting.count(piece, shouldStop: work.shouldStop)
      work.tally.add(files: piece.start == 0 ? 1 : 0, bytes: bytes)
      return !work.shouldStop()
    }
  }
}

/// One thread finds the files and hands them through a bounded queue to the threads of a pool. Each of those has a table
/// of its own; the tables are added up at the end.
func countOnThreads(_ work: Work, into counting: Counting, isCounting: Bool = true) -> Search {
  let queue = Queue<Batch>(capacity: work.workers * 2)
  let finder = findFiles(work, into: queue, largestBatch: 1 << 20)
  let parts = withThreadPool(maxWorkers: work.workers, threadNamePrefix: "counter") { pool in
    let futures = (0..<work.workers).map { _ in
      pool.submit {
        let counting = Counting()
        for batch in queue {
          counting.count(batch, isCounting: isCounting, tally: work.tally, shouldStop: work.shouldStop)
        }
        return counting.counted
      }
    }
    return futures.map { future in Result { try future.result() } }
  }
  for part in parts {
    guard case .success(let counted) = part else { preconditionFailure("a job that throws nothing failed: \(part)") }
    counting.add(counted)
  }
  return finder.join()
}

/// The thread that finds the files. The queue is shut down behind the last one.
///
/// It waits while the queue is full: so no more files are in flight than the queue and the workers hold.
func findFiles(_ work: Work, into queue: Queue<Batch>, largestBatch: Int) -> OSThread<Search, Never> {
  OSThread.spawn(name: "finder") {
    var batcher = Batcher(largest: largestBatch) { batch in
      // An end that was asked for leaves nobody who gets.
      (try? queue.put(batch)) != nil
    }
    let search = Search(work) { batcher.add($0) }
    batcher.flush()
    queue.shutdown(immediate: work.shouldStop())
    return search
  }
}
