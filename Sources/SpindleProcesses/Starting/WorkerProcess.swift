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

    package init(name: String) { self.name = name }
  }

  package struct End: Sendable {
    package let exitStatus: ProcessExitStatus
    /// Why the child never became a worker; nil when it did.
    package let startError: ProcessStartError?
    /// What is known beyond the status, as that it wrote nonsense to its control socket and was killed.
    package let detail: String?
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
  package static func launch(
    _ options: Options, entry: WorkerEntry, sending messages: [ControlFrame] = [],
    onMessage: @escaping MessageHandler, onEnd: @escaping EndHandler
  ) {
    let worker = WorkerProcess(options: options, onMessage: onMessage, onEnd: onEnd)
    guard let order = ControlFrame(entry: entry) else {
      return worker.failToStart(
        ProcessStartError(
          worker: options.name, operation: "naming the worker's code", reason: "it lies in no loaded image"))
    }
    worker.state.withLock { $0.outgoing = [order] + messages }
    Supervisor.launch(worker)
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
  package var exitStatus: ProcessExitStatus? { state.withLock { WorkerProcess.look(&$0) } }

  package var isAlive: Bool { state.withLock { $0.pid != nil && WorkerProcess.look(&$0) == nil } }

  /// Asks the kernel now rather than trusting the supervisor to have run, so that whoever saw the sentinel become readable
  /// sees the status too. Idempotent: the first to reap keeps the status for the others.
  static func look(_ state: inout State) -> ProcessExitStatus? {
    if state.exitStatus == nil, let pidfd = state.pidfd {
      state.exitStatus = ProcessExitStatus(spindle_reap(pidfd.number))
    }
    return state.exitStatus
  }

  /// Sends a signal; false when the process has ended already. A recycled process number is never hit.
  @discardableResult
  package func signal(_ number: Int32) -> Bool {
    state.withLock { state in
      guard state.exitStatus == nil, let pidfd = state.pidfd else { return false }
      return spindle_signal_process(pidfd.number, number) == 0
    }
  }

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
