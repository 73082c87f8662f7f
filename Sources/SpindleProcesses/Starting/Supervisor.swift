internal import CSpindle
internal import SpindleGround
internal import SpindleThreads
internal import Synchronization

/// The one thread that starts children, carries their messages and learns of their deaths.
///
/// One thread for all children rather than one for each: PR_SET_PDEATHSIG makes a child die with the *thread* that
/// started it, so that thread must live as long as the program; and a thread per child would cost hundreds of children
/// hundreds of stacks for what one epoll does. It runs no user code and never waits for a child, so one slow child
/// delays nobody.
///
///     any thread                             supervisor
///     A1 append the command                  S1 sleep in epoll (at `commanded` while there are no children)
///     A2 polling? write the eventfd          S2 take all commands
///        else open `commanded`                S3 no children and no commands? close epoll and eventfd,
///     (A1, A2 and S2, S3 under one lock)        become idle
///
/// With no children it holds no descriptors, and with idle children it never wakes.
final class Supervisor: Sendable {
  enum Command {
    case start(WorkerProcess, StartTicket)
    /// Have a fork server.
    case prepare(StartTicket)
    case send(WorkerProcess)
    /// A relay of output has room again, or has come further.
    case outputMoved
  }

  /// Where the thread that asked for a start waits for its outcome.
  final class StartTicket: Sendable {
    let done = Gate()
    let error = RawGuarded<ProcessStartError?>(nil)
    /// Where nobody waits: told of a failure, on the supervisor's thread.
    private let onFailure: (@Sendable (ProcessStartError) -> Void)?

    init(onFailure: (@Sendable (ProcessStartError) -> Void)? = nil) { self.onFailure = onFailure }

    func finish(_ outcome: ProcessStartError?) {
      error.withLock { $0 = outcome }
      done.open()
      if let outcome { onFailure?(outcome) }
    }
  }

  private struct Mailbox {
    var owner: Int32 = 0
    var commands: [Command] = []
    /// The descriptors while there are children; nil while idle.
    var polling: (epoll: OwnedDescriptor, event: OwnedDescriptor)?
    /// The fork server that takes requests.
    var forkServer: WorkerProcess?
    /// Children that have not ended, for `ChildProcess.active` and for the exit of the program.
    var living: [UInt64: WorkerProcess] = [:]
  }

  private static let mailbox = RawGuarded(Mailbox())
  private static let thread = Atomic<Int32>(0)
  private static let commanded = Gate()

  // ---- Any thread ----

  static func start(_ worker: WorkerProcess) throws(ProcessStartError) {
    if let problem = ensureRunning(for: worker.name) { throw problem }
    let ticket = StartTicket()
    post(.start(worker, ticket))
    ticket.done.wait("the start of a child process")
    if let error = ticket.error.withLock({ $0 }) { throw error }
  }

  /// As `start`, without waiting; the worker itself tells of a failure.
  static func launch(_ worker: WorkerProcess) {
    if let problem = ensureRunning(for: worker.name) { return worker.failToStart(problem) }
    post(.start(worker, StartTicket(onFailure: { worker.failToStart($0) })))
  }

  static func post(_ command: Command) {
    let wasIdle = mailbox.withLock { mailbox in
      mailbox.commands.append(command)  // A1
      guard let polling = mailbox.polling else { return true }
      spindle_event_notify(polling.event.number)  // A2, under the lock: S3 closes the descriptor
      return false
    }
    if wasIdle { commanded.open() }
  }

  static var living: [WorkerProcess] {
    mailbox.withLock { mailbox in mailbox.living.sorted { $0.key < $1.key }.map(\.value) }
  }

  /// Relaxed: only the supervisor itself can read its own number here.
  static var isCurrentThread: Bool { thread.load(ordering: .relaxed) == spindle_thread_id() }

  /// The fork server there is, ready or about to be.
  static var forkServer: WorkerProcess? {
    get { mailbox.withLock { $0.forkServer } }
    set { mailbox.withLock { $0.forkServer = newValue } }
  }

  /// Waits until there is a fork server that takes requests.
  static func prepareForkServer() throws(ProcessStartError) {
    if let problem = ensureRunning(for: "the fork server") { throw problem }
    let ticket = StartTicket()
    post(.prepare(ticket))
    ticket.done.wait("the fork server to be ready")
    if let error = ticket.error.withLock({ $0 }) { throw error }
  }

  private static func ensureRunning(for name: String) -> ProcessStartError? {
    mailbox.withLock { mailbox in
      let this = spindle_process_id()
      if mailbox.owner == this { return nil }
      if mailbox.owner != 0 {
        return ProcessStartError(
          worker: name, operation: "starting a child in a forked copy of the program",
          reason: "the copy has none of the threads it needs; fork only to exec")
      }
      let error = unsafe spindle_start_detached(
        "spindle-children",
        { _ in Supervisor.run() }, nil)
      guard error == 0 else {
        return ProcessStartError(worker: name, operation: "pthread_create", errorNumber: error)
      }
      mailbox.owner = this
      ProcessExit.register(.processes) { Supervisor.programExits() }
      return nil
    }
  }

  // ---- The supervisor ----

  private static func run() {
    thread.store(spindle_thread_id(), ordering: .relaxed)
    var loop = SupervisorLoop()
    loop.run()
  }

  static func takeCommands() -> [Command] {
    mailbox.withLock { mailbox in
      defer { mailbox.commands = [] }
      return mailbox.commands
    }
  }

  static func setPolling(_ polling: (epoll: OwnedDescriptor, event: OwnedDescriptor)) {
    mailbox.withLock { $0.polling = polling }
  }

  /// S3. False when a command has arrived meanwhile.
  static func becomeIdle() -> Bool {
    mailbox.withLock { mailbox in
      guard mailbox.commands.isEmpty else { return false }
      mailbox.polling = nil
      commanded.close()
      return true
    }
  }

  static func waitWhileIdle() { commanded.wait("a child to supervise") }

  static func isLiving(_ id: UInt64, _ worker: WorkerProcess?) {
    mailbox.withLock { $0.living[id] = worker }
  }
}
