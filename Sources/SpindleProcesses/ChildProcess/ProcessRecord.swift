internal import SpindleGround
internal import Synchronization

/// A child process from its making to the delivery of its result, without the type of the result.
///
///     new ──start──► started ──► finished      the child has ended and is reaped
///      └─────start fails───────► finished      `failure` says why
final class ProcessRecord: Sendable {
  /// The messages between `ChildProcess` and the entry of its child.
  enum Message {
    /// To the child: its identity, encoded.
    static let identity = ControlFrame.Kind.message(0)
    /// To the child: the function and its arguments.
    static let call = ControlFrame.Kind.message(1)
    /// From the child: what the function returned or threw.
    static let reply = ControlFrame.Kind.message(2)
  }

  private struct State {
    var worker: WorkerProcess?
    var reply: ControlFrame?
    var end: WorkerProcess.End?
    var failure: (any Error)?
  }

  let identity: ProcessIdentity
  private let traits: ProcessTraits
  private let title: FunctionTitle
  private let isStarted = Atomic<Bool>(false)
  private let state = RawGuarded(State())
  private let finished = Gate()

  init(_ traits: ProcessTraits, _ title: FunctionTitle) {
    identity = .ofChild(named: traits.name, isDaemon: traits.isDaemon)
    self.traits = traits
    self.title = title
  }

  var worker: WorkerProcess? { state.withLock { $0.worker } }

  // MARK: Starting

  func claimStart() {
    if isStarted.exchange(true, ordering: .relaxed) {
      mistake("ChildProcess \"\(identity.name)\" is started twice: a process runs once, make another one")
    }
  }

  func takeBackStart() { isStarted.store(false, ordering: .relaxed) }

  func requireStarted(_ what: String) {
    if !isStarted.load(ordering: .relaxed) {
      mistake("\(what) of ChildProcess \"\(identity.name)\", which was not started: call start() first")
    }
  }

  /// - Parameter call: the function with its arguments.
  func start(_ call: ControlFrame) throws {
    var options = WorkerProcess.Options(name: identity.name)
    options.isDaemon = identity.isDaemon
    options.startMethod = traits.startMethod
    options.processGroup = traits.processGroup
    options.output = traits.output
    let identity = ControlFrame(kind: Message.identity, bytes: try Wire.encode(identity))
    let worker = try WorkerProcess.start(
      options, entry: { CallEntry.run() }, sending: [identity, call],
      onMessage: { _, frame in
        if frame.kind == Message.reply { self.state.withLock { $0.reply = frame } }
      },
      onEnd: { worker, end in
        self.state.withLock { state in
          state.worker = worker
          state.end = end
        }
        self.finished.open()
      })
    state.withLock { $0.worker = worker }
  }

  func fail(_ error: any Error) {
    state.withLock { $0.failure = error }
    finished.open()
  }

  // MARK: Ending

  var isFinished: Bool { finished.isOpen }

  /// False from the moment that anybody can see its exit status: then the supervisor is about to finish it.
  private var isRunning: Bool { worker?.isAlive ?? true }

  @available(*, noasync)
  func wait(until deadline: Deadline) -> Bool {
    requireStarted("join()")
    if finished.wait("the end of a child process", until: deadline) { return true }
    return !isRunning && finished.wait("the last messages of a child process")
  }

  func wait(until deadline: Deadline, isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
    requireStarted("join()")
    if try await finished.wait("the end of a child process", until: deadline) { return true }
    if isRunning { return false }
    return try await finished.wait("the last messages of a child process")
  }

  /// What the function returned; throws what it threw, or why there is no reply. Once, when finished.
  func reply<Output>(to call: Call<Output>?) throws -> Output {
    let state = state.withLock { $0 }
    if let failure = state.failure { throw failure }
    let end = state.end!
    if let error = end.startError { throw error }
    guard let call, let reply = state.reply else {
      throw WorkerDiedError(
        worker: identity.name, pid: state.worker?.pid ?? 0, end: end, call: title.text)
    }
    let attachments = AttachmentList(receivedWith: reply)
    defer { attachments.closeRest() }
    return try call.result(of: reply.bytes, attachments: attachments)
  }

  /// The error of one that nobody joined: not a death, which has its own traces, and not a result.
  func silentFailure<Output>(decodedBy call: Call<Output>?) -> (any Error)? {
    let state = state.withLock { $0 }
    if let error = state.failure ?? state.end?.startError { return error }
    guard let reply = state.reply, state.end?.exitStatus == .exited(CallEntry.failureCode) else { return nil }
    do { _ = try call?.result(of: reply.bytes) } catch { return error }
    return nil
  }
}
