internal import CSpindle
internal import SpindleGround
internal import SpindleThreads

/// A function that runs in a process of its own: Python's `multiprocessing.Process`, with a result.
///
///     func count(_ word: String, _ path: String) throws -> Int { ... }
///     let child = ChildProcess(target: count, "spindle", "/var/log/syslog")
///     child.start()
///     let n = try child.join()     // what count returned or threw, or WorkerDiedError
///
/// The child is this program started anew. It does not run `main`; it runs the function, with nothing shared: arguments
/// and result travel as `Codable` values. What the function does to global variables, the child keeps for itself; globals
/// declared in `main.swift` are not initialised there, those of other files are. stdout and stderr are inherited, stdin is
/// empty. `@MainActor` code runs on the child's main thread, the function on another.
///
/// The function may be any function, method of a type or closure *without captures*; pass what it needs as arguments.
/// A closure that captures is refused by an error that names what it captured.
///
/// A crash of the child (a trap, a signal, `exit`) is an error of `join()` and nothing else. Starting costs some 3 ms, with
/// `startMethod: .forkServer` about 1 ms, and the child ends when its parent does, however that dies. At a normal exit, the program waits for its children that are
/// no daemons. For many small calls use `ProcessPool`.
// SAFETY: `prepare` and `call` belong to whoever claims the start, until the record says that it was started; then
// `prepare` is gone and `call` constant.
@safe public final class ChildProcess<Output: Sendable>: @unchecked Sendable {
  private let record: ProcessRecord
  private var prepare: ((AttachmentList) throws -> Call<Output>)?
  private var call: Call<Output>?
  private let outcome = RawGuarded<Result<Output, any Error>?>(nil)

  init(
    _ traits: ProcessTraits, title: FunctionTitle, prepare: @escaping (AttachmentList) throws -> Call<Output>
  ) {
    record = ProcessRecord(traits, title)
    self.prepare = prepare
  }

  deinit {
    // A failure that nobody can learn of any more is at least said.
    if record.isFinished, outcome.withLock({ $0 == nil }), let error = record.silentFailure(decodedBy: call) {
      writeError("Spindle: child process \"\(name)\" failed, and nobody joined it: \(error)")
    }
  }

  // MARK: Starting

  /// Starts the process. A second start is a mistake.
  ///
  /// Returns when the system has made the process. When it could not, or when the function or an argument cannot be
  /// sent to another process, `join()` throws the reason; `tryStart()` throws it at once.
  public func start() {
    record.claimStart()
    do { try launch() } catch { record.fail(error) }
  }

  /// Starts the process, or says why it cannot be: a `ProcessStartError`, or what makes function or arguments impossible
  /// to send. Then it may be tried again. A second start is a mistake.
  public func tryStart() throws {
    record.claimStart()
    do { try launch() } catch {
      record.takeBackStart()
      throw error
    }
  }

  private func launch() throws {
    let attachments = AttachmentList()
    let call = try prepare!(attachments)
    self.call = call.withoutArguments
    try record.start(
      ControlFrame(kind: ProcessRecord.Message.call, bytes: call.bytes, descriptors: attachments.toSend))
    prepare = nil
  }

  // MARK: Joining

  /// Waits for the process to end; returns what its function returned, or throws what it threw.
  ///
  /// Throws `WorkerDiedError` when the process ended without a result: by `exit`, a trap, a signal. Any number of threads
  /// and tasks may join, any number of times: each gets the same. Joining before `start()` is a mistake.
  @available(*, noasync, message: "blocks its thread; in async code: try await join()")
  @discardableResult
  public func join() throws -> Output {
    _ = record.wait(until: .never)
    return try result()
  }

  /// The same, waiting at most this long; nil when the time ran out. Zero or less only looks.
  @available(*, noasync, message: "blocks its thread; in async code: try await join(timeout:)")
  @discardableResult
  public func join(timeout: Duration) throws -> Output? {
    guard record.wait(until: Deadline(after: timeout)) else { return nil }
    return try result()
  }

  /// Waits for the process to end without blocking a thread. Cancelling the task ends the wait, not the process:
  /// then `CancellationError` is thrown.
  @discardableResult
  public func join(isolation: isolated (any Actor)? = #isolation) async throws -> Output {
    _ = try await record.wait(until: .never)
    return try result()
  }

  /// The same, waiting at most this long; nil when the time ran out.
  @discardableResult
  public func join(timeout: Duration, isolation: isolated (any Actor)? = #isolation) async throws -> Output? {
    guard try await record.wait(until: Deadline(after: timeout)) else { return nil }
    return try result()
  }

  /// Decoded by the first who asks, for all: decoding runs code of `Output` and takes over descriptors.
  private func result() throws -> Output {
    try outcome.withLock { outcome in
      if let outcome { return outcome }
      let made = Result { try record.reply(to: call) }
      outcome = made
      return made
    }.get()
  }

  // MARK: What it is

  /// The name it was given, otherwise "Process-1", "Process-2" ...; a child of Process-2 is "Process-2:1".
  public var name: String { record.identity.name }

  /// Whether the process is ended, not awaited, when this program exits.
  public var isDaemon: Bool { record.identity.isDaemon }

  /// The kernel's number of the process; nil before the start, and when the start failed.
  public var pid: Int32? { record.worker?.pid }

  /// How the process ended; nil before the start and while it runs.
  ///
  /// `.exited(0)` after the function returned, `.exited(1)` after it threw.
  public var exitStatus: ProcessExitStatus? { record.worker?.exitStatus }

  /// Whether it was started and has not ended.
  public var isAlive: Bool { record.worker?.isAlive ?? false }

  /// A file descriptor that becomes readable when the process has ended, for `poll` and the like.
  ///
  /// It belongs to this object: do not close it, and keep the object as long as you use it. Before the start it is a
  /// mistake to ask; -1 when the start failed or no descriptor is left.
  public var sentinel: Int32 {
    record.requireStarted("sentinel")
    return record.worker?.sentinel?.number ?? -1
  }

  // MARK: Ending it

  /// Interrupts the process (SIGINT), as Ctrl-C does, which ends it unless its code has a handler. Nothing happens when it
  /// has ended.
  public func interrupt() {
    record.requireStarted("interrupt()")
    record.worker?.interrupt()
  }

  /// Asks the process to end (SIGTERM), which ends it unless its code has a handler. Nothing happens when it has ended.
  ///
  /// Its children by Spindle end with it; so do the programs it has started, if it has a process group of its own
  /// (`processGroup: .own`). What it was writing, to a file or a shared queue, may be half done.
  public func terminate() {
    record.requireStarted("terminate()")
    record.worker?.terminate()
  }

  /// Ends the process at once (SIGKILL), also one that is stopped. Nothing happens when it has ended.
  public func kill() {
    record.requireStarted("kill()")
    record.worker?.kill()
  }
}

extension ChildProcess: CustomStringConvertible {
  public var description: String {
    let state = exitStatus.map(\.description) ?? (isAlive ? "alive" : "not started")
    let number = pid.map { "pid \($0), " } ?? ""
    return "process \"\(name)\" (\(number)\(state)\(isDaemon ? ", daemon" : ""))"
  }
}
