internal import CSpindle
internal import SpindleGround

/// A child process of this program as the layers above see it: it is started, told things, tells things, and ends.
///
/// What it says and how it ends is delivered by the supervisor's one thread, in this order: messages as they arrive, then
/// `onEnd` once, when everything the child had sent before it died has been delivered and the child is reaped.
/// Neither closure may wait for anything. Both are released after the end.
package final class WorkerProcess: Sendable {
  package struct Options: Sendable {
    package var name: String
    /// A daemon is ended when the program exits; the program waits for the others.
    package var isDaemon = false
    /// Ctrl-C at a terminal goes to the whole process group. A pool whose parent decides sets this.
    package var ignoresInterrupts = false
    package var startMethod = StartMethod.spawn
    package var processGroup = ProcessGroup.inherited
    package var output = ProcessOutput.inherited
    /// How long a child may take until it says hello. A program that cannot be diverted never does.
    package var helloTimeout: Duration = .seconds(20)
    #if DEBUG
      /// For the tests: the step of the start at which a process dies, a `spindle_fault`.
      package var startFault: UInt32 = 0
    #endif

    package init(name: String) { self.name = name }
  }

  package struct End: Sendable {
    package let exitStatus: ProcessExitStatus
    /// Why the child never became a worker; nil when it did.
    package let startError: ProcessStartError?
    /// What is known beyond the status, as that it wrote nonsense to its control socket and was killed.
    package var detail: String?
    /// The most memory it had at a time, in bytes, where the kernel has said.
    package var peakResidentMemory: Int?
    /// What Swift's backtracer printed when it crashed.
    package var backtrace: String?
    /// The end of what it wrote to standard error, where that went through the supervisor.
    package var errorOutput: String?
  }

  package typealias MessageHandler = @Sendable (WorkerProcess, ControlFrame) -> Void
  package typealias EndHandler = @Sendable (WorkerProcess, End) -> Void

  package let options: Options
  package var name: String { options.name }
  package var isDaemon: Bool { options.isDaemon }

  struct State {
    var pid: Int32?
    var exitStatus: ProcessExitStatus?
    /// Open from the start until the end, and beyond it once a user has asked for it.
    var pidfd: OwnedDescriptor?
    var sentinel: OwnedDescriptor?
    /// What the kernel said of the memory it had, which is at least what the parent had had when it spawned it.
    var peakBytes: Int64 = 0
    var peakOfParent: Int64 = 0
    /// Signals that came before the process was known.
    var pendingSignals: [Int32] = []
    /// Whether this program has killed it.
    var isKilled = false
    /// Until the supervisor takes them.
    var outgoing: [ControlFrame] = []
    var onMessage: MessageHandler?
    var onEnd: EndHandler?
  }
  let state: RawGuarded<State>
  /// Set after `onEnd` has returned.
  let ended = Gate()

  init(options: Options, onMessage: @escaping MessageHandler, onEnd: @escaping EndHandler) {
    self.options = options
    state = RawGuarded(State(onMessage: onMessage, onEnd: onEnd))
  }

  /// Starts a worker and returns as soon as the kernel has: about a millisecond. Whether the child became a worker is
  /// known later: an `onEnd` with a `startError` says that it did not.
  /// - Parameters:
  ///   - entry: what the worker runs, `{ PoolWorker.main() }`; its result is the exit code.
  ///   - messages: they wait in the socket when the entry begins.
  package static func start(
    _ options: Options, entry: WorkerEntry, sending messages: [ControlFrame] = [],
    onMessage: @escaping MessageHandler, onEnd: @escaping EndHandler
  ) throws(ProcessStartError) -> WorkerProcess {
    guard let order = ControlFrame(entry: entry) else {
      throw ProcessStartError(
        worker: options.name, operation: "naming the worker's code", reason: "it lies in no loaded image")
    }
    let worker = WorkerProcess(options: options, onMessage: onMessage, onEnd: onEnd)
    worker.state.withLock { $0.outgoing = [order] + messages }
    try Supervisor.start(worker)
    return worker
  }

  /// As `start`, but returns at once, and may be called by the handlers of other workers: also a failure of the start
  /// itself is told by `onEnd`, in rare cases before this returns.
  @discardableResult
  package static func launch(
    _ options: Options, entry: WorkerEntry, sending messages: [ControlFrame] = [],
    onMessage: @escaping MessageHandler, onEnd: @escaping EndHandler
  ) -> WorkerProcess {
    let worker = WorkerProcess(options: options, onMessage: onMessage, onEnd: onEnd)
    guard let order = ControlFrame(entry: entry) else {
      worker.failToStart(
        ProcessStartError(
          worker: options.name, operation: "naming the worker's code", reason: "it lies in no loaded image"))
      return worker
    }
    worker.state.withLock { $0.outgoing = [order] + messages }
    Supervisor.launch(worker)
    return worker
  }

  func failToStart(_ error: ProcessStartError) {
    let handler = state.withLock { state in
      defer {
        state.onMessage = nil
        state.onEnd = nil
        state.outgoing = []
      }
      state.exitStatus = .unknown
      return state.onEnd
    }
    handler?(self, End(exitStatus: .unknown, startError: error, detail: nil))
    ended.open()
  }

  /// Hands a message over; never waits. Nothing happens when the worker has ended.
  package func send(_ frame: ControlFrame) {
    let isFirst = state.withLock { state in
      guard state.exitStatus == nil else { return false }
      state.outgoing.append(frame)
      // Before the start is done, the supervisor takes all there is when it is.
      return state.outgoing.count == 1 && state.pid != nil
    }
    if isFirst { Supervisor.post(.send(self)) }
  }

  package var pid: Int32? { state.withLock { $0.pid } }

  /// nil while the process runs.
  package var exitStatus: ProcessExitStatus? { state.withLock { WorkerProcess.look(&$0, options.processGroup) } }

  package var isAlive: Bool { state.withLock { $0.pid != nil && WorkerProcess.look(&$0, options.processGroup) == nil } }

  /// Asks the kernel now rather than trusting the supervisor to have run, so that whoever saw the sentinel become readable
  /// sees the status too. Idempotent: the first to reap keeps the status for the others.
  static func look(_ state: inout State, _ group: ProcessGroup) -> ProcessExitStatus? {
    if state.exitStatus == nil, let pidfd = state.pidfd {
      let found =
        group == .own ? spindle_reap_group(pidfd.number, state.pid ?? 0) : spindle_reap(pidfd.number)
      state.exitStatus = ProcessExitStatus(found)
      state.peakBytes = found.peak_bytes
    }
    return state.exitStatus
  }

  /// Called by the supervisor when the process has a number.
  func begin(pid: Int32, pidfd: OwnedDescriptor, peakOfParent: Int64) {
    let signals = state.withLock { state in
      state.pid = pid
      state.pidfd = pidfd
      state.peakOfParent = peakOfParent
      defer { state.pendingSignals = [] }
      return state.pendingSignals
    }
    for number in signals { signal(number) }
  }

  /// Sends a signal, to its group where it has one; false when the process has ended already. A recycled process number is
  /// never hit.
  @discardableResult
  package func signal(_ number: Int32) -> Bool {
    state.withLock { state in
      guard state.exitStatus == nil else { return false }
      if number == SIGKILL { state.isKilled = true }
      guard let pidfd = state.pidfd, let pid = state.pid else {
        state.pendingSignals.append(number)
        return true
      }
      if options.processGroup == .own { return spindle_signal_group(pidfd.number, pid, number) == 0 }
      return spindle_signal_process(pidfd.number, number) == 0
    }
  }

  @discardableResult
  package func interrupt() -> Bool { signal(SIGINT) }

  @discardableResult
  package func terminate() -> Bool { signal(SIGTERM) }

  @discardableResult
  package func kill() -> Bool { signal(SIGKILL) }

  /// A descriptor that is readable once the process has ended; it stays open as long as this object lives.
  package var sentinel: OwnedDescriptor? {
    state.withLock { state in
      if let sentinel = state.sentinel { return sentinel }
      if let pidfd = state.pidfd {
        state.sentinel = pidfd
      } else if state.pid != nil {
        // Ended, and the pidfd closed with it, as nobody had asked: anything that is readable for ever says the same.
        let event = spindle_event_descriptor()
        guard event >= 0 else { return nil }
        spindle_event_notify(event)
        state.sentinel = OwnedDescriptor(owning: event)
      }
      return state.sentinel
    }
  }
}
