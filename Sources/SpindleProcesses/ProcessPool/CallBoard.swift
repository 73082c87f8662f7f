/// Which call runs where: the rules of a process pool as a value, without processes, threads or bytes.
///
/// Somebody tells it what happened (`add`, `workerIsReady`, `workerFinished`, `workerEnded`, `close`) and then asks `next`
/// for steps to take until there are none. Calls are handed out first in, first out, one at a time to each worker, so that
/// a call which has not begun can still be cancelled, and waits behind no other.
///
///     starting ──► idle ◄──► running ──► dismissed ──► gone
///
/// A dismissed worker counts no more: however long it takes to end, others take its place.
package struct CallBoard<Call> {
  package enum Step {
    /// Start a worker with this number.
    case start(Int)
    /// Hand the call to the worker.
    case run(Call, Int)
    /// Tell the worker to end.
    case dismiss(Int)
    /// No worker can be started: these calls have no hope.
    case giveUp([Call])
    /// Nothing is to be done any more, and no worker is left. Comes once.
    case end
  }

  private enum Phase {
    case starting, idle, dismissed
    case running(Call)
  }

  private struct Worker {
    var phase = Phase.starting
    var finished = 0
  }

  /// So many starts in a row may fail.
  static var patience: Int { 3 }

  let maxWorkers: Int
  let maxTasksPerChild: Int
  private var line = CallLine<Call>()
  private var workers: [Int: Worker] = [:]
  /// The last to become idle is the first to get a call: the others stay asleep.
  private var idle: [Int] = []
  private var spent: [Int] = []
  private var starting = 0
  private var dismissed = 0
  private var lastNumber = -1
  private var failedStarts = 0
  package private(set) var isClosed = false
  private var hasEnded = false

  package init(maxWorkers: Int, maxTasksPerChild: Int? = nil) {
    self.maxWorkers = maxWorkers
    self.maxTasksPerChild = maxTasksPerChild ?? .max
  }

  // MARK: What happened

  package mutating func add(_ call: Call) { line.append(call) }

  /// A call that had been handed out without being begun is the next one again.
  package mutating func putBack(_ call: Call) { line.prepend(call) }

  package mutating func workerIsReady(_ number: Int) {
    guard case .starting? = workers[number]?.phase else { return }
    starting -= 1
    failedStarts = 0
    workers[number]!.phase = .idle
    idle.append(number)
  }

  /// The worker is done with its call. Nil when it had none.
  package mutating func workerFinished(_ number: Int) -> Call? {
    guard case .running(let call)? = workers[number]?.phase else { return nil }
    failedStarts = 0
    workers[number]!.finished += 1
    if workers[number]!.finished >= maxTasksPerChild {
      dismiss(number)
    } else {
      workers[number]!.phase = .idle
      idle.append(number)
    }
    return call
  }

  /// The worker is gone, or never came. Gives the call that it had in hand.
  package mutating func workerEnded(_ number: Int) -> Call? {
    guard let worker = workers.removeValue(forKey: number) else { return nil }
    switch worker.phase {
    case .starting:
      starting -= 1
      failedStarts += 1
    case .idle: idle.removeAll { $0 == number }
    case .dismissed:
      dismissed -= 1
      spent.removeAll { $0 == number }
    case .running(let call): return call
    }
    return nil
  }

  /// Takes in nothing more. What is in line is still done.
  package mutating func close() { isClosed = true }

  /// Takes all that is in line.
  package mutating func drain() -> [Call] { line.removeAll() }

  // MARK: What to do

  /// The next step; nil when there is none until something else happens. `claim` takes the right to run a call, and is
  /// false for one that was cancelled.
  package mutating func next(claim: (Call) -> Bool) -> Step? {
    if let number = spent.popLast() { return .dismiss(number) }
    while let number = idle.last, let call = line.popFirst() {
      guard claim(call) else { continue }
      idle.removeLast()
      workers[number]!.phase = .running(call)
      return .run(call, number)
    }
    let active = workers.count - dismissed
    if line.count > 0 {
      if failedStarts >= Self.patience {
        if active == 0 { return .giveUp(line.removeAll()) }
      } else if active < maxWorkers, starting < line.count {
        lastNumber += 1
        starting += 1
        workers[lastNumber] = Worker()
        return .start(lastNumber)
      }
    } else if isClosed {
      if let number = idle.popLast() {
        dismiss(number)
        return .dismiss(spent.removeLast())
      }
      if workers.isEmpty, !hasEnded {
        hasEnded = true
        return .end
      }
    }
    return nil
  }

  private mutating func dismiss(_ number: Int) {
    workers[number]!.phase = .dismissed
    dismissed += 1
    spent.append(number)
  }

  var workerCount: Int { workers.count }
  var lineCount: Int { line.count }
}

/// First in, first out, and back to the front.
private struct CallLine<Call> {
  private var calls: [Call?] = []
  private var first = 0

  var count: Int { calls.count - first }

  mutating func append(_ call: Call) { calls.append(call) }

  mutating func prepend(_ call: Call) {
    if first > 0 {
      first -= 1
      calls[first] = call
    } else {
      calls.insert(call, at: 0)
    }
  }

  mutating func popFirst() -> Call? {
    guard first < calls.count else { return nil }
    let call = calls[first].take()
    first += 1
    // Amortised O(1): what is moved is at most what was taken.
    if first == calls.count {
      calls.removeAll(keepingCapacity: first <= 1024)
      first = 0
    } else if first >= 64, first * 2 >= calls.count {
      calls.removeFirst(first)
      first = 0
    }
    return call
  }

  mutating func removeAll() -> [Call] {
    defer { self = CallLine() }
    return calls[first...].compactMap { $0 }
  }
}
