import Spindle

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
