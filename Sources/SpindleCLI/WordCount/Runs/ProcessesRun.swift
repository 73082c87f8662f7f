import Spindle

/// One thread finds the files and hands them through a bounded queue to the processes of a pool. Each of those has a table
/// of its own; the tables are added up here.
///
/// What a worker that died had not handed over is counted here: what killed that one, the system short of memory say,
/// need not lose a count.
func countOnProcesses(_ work: Work, into counting: Counting) -> Search {
  let batches = SharedBatches(work)
  let finder = findFiles(work, into: batches)
  withProcessPool(maxWorkers: work.workers) { pool in
    func beginPart() -> Future<Part> { pool.submit(countPart, batches.queue, batches.done) }
    var parts = (0..<work.workers).map { _ in beginPart() }
    // A worker that died is replaced; not for ever, if workers do nothing but die.
    var replacements = 2 * work.workers
    while !parts.isEmpty {
      let ended = wait(for: parts, until: .firstCompleted).done[0]
      parts.removeAll { $0 === ended }
      do {
        let part = try ended.result()
        // Before its counts are added, so that the workers go on, or end, meanwhile.
        if !part.isLast { parts.append(beginPart()) } else if parts.isEmpty { pool.shutdown(wait: false) }
        counting.add(part.counted)
        batches.remove(part.batches)
      } catch {
        // A signal to all processes of the group ends the workers too.
        if work.shouldStop() { continue }
        Console.shared.say("\(error); its files are counted by the main process")
        replacements -= 1
        if replacements > 0 { parts.append(beginPart()) }
      }
    }
  }
  // All that is in the queue when no worker lives, and what dead ones had taken.
  for batch in batches.queue {
    counting.count(batch, shouldStop: work.shouldStop)
    batches.remove([batch.number])
  }
  for batch in batches.left { counting.count(batch, shouldStop: work.shouldStop) }
  work.tally.set(files: counting.files, bytes: counting.bytes)
  return finder.join()
}

/// What one call of a worker process comes to: as many batches as it hands over at once.
private struct Part: Codable, Sendable {
  var counted: Counted
  /// The numbers of the batches.
  var batches: [Int]
  /// There are no more.
  var isLast: Bool

  /// So much is lost with a worker at most, and kept in mind by the main process until then.
  static let bytes = 512 << 20
  static let pieces = 1 << 16
}

/// How far the workers are.
struct Done: BitwiseCopyable, Sendable {
  var files = 0
  var bytes = 0
}

/// What a worker process does: counts one batch after the other, as a worker thread does.
private func countPart(_ queue: SharedQueue<Batch>, _ done: SharedValue<Done>) throws -> Part {
  let counting = Counting()
  var (batches, pieces): ([Int], Int) = ([], 0)
  while counting.bytes < Part.bytes, pieces < Part.pieces {
    guard let batch = try? queue.get() else {
      return Part(counted: try counting.counted(), batches: batches, isLast: true)
    }
    let tally = Tally()
    counting.count(batch, tally: tally)
    done.withLock { done in
      done.files += tally.files
      done.bytes += tally.bytes
    }
    batches.append(batch.number)
    pieces += batch.count
  }
  return Part(counted: try counting.counted(), batches: batches, isLast: false)
}

/// The queue to the worker processes; and what went through it, until its counts have come back.
private final class SharedBatches: BatchQueue {
  let queue: SharedQueue<Batch>
  let done = SharedValue(Done())
  private let tally: Tally
  private let given = Guarded<(batches: [Int: Batch], count: Int)>(([:], 0))

  init(_ work: Work) {
    queue = SharedQueue(capacity: Work.queueCapacity)
    tally = work.tally
  }

  func add(_ batch: Batch) -> Bool {
    var batch = batch
    given.withLock { given in
      given.count += 1
      batch.number = given.count
      given.batches[given.count] = batch
    }
    // That it cannot be sent is no end of the search: it is kept, and counted by the main process.
    do { try queue.put(batch) } catch QueueError.shutDown { return false } catch {}
    let done = done.value
    tally.set(files: done.files, bytes: done.bytes)
    return true
  }

  func shutdown(immediate: Bool) { queue.shutdown(immediate: immediate) }

  func remove(_ numbers: [Int]) {
    given.withLock { given in for number in numbers { given.batches[number] = nil } }
  }

  /// What was given out and has not come back.
  var left: [Batch] { given.withLock { Array($0.batches.values) } }
}
