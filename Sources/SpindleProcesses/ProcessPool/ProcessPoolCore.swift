internal import CSpindle
internal import SpindleFutures
internal import SpindleGround
internal import SpindleThreads
internal import Synchronization

/// What a process pool shares with its workers' handlers, which keep it alive until the last worker has ended.
///
/// Every change goes through `settle`: the board is told what happened and asked what is to be done, under the lock;
/// then it is done, without the lock. Nothing here waits, so any thread may come: who submits, and the supervisor
/// of the children. User code (decoding results, callbacks) runs on a helper thread of the pool.
final class ProcessPoolCore: Sendable {
  private struct Member {
    let cell: WorkerCell
    /// Known since the worker has said that it is ready.
    var process: WorkerProcess?
    var handed: UInt64 = 0
  }

  private struct State {
    var board: CallBoard<PoolCall>
    var members: [Int: Member] = [:]
    var broken: BrokenPoolError?
    /// Why the last worker that never became ready did not.
    var lastFailure: (any Error)?
  }

  private enum Deed {
    case start(Int)
    case run(PoolCall, UInt64, WorkerCell, WorkerProcess)
    case dismiss(WorkerProcess)
    case fail([PoolCall], BrokenPoolError)
    case end
  }

  let name: String
  let maxWorkers: Int
  private let initializer: Call<Void>?
  private let state: RawGuarded<State>
  private let helper: ThreadPool
  private let isUsed = Atomic<Bool>(false)
  private let over = Gate()

  /// So many workers may die before they begin a call that was handed to them.
  private static let patience = 3

  init(name: String, maxWorkers: Int, initializer: Call<Void>?, maxTasksPerChild: Int?) {
    self.name = name
    self.maxWorkers = maxWorkers
    self.initializer = initializer
    helper = ThreadPool(helping: name)
    state = RawGuarded(State(board: CallBoard(maxWorkers: maxWorkers, maxTasksPerChild: maxTasksPerChild)))
  }

  // MARK: What happens

  func submit(_ call: PoolCall) {
    if !isUsed.load(ordering: .relaxed) { beginUse() }
    let (refusal, deeds) = settle { state -> (any Error)? in
      if state.board.isClosed { return state.broken ?? ShutdownError(pool: name) }
      state.board.add(call)
      return nil
    }
    if let refusal { call.fail(refusal) }
    perform(deeds)
  }

  /// Takes in nothing more; what is in line is still done, then the workers end.
  func close() {
    OpenProcessPools.remove(self)
    perform(settle { $0.board.close() }.deeds)
  }

  /// Cancels what is in line. Callbacks run on this thread.
  func cancelCalls() {
    let (calls, deeds) = settle { $0.board.drain() }
    for call in calls { call.cancel() }
    perform(deeds)
  }

  /// Breaks the pool: what is in line fails, and so does whatever comes later.
  func fail(_ error: BrokenPoolError) {
    let (calls, deeds) = settle { state in
      if state.broken == nil { state.broken = error }
      state.board.close()
      return state.board.drain()
    }
    OpenProcessPools.remove(self)
    resolve { for call in calls { call.fail(error) } }
    perform(deeds)
  }

  /// A message of a worker, on the supervisor's thread.
  private func received(_ frame: ControlFrame, from number: Int, _ process: WorkerProcess) {
    switch frame.kind {
    case .ready:
      // A pool that is broken gives it nothing to do: then it is dismissed.
      if let error = failure(ofInitializer: frame) { fail(error) }
      let (_, deeds) = settle { state in
        state.members[number]?.process = process
        state.board.workerIsReady(number)
      }
      perform(deeds)
    case .reply, .batchReply:
      let (call, deeds) = settle { $0.board.workerFinished(number) }
      // First, because the deeds may be the end.
      if let call {
        call.stopLine.disconnect()
        resolve { call.finish(frame) }
      }
      perform(deeds)
    default: break
    }
  }

  /// A worker has ended or could not be started, on the supervisor's thread.
  private func ended(_ number: Int, _ process: WorkerProcess?, _ end: WorkerProcess.End) {
    let died = WorkerDiedError(
      worker: process?.name ?? name, pid: process?.pid ?? 0, exitStatus: end.exitStatus, detail: end.detail)
    let (lost, deeds) = settle { state -> PoolCall? in
      let member = state.members.removeValue(forKey: number)
      if member?.process == nil { state.lastFailure = end.startError ?? died }
      guard let call = state.board.workerEnded(number) else { return nil }
      if let member, member.cell.begun < member.handed {  // D2
        call.countLoss()
        if call.losses < Self.patience {
          state.board.putBack(call)
          return nil
        }
      }
      return call
    }
    if let lost {
      lost.stopLine.disconnect()
      resolve {
        let detail = lost.losses < Self.patience ? died.detail : "\(lost.losses) workers died as they received this call"
        lost.fail(
          WorkerDiedError(
            worker: died.worker, pid: died.pid, exitStatus: died.exitStatus, call: lost.name, detail: detail))
      }
    }
    perform(deeds)
  }

  private func failure(ofInitializer frame: ControlFrame) -> BrokenPoolError? {
    do {
      try initializer?.result(of: frame.bytes)
      return nil
    } catch {
      return BrokenPoolError(pool: name, reason: "its initializer threw \(error)", cause: error)
    }
  }

  // MARK: What is done

  /// Makes a change, and says what is to be done for it.
  private func settle<Result>(_ change: (inout State) -> Result) -> (result: Result, deeds: [Deed]) {
    state.withLock { state in
      let result = change(&state)
      var deeds: [Deed] = []
      while let step = state.board.next(claim: { $0.claim() }) {
        switch step {
        case .start(let number): deeds.append(.start(number))
        case .run(let call, let number):
          state.members[number]!.handed += 1
          let member = state.members[number]!
          deeds.append(.run(call, member.handed, member.cell, member.process!))
        case .dismiss(let number):
          if let process = state.members[number]?.process { deeds.append(.dismiss(process)) }
        case .giveUp(let calls):
          let error = state.broken ?? BrokenPoolError(
            pool: name, reason: "its workers do not start: \(state.lastFailure.map { "\($0)" } ?? "unknown")",
            cause: state.lastFailure)
          state.broken = error
          state.board.close()
          deeds.append(.fail(calls, error))
        case .end: deeds.append(.end)
        }
      }
      return (result, deeds)
    }
  }

  /// Who comes first with messages for the same worker: there is nothing more for it before it has answered.
  private func perform(_ deeds: [Deed]) {
    for deed in deeds {
      switch deed {
      case .start(let number): start(number)
      case .run(let call, let number, let cell, let process):
        process.send(call.frame)
        call.stopLine.connect(.init(number: number, cell: cell, process: process))
      case .dismiss(let process): process.send(ControlFrame(kind: .dismissal))
      case .fail(let calls, let error): resolve { for call in calls { call.fail(error) } }
      case .end:
        OpenProcessPools.remove(self)
        helper.shutdown(wait: false)
        over.open()
      }
    }
  }

  private func start(_ number: Int) {
    var options = WorkerProcess.Options(name: "\(name) worker \(number)")
    // Ctrl-C goes to every process at the terminal; whether work ends is the parent's decision.
    options.ignoresInterrupts = true
    let identity = ProcessIdentity(name: options.name, isDaemon: false, numbers: ProcessIdentity.current.numbers)
    guard let cell = WorkerCell(),
      let bytes = try? Wire.encode(PoolConfiguration(identity: identity, initializer: initializer?.bytes))
    else {
      let error = ProcessStartError(worker: options.name, operation: "memfd_create, mmap", errorNumber: ENFILE)
      return ended(number, nil, .init(exitStatus: .unknown, startError: error, detail: nil))
    }
    state.withLock { $0.members[number] = Member(cell: cell) }
    WorkerProcess.launch(
      options, entry: { PoolWorkerMain.run() },
      sending: [ControlFrame(kind: .configuration, bytes: bytes, descriptors: [cell.descriptor])],
      onMessage: { process, frame in self.received(frame, from: number, process) },
      onEnd: { process, end in self.ended(number, process, end) })
  }

  /// Runs what may run user code. The helper is shut down at the very end, after which nothing comes here.
  private func resolve(_ body: @escaping @Sendable () -> Void) { helper.submit(body) }

  /// From the first call on the program's exit waits: for the helper's thread, which ends after the last worker.
  private func beginUse() {
    if isUsed.exchange(true, ordering: .relaxed) { return }
    OpenProcessPools.add(self)
    resolve {}
  }

  // MARK: The end

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

/// The pools that are in use: at the end of the process they are closed, their calls are done, and their workers end.
enum OpenProcessPools {
  private static let all = RawGuarded<[ObjectIdentifier: ProcessPoolCore]>([:])
  private static let isArmed = Atomic<Bool>(false)

  static func add(_ pool: ProcessPoolCore) {
    all.withLock { $0[ObjectIdentifier(pool)] = pool }
    // Closed meanwhile: whoever did so may have looked before it was in the list.
    if pool.isClosed { remove(pool) }
    if isArmed.exchange(true, ordering: .acquiringAndReleasing) { return }
    ProcessExit.register(.pools) {
      isArmed.store(false, ordering: .releasing)
      for pool in all.withLock({ Array($0.values) }) { pool.close() }
    }
  }

  static func remove(_ pool: ProcessPoolCore) {
    let removed = all.withLock { $0.removeValue(forKey: ObjectIdentifier(pool)) }
    _ = consume removed
  }
}
