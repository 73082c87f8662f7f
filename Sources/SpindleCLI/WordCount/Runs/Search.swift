import Spindle

/// What the search for files came to.
package struct Search: Sendable {
  package var files = 0
  package var problems: [FileProblem] = []

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

/// Where the finder puts what it has found.
protocol BatchQueue: Sendable {
  /// Waits while there is no room. False when nobody gets any more.
  func add(_ batch: Batch) -> Bool
  func shutdown(immediate: Bool)
}

extension Queue: BatchQueue where Element == Batch {
  func add(_ batch: Batch) -> Bool { (try? put(batch)) != nil }
}

/// The thread that finds the files. The queue is shut down behind the last one.
///
/// It waits while the queue is full: so memory is bounded, however many files there are.
func findFiles(_ work: Work, into queue: some BatchQueue) -> OSThread<Search, Never> {
  OSThread.spawn(name: "finder") {
    var batcher = Batcher(largest: 1 << 20) { batch in
      !work.shouldStop() && queue.add(batch)
    }
    let search = Search(work) { batcher.add($0) }
    batcher.flush()
    queue.shutdown(immediate: work.shouldStop())
    return search
  }
}
