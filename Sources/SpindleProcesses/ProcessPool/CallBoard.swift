/// Which call runs where: the rules of a process pool as a value, without processes, threads or bytes.
///
/// Somebody tells it what happened (`add`, `workerIsReady`, `workerFinished`, `workerEnded`, `close`) and then asks
/// `next` for steps to take until there are none. Calls begin first in, first out.
///
///     starting ──► active ──► dismissed ──► gone
///
/// An active worker has calls in hand: the first runs, the others have been handed ahead, so that it need not ask for
/// each. How many that may be (`pace`) depends on how long its calls take: none while they are long, as there is
/// nothing to gain then. Where calls handed ahead would wait behind a long one while another worker is idle, they are
/// taken back: after `next` has been asked to the end, no call waits in a hand while a worker is idle, unless it
/// could not be taken back.
///
/// A dismissed worker counts no more: however long it takes to end, others take its place. Workers are known by their
/// seats, small numbers that are used again.
package struct CallBoard<Call: Equatable> {
  package enum Step {
    /// Start a worker for this seat.
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

  private enum Phase { case starting, active, dismissed }

  private struct Worker {
    var phase = Phase.starting
    var hand: [Call] = []
    var finished = 0
    /// How many calls may be in its hand.
    var pace = 1
    /// The value of `finished` of the board when this worker last finished a call.
    var lastFinish = 0
  }

  /// So many starts in a row may fail. That somebody killed a worker as it started says nothing of the next start: ten times as many.
  private static var patience: Int { 3 * failure }
  private static var failure: Int { 10 }
  /// A worker that has finished nothing while the others finished so many calls for each of its own has a long one.
  static var slowness: Int { 16 }

  let maxWorkers: Int
  let maxTasksPerChild: Int
  private var line = CallLine<Call>()
  private var workers: [Worker?] = []
  /// The last to become idle is the first to get a call: the others stay asleep.
  private var idle: [Int] = []
  private var spent: [Int] = []
  private var starting = 0
  private var dismissed = 0
  /// In a row, as far as `patience` goes.
  private var failedStarts = 0
  /// Calls in hands that are not the first there.
  private var ahead = 0
  private var finished = 0
  /// Where the search for a worker with room begins.
  private var turn = -1
  /// No worker has room, as far as is known.
  private var isFull = false
  private var isEven = true
  package private(set) var isClosed = false
  private var hasEnded = false
  package private(set) var workerCount = 0

  package init(maxWorkers: Int, maxTasksPerChild: Int? = nil) {
    self.maxWorkers = maxWorkers
    self.maxTasksPerChild = maxTasksPerChild ?? .max
  }

  // MARK: What happened

  package mutating func add(_ call: Call) { line.append(call) }

  /// Calls that had been handed out without being begun are the next ones again.
  package mutating func putBack(_ calls: [Call]) { line.prepend(calls) }

  package mutating func workerIsReady(_ seat: Int) {
    guard workers[seat]?.phase == .starting else { return }
    starting -= 1
    failedStarts = 0
    workers[seat]!.phase = .active
    workers[seat]!.lastFinish = finished
    becomeIdle(seat)
  }

  /// The worker is done with the first call in its hand. Nil when it had none.
  package mutating func workerFinished(_ seat: Int) -> Call? {
    guard workers[seat]?.hand.isEmpty == false else { return nil }
    failedStarts = 0
    finished += 1
    isFull = false
    workers[seat]!.lastFinish = finished
    workers[seat]!.finished += 1
    return takeFromHand(seat, at: 0)
  }

  /// A call was taken back from the hand of a worker that had not begun it.
  package mutating func remove(_ call: Call, from seat: Int) {
    guard let place = workers[seat]?.hand.firstIndex(of: call) else { return }
    _ = takeFromHand(seat, at: place)
    isFull = false
  }

  private mutating func takeFromHand(_ seat: Int, at place: Int) -> Call {
    let call = workers[seat]!.hand.remove(at: place)
    if workers[seat]!.hand.isEmpty {
      if workers[seat]!.phase == .active {
        if workers[seat]!.finished >= maxTasksPerChild { dismiss(seat) } else { becomeIdle(seat) }
      }
    } else {
      ahead -= 1
    }
    return call
  }

  private mutating func becomeIdle(_ seat: Int) {
    idle.append(seat)
    isFull = false
    isEven = false
  }

  /// The worker shall run nothing more: it is dismissed as soon as its hand is empty, and counts no more.
  package mutating func retire(_ seat: Int) {
    guard workers[seat]?.phase == .active else { return }
    idle.removeAll { $0 == seat }
    workers[seat]!.phase = .dismissed
    dismissed += 1
    spent.append(seat)
  }

  /// The worker is gone, or never came. Gives the calls that it had in hand.
  /// `wasKilled`: by somebody else, for no fault of its own.
  package mutating func workerEnded(_ seat: Int, wasKilled: Bool = false) -> [Call] {
    guard seat < workers.count, let worker = workers[seat] else { return [] }
    workers[seat] = nil
    workerCount -= 1
    ahead -= max(0, worker.hand.count - 1)
    isFull = false
    switch worker.phase {
    case .starting:
      starting -= 1
      failedStarts += wasKilled ? 1 : Self.failure
    case .active: idle.removeAll { $0 == seat }
    case .dismissed:
      dismissed -= 1
      spent.removeAll { $0 == seat }
    }
    return worker.hand
  }

  /// How many calls may be in the hand of the worker from now on.
  package mutating func setPace(_ pace: Int, of seat: Int) {
    guard workers[seat] != nil, workers[seat]!.pace != pace else { return }
    workers[seat]!.pace = pace
    isFull = false
  }

  /// Takes in nothing more. What is in line is still done.
  package mutating func close() { isClosed = true }

  /// Takes all that is in line.
  package mutating func drain() -> [Call] { line.removeAll() }

  /// The calls that the worker has in hand; the first may be running.
  package func hand(of seat: Int) -> [Call] { workers[seat]?.hand ?? [] }
  package func first(of seat: Int) -> Call? { workers[seat]?.hand.first }
  package func handCount(of seat: Int) -> Int { workers[seat]?.hand.count ?? 0 }
  package var idleSeats: [Int] { idle }

  // MARK: What to do

  /// The next step; nil when there is none until something else happens. `claim` is false for a call that was
  /// cancelled; `withdraw` takes a call back from a worker, and is false when that has begun it; `hasRoom` says
  /// whether a busy worker can be handed one more.
  package mutating func next(
    claim: (Call) -> Bool, withdraw: (Call, Int) -> Bool, hasRoom: (Int) -> Bool
  ) -> Step? {
    if let seat = spent.popLast() { return .dismiss(seat) }
    if !line.isEmpty {
      if let seat = idle.last, let call = pop(claim) {
        idle.removeLast()
        return hand(call, to: seat)
      }
      if let step = startOrGiveUp() { return step }
      if let step = handAhead(claim, withdraw, hasRoom) { return step }
    }
    if !idle.isEmpty, line.isEmpty, ahead > 0, !isEven {
      isEven = true
      takeBackForIdle(withdraw)
      if !line.isEmpty { return next(claim: claim, withdraw: withdraw, hasRoom: hasRoom) }
    }
    return isClosed && line.isEmpty ? wind() : nil
  }

  private mutating func pop(_ claim: (Call) -> Bool) -> Call? {
    while let call = line.popFirst() { if claim(call) { return call } }
    return nil
  }

  private mutating func hand(_ call: Call, to seat: Int) -> Step {
    if workers[seat]!.hand.isEmpty { workers[seat]!.lastFinish = finished } else { ahead += 1 }
    workers[seat]!.hand.append(call)
    return .run(call, seat)
  }

  private mutating func startOrGiveUp() -> Step? {
    let active = workerCount - dismissed
    if failedStarts >= Self.patience { return active == 0 ? .giveUp(line.removeAll()) : nil }
    guard active < maxWorkers, starting < line.count + ahead else { return nil }
    let seat = workers.firstIndex { $0 == nil } ?? workers.count
    if seat == workers.count { workers.append(Worker()) } else { workers[seat] = Worker() }
    workerCount += 1
    starting += 1
    return .start(seat)
  }

  private mutating func handAhead(
    _ claim: (Call) -> Bool, _ withdraw: (Call, Int) -> Bool, _ hasRoom: (Int) -> Bool
  ) -> Step? {
    if isFull { return nil }
    for _ in 0..<workers.count {
      turn = turn + 1 < workers.count ? turn + 1 : 0
      guard let worker = workers[turn], worker.phase == .active else { continue }
      if !worker.hand.isEmpty, finished - worker.lastFinish > Self.slowness * worker.pace {
        // It has a long call now: what was handed ahead goes first elsewhere.
        workers[turn]!.pace = 1
        takeBack(worker.hand.count - 1, from: turn, withdraw)
        continue
      }
      guard worker.hand.count < worker.pace, worker.finished + worker.hand.count < maxTasksPerChild, hasRoom(turn) else {
        continue
      }
      guard let call = pop(claim) else { return nil }
      return hand(call, to: turn)
    }
    isFull = true
    return nil
  }

  /// Half of what waits behind a call goes to those who have nothing to do.
  private mutating func takeBackForIdle(_ withdraw: (Call, Int) -> Bool) {
    var most = 1
    var victim = -1
    for seat in workers.indices {
      if let count = workers[seat]?.hand.count, count > most {
        most = count
        victim = seat
      }
    }
    guard victim >= 0, let seat = idle.last else { return }
    takeBack(min(most / 2, workers[seat]!.pace), from: victim, withdraw)
    turn = seat - 1
  }

  /// Takes back up to `count` calls of those that wait in a hand, the oldest first, to the front of the line.
  private mutating func takeBack(_ count: Int, from seat: Int, _ withdraw: (Call, Int) -> Bool) {
    var taken: [Call] = []
    var place = 1
    while taken.count < count, place < workers[seat]!.hand.count {
      if withdraw(workers[seat]!.hand[place], seat) {
        taken.append(workers[seat]!.hand.remove(at: place))
        ahead -= 1
      } else {
        place += 1
      }
    }
    line.prepend(taken)
  }

  private mutating func wind() -> Step? {
    if let seat = idle.popLast() {
      dismiss(seat)
      return .dismiss(spent.removeLast())
    }
    if workerCount == 0, !hasEnded {
      hasEnded = true
      return .end
    }
    return nil
  }

  private mutating func dismiss(_ seat: Int) {
    workers[seat]!.phase = .dismissed
    dismissed += 1
    spent.append(seat)
  }

  /// Dismisses an idle worker.
  package mutating func dismissIdle(_ seat: Int) {
    guard idle.contains(seat) else { return }
    idle.removeAll { $0 == seat }
    dismiss(seat)
  }

  var lineCount: Int { line.count }
}
