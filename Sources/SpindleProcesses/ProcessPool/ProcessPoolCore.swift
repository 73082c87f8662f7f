internal import CSpindle
internal import SpindleFutures
internal import SpindleGround
internal import SpindleThreads
internal import Synchronization

/// What a process pool shares with its workers' handlers, which keep it alive until the last worker has ended.
///
/// Every change goes through `settle`: the board is told what happened and asked what is to be done, under the lock;
/// what only writes to memory is done there, the rest without the lock. Nothing here waits, so any thread may come:
/// who submits, who waits for a result, the supervisor of the children, and the pool's collector, a thread that
/// sleeps until a reply rings. User code (decoding results of the user's types, callbacks) runs on a helper thread of
/// the pool.
@usableFromInline
final class ProcessPoolCore: Sendable {
  struct Limits: Sendable {
    var maxWorkers: Int
    var maxTasksPerChild: Int?
    var maxResidentMemory: Int?
    var idleTimeout: Duration?
  }

  struct State {
    var board: CallBoard<PoolCall>
    /// By seat.
    var members: [PoolMember?] = []
    var nextName = 0
    var broken: BrokenPoolError?
    /// Why the last worker that never became ready did not.
    var lastFailure: (any Error)?
    var collectorSleeps = false
    var hasCollector = false
    /// When the collector is to look at deadlines and idle workers.
    var alarm = Deadline.never
    /// The collector must wake up earlier than it thinks.
    var isAlarmChanged = false
    /// How many threads have replies that they have not delivered yet: until then the pool is not over.
    var delivering = 0
    var isOver = false
    /// The workers have been ended by force: nothing is tried again.
    var isForced = false
  }

  let name: String
  let limits: Limits
  let initializer: Call<Void>?
  let startMethod: StartMethod
  let output: ProcessOutput
  /// Among how many each worker divides the processors.
  let sharers: Int
  /// Nil when the system has none: then no worker starts; and after the end.
  private let ownMemory: RawGuarded<PoolMemory?>
  let state: RawGuarded<State>
  /// Writes arguments that need no code of the user.
  let encoder = RawGuarded(EncodingState(capacity: CallLink.slotSize))
  let helper: ThreadPool
  let over = Gate()
  private let isUsed = Atomic<Bool>(false)

  /// So many workers may die before they begin a call that was the next for them.
  static let patience = 5

  init(name: String, limits: Limits, initializer: Call<Void>?, startMethod: StartMethod, output: ProcessOutput) {
    self.name = name
    self.limits = limits
    self.initializer = initializer
    self.startMethod = startMethod
    self.output = output
    sharers = ProcessorShare.divided(among: limits.maxWorkers)
    ownMemory = RawGuarded(try? PoolMemory())
    helper = ThreadPool(helping: name)
    state = RawGuarded(
      State(board: CallBoard(maxWorkers: limits.maxWorkers, maxTasksPerChild: limits.maxTasksPerChild)))
  }

  var maxWorkers: Int { limits.maxWorkers }
  var memory: PoolMemory? { ownMemory.withLock { $0 } }

  // MARK: What happens

  @usableFromInline
  func submit(_ call: PoolCall) {
    if !isUsed.load(ordering: .relaxed) { beginUse() }
    var refusal: (any Error)?
    perform(
      settle { state in
        if state.board.isClosed {
          refusal = state.broken ?? ShutdownError(pool: name)
          call.standing = .over
        } else {
          state.board.add(call)
        }
      })
    if let refusal { call.fail(refusal) }
  }

  /// Takes in nothing more; what is in line is still done, then the workers end.
  func close() {
    OpenProcessPools.remove(self)
    perform(settle { $0.board.close() })
  }

  /// Cancels what has not begun. Callbacks run on this thread.
  func cancelCalls() {
    var calls: [PoolCall] = []
    perform(settle { calls = takeAllBack(&$0) })
    for call in calls {
      call.cancel()
      call.drop()
    }
  }

  /// Breaks the pool: what has not begun fails, and so does whatever comes later.
  func fail(_ error: BrokenPoolError) {
    var calls: [PoolCall] = []
    let deeds = settle { state in
      if state.broken == nil { state.broken = error }
      state.board.close()
      calls = takeAllBack(&state)
      for call in calls { call.standing = .over }
    }
    OpenProcessPools.remove(self)
    // First, because the deeds may be the end.
    if !calls.isEmpty { resolve { [calls] in for call in calls { call.fail(error) } } }
    perform(deeds)
  }

  /// All calls that have not begun, in their order as far as there is one.
  private func takeAllBack(_ state: inout State) -> [PoolCall] {
    var calls: [PoolCall] = []
    for (seat, member) in state.members.enumerated() {
      guard let member else { continue }
      for call in state.board.hand(of: seat) {
        guard case .handed(_, let number) = call.standing, member.link.withdraw(number) else { continue }
        remove(call, from: seat, &state)
        call.standing = .takenBack
        calls.append(call)
      }
    }
    for call in state.board.drain() {
      guard case .inLine = call.standing else { continue }
      call.standing = .takenBack
      calls.append(call)
    }
    return calls
  }

  /// The call was taken back from a worker; the one behind it may be the next there now.
  private func remove(_ call: PoolCall, from seat: Int, _ state: inout State) {
    state.board.remove(call, from: seat)
    if let next = state.board.first(of: seat), next.deadline.isNever { isNext(next, since: spindle_now(), &state) }
  }

  /// For `cancel()` of a future.
  func takeBack(_ call: PoolCall) -> Bool {
    var isTakenBack = true
    var isNew = true
    perform(
      settle { state in
        switch call.standing {
        case .inLine: call.standing = .takenBack
        case .handed(let seat, let number):
          isTakenBack = state.members[seat]?.link.withdraw(number) == true
          guard isTakenBack else { return }
          remove(call, from: seat, &state)
          call.standing = .takenBack
        case .takenBack: isNew = false
        case .over: isTakenBack = false
        }
      })
    if isTakenBack, isNew { call.drop() }
    return isTakenBack
  }

  func hasBegun(_ call: PoolCall) -> Bool {
    state.withLock { state in
      switch call.standing {
      case .handed(let seat, let number): state.members[seat]?.link.hasBegun(number) == true
      case .over: true
      case .inLine, .takenBack: false
      }
    }
  }

  func requestStop(of call: PoolCall) {
    let link = state.withLock { state -> CallLink? in
      call.isStopRequested = true
      guard case .handed(let seat, let number) = call.standing, let link = state.members[seat]?.link else { return nil }
      link.requestStop(number)
      return link
    }
    link?.ring()
  }

  /// A message of a worker, on the supervisor's thread.
  func received(_ frame: ControlFrame, seat: Int, _ process: WorkerProcess) {
    switch frame.kind {
    case .ready:
      // A pool that is broken gives it nothing to do: then it is dismissed.
      if let error = failure(ofInitializer: frame) { fail(error) }
      perform(
        settle { state in
          state.members[seat]?.process = process
          state.board.workerIsReady(seat)
          if state.isForced { state.board.dismissIdle(seat) }
          if limits.idleTimeout != nil { becameIdle(seat, &state, now: spindle_now()) }
        })
    case .reply:
      guard let number = frame.number else { return }
      state.withLock { $0.members[seat]?.messages[number] = frame }
      collect()
    default: break
    }
  }

  /// A worker has ended or could not be started, on the supervisor's thread.
  func ended(_ seat: Int, _ process: WorkerProcess?, _ end: WorkerProcess.End) {
    // First what it has still said.
    collect()
    let worker = (name: process?.name ?? name, pid: process?.pid ?? 0)
    // Where more is known, as that memory ran out, the next would fare no better.
    let wasKilled = end.exitStatus == .signalled(SIGKILL) && end.startError == nil && end.detail == nil
    let reason: any Error = end.startError ?? WorkerDiedError(worker: worker.name, pid: worker.pid, end: end)
    let (lost, deeds) = bury(seat, reason, wasKilled: wasKilled)
    if !lost.isEmpty { resolve { for call in lost { call.fail(call.loss(worker, end)) } } }
    // Nothing of the worker is held here any more: this may be the end of the pool.
    perform(deeds)
  }

  /// Takes the worker from the board. What it had not begun goes back into line; gives what is lost with it.
  private func bury(_ seat: Int, _ reason: any Error, wasKilled: Bool) -> (lost: [PoolCall], Deeds) {
    var lost: [PoolCall] = []
    let deeds = settle { state in
      var member: PoolMember?
      if seat < state.members.count { swap(&member, &state.members[seat]) }
      if member?.process == nil { state.lastFailure = reason }
      var again: [PoolCall] = []
      for (place, call) in state.board.workerEnded(seat, wasKilled: wasKilled).enumerated() {
        guard case .handed(_, let number) = call.standing, let member else { continue }
        call.deadline = .never
        if !state.isForced, mayRunAgain(call, place: place, hasBegun: member.link.hasBegun(number)) {
          call.standing = .inLine
          again.append(call)
        } else {
          call.standing = .over
          lost.append(call)
        }
      }
      state.board.putBack(again)
    }
    return (lost, deeds)
  }

  private func mayRunAgain(_ call: PoolCall, place: Int, hasBegun: Bool) -> Bool {
    if call.reasonOfKill != nil { return false }
    if !hasBegun {
      if place == 0 { call.losses += 1 }
      return call.losses < Self.patience
    }
    call.attempts += 1
    return call.attempts <= call.options.retries && !call.isStopRequested
  }

  private func failure(ofInitializer frame: ControlFrame) -> BrokenPoolError? {
    do {
      try initializer?.result(of: frame.bytes)
      return nil
    } catch {
      return BrokenPoolError(pool: name, reason: "its initializer threw \(error)", cause: error)
    }
  }

  // MARK: The beginning and the end

  /// Runs what may run user code. The helper is shut down at the very end, after which nothing comes here.
  func resolve(_ body: @escaping @Sendable () -> Void) { helper.submit(body) }

  /// From the first call on the program's exit waits: for the helper's thread, which ends after the last worker.
  private func beginUse() {
    if isUsed.exchange(true, ordering: .relaxed) { return }
    OpenProcessPools.add(self)
    resolve {}
    startCollector()
  }

  /// Wakes the collector; false when there is no bell.
  ///
  /// Under the lock: the collector that was woken may let the memory go at once, and then nobody else may hold it.
  @discardableResult
  func ringCollector() -> Bool {
    ownMemory.withLock { memory in
      memory?.ring()
      return memory != nil
    }
  }

  /// Before anybody is told of the end: nothing that was shared is left open.
  func letMemoryGo() { ownMemory.withLock { $0 = nil } }

  var isClosed: Bool { state.withLock { $0.board.isClosed } }

  func waitForEnd() {
    over.wait("the workers of a process pool to end")
    helper.shutdown(wait: true)
  }

  /// Goes on when the task is cancelled: the calls must be done when this returns.
  func waitForEnd() async {
    await Task.detached { [self] in
      _ = try? await over.wait("the workers of a process pool to end")
      await helper.shutdown(wait: true)
    }.value
  }
}
