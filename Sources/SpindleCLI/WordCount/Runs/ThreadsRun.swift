import Spindle

/// One thread finds the files and hands them through a bounded queue to the threads of a pool. Each of those has a table
/// of its own; the tables are added up at the end.
func countOnThreads(_ work: Work, into counting: Counting, isCounting: Bool = true) -> Search {
  let queue = Queue<Batch>(capacity: Work.queueCapacity)
  let finder = findFiles(work, into: queue)
  withThreadPool(maxWorkers: work.workers, threadNamePrefix: "counter") { pool in
    let parts = (0..<work.workers).map { _ in
      pool.submit {
        let part = Counting()
        for batch in queue {
          part.count(batch, isCounting: isCounting, tally: work.tally, shouldStop: work.shouldStop)
        }
        return part
      }
    }
    for part in parts {
      guard let part = try? part.result() else { preconditionFailure("a job that throws nothing failed: \(part)") }
      counting.add(part)
    }
  }
  return finder.join()
}
