import Spindle

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
