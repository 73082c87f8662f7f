import Spindle

/// What a worker process does: counts one batch and hands its counts back.
private func countBatch(_ batch: Batch) -> Counted {
  let counting = Counting()
  counting.count(batch)
  return counting.counted
}

/// One thread finds the files and hands them through a bounded queue to this one, which gives them to the processes of a
/// pool and adds up what comes back.
///
/// Two batches for each worker are under way, so that none waits for this thread, and no more, so that memory stays
/// bounded. A batch whose worker died is counted here: what killed that one, the system short of memory say, need not
/// lose a count.
func countOnProcesses(_ work: Work, into counting: Counting) -> Search {
  let queue = Queue<Batch>(capacity: work.workers)
  let finder = findFiles(work, into: queue, largestBatch: 8 << 20)
  withProcessPool(maxWorkers: work.workers) { pool in
    var underWay = UnderWay(work: work, counting: counting)
    for batch in queue {
      if work.shouldStop() { break }
      if underWay.count >= 2 * work.workers { underWay.collectFirst() }
      underWay.append(batch, pool.submit(countBatch, batch))
    }
    while underWay.count > 0, !work.shouldStop() { underWay.collectFirst() }
    if work.shouldStop() {
      // The finder may wait for room in the queue.
      queue.shutdown(immediate: true)
      pool.shutdown(wait: false, cancelFutures: true)
    }
  }
  return finder.join()
}

/// The batches that the workers have, the oldest first.
private struct UnderWay {
  let work: Work
  let counting: Counting
  private var calls: [(batch: Batch, future: Future<Counted>)] = []

  init(work: Work, counting: Counting) {
    self.work = work
    self.counting = counting
  }

  var count: Int { calls.count }

  mutating func append(_ batch: Batch, _ future: Future<Counted>) { calls.append((batch, future)) }

  /// Waits for the oldest, and adds its counts.
  mutating func collectFirst() {
    let (batch, future) = calls.removeFirst()
    do {
      let counted = try future.result()
      counting.add(counted)
      work.tally.add(files: counted.files, bytes: counted.bytes)
    } catch {
      // A signal to all processes of the group ends the workers too.
      if work.shouldStop() { return }
      Console.shared.say("\(error); its files are counted by the main process")
      counting.count(batch, tally: work.tally, shouldStop: work.shouldStop)
    }
  }
}
