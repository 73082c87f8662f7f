import SpindleGround
import Synchronization

/// A thread of the operating system that runs a closure: Python's `threading.Thread`, with a result.
///
///     let parser = OSThread(name: "parser") { () throws(ParseError) in try parse(text) }
///     parser.start()
///     let tree = try parser.join()                        // throws ParseError
///     let pings = OSThread.spawn(name: "pings") { ping() }   // starts at once
///     pings.join()                                        // does not throw: no `try`
///
/// `Success` and `Failure` are those of the closure: one that does not throw makes an `OSThread<Int, Never>`, one that
/// is declared `throws(ParseError)` an `OSThread<Tree, ParseError>`, one that throws anything an `any Error`.
/// What the closure captures is released when the closure ends, not when the `OSThread` goes. What it returned lives
/// as long as the `OSThread`; nobody need keep that, or join: the thread runs to its end by itself.
///
/// What was done before `start()` is visible to the closure; what the closure did is visible after `join()`.
///
/// At exit (return from `main`, also an async one, `exit(n)`, or an error that leaves `main`) the process waits for the
/// threads that are not daemons, and for no daemon. With a static standard library an error that leaves `main` does
/// not wait.
///
/// The thread inherits the signal mask of the thread that starts it, as POSIX and Python have it, and no cancellation
/// token. Starting and joining one takes some 30 microseconds; for many small pieces of work use `ThreadPool`.
// SAFETY: `body`, `place`, `hasValue` and `error` belong to the thread until the record is finished; from then on they are constant.
@safe public final class OSThread<Success: Sendable, Failure: Error>: @unchecked Sendable, ThreadJob {
  let record: ThreadRecord
  private var body: (@Sendable () throws(Failure) -> Success)?
  // What came out. No `Result`: a generic type inside of a generic class is looked up at run time wherever it is touched, which took
  // half the instructions of a thread's life.
  private let place = UnsafeMutablePointer<Success>.allocate(capacity: 1)
  private var hasValue = false
  private var error: (any Error)?

  /// A thread that will run `body` when it is started.
  ///
  /// - `name`: shown by debuggers and `ps -L`, there cut after 15 bytes at most; otherwise "Thread-1", "Thread-2" ...
  /// - `isDaemon`: whether the process may end without waiting for it; otherwise as the `OSThread` that makes it, and
  ///   false when a thread makes it that is not an `OSThread`.
  /// - `stackSize`: at least so many bytes; otherwise the system's size (`ulimit -s`). Zero or less is a mistake.
  public init(
    name: String? = nil, isDaemon: Bool? = nil, stackSize: Int? = nil,
    _ body: @escaping @Sendable () throws(Failure) -> Success
  ) {
    if let stackSize, stackSize <= 0 { mistake("OSThread(stackSize: \(stackSize)): a stack has at least one byte") }
    let parent = ThreadRecord.existing
    record = ThreadRecord(
      origin: .started, name: name ?? nextThreadName(),
      isDaemon: isDaemon ?? (parent?.origin == .started && parent!.isDaemon), stackSize: stackSize ?? 0)
    self.body = body
  }

  /// Makes a thread and starts it at once. See `init` and `start()`.
  @discardableResult
  public static func spawn(
    name: String? = nil, isDaemon: Bool? = nil, stackSize: Int? = nil,
    _ body: @escaping @Sendable () throws(Failure) -> Success
  ) -> OSThread<Success, Failure> {
    let thread = OSThread(name: name, isDaemon: isDaemon, stackSize: stackSize, body)
    thread.start()
    return thread
  }

  deinit {
    record.detach()
    if hasValue { unsafe place.deinitialize(count: 1) }
    unsafe place.deallocate()
    if error != nil { UncaughtErrors.threadGoes(record) }
  }

  // MARK: Starting

  /// Starts the thread. A second start is a mistake.
  ///
  /// When the system has no thread left it tries again for a tenth of a second, then ends the program; see `tryStart`.
  public func start() {
    claimStart()
    var nap: Int64 = 1_000_000
    while true {
      let error = create()
      if error == 0 { return }
      guard ThreadStartError.isTemporary(error), nap <= 64_000_000 else {
        mistake("\(ThreadStartError(name: name, errorNumber: error)); tryStart() throws instead")
      }
      pauseBeforeRetry(nap)
      nap *= 2
    }
  }

  /// Starts the thread, or says why the system cannot; then it may be tried again. A second start is a mistake.
  public func tryStart() throws(ThreadStartError) {
    claimStart()
    let error = create()
    if error == 0 { return }
    record.takeBackStart()
    throw ThreadStartError(name: name, errorNumber: error)
  }

  private func claimStart() {
    // Releasing: the closure sees what was done before. The system's creation of the thread does that too.
    let (done, _) = record.phase.compareExchange(
      expected: ThreadRecord.new, desired: ThreadRecord.started, ordering: .acquiringAndReleasing)
    if !done { mistake("OSThread \"\(name)\" is started twice: a thread runs once, make another one") }
  }

  private func create() -> Int32 {
    record.job = self
    ThreadRegistry.add(record)
    if !record.isDaemon { ProcessExit.threadWillStart() }
    ProcessExit.arm()
    let error = record.create()
    if error != 0 {
      ThreadRegistry.remove(record)
      record.job = nil
      if !record.isDaemon { ProcessExit.threadHasEnded() }
    }
    return error
  }

  func run() {
    callBody()
    if let error { UncaughtErrors.threadFailed(record, error) }
  }

  /// A function of its own, so that the captures are gone when it returns.
  @inline(never)
  private func callBody() {
    let body = self.body!
    self.body = nil
    do throws(Failure) {
      unsafe place.initialize(to: try body())
      hasValue = true
    } catch {
      self.error = error
    }
  }

  // MARK: Joining

  /// Waits for the thread to end; returns what its closure returned or throws what it threw.
  ///
  /// Any number of threads may join, any number of times: each gets the same. Joining a thread that was not started,
  /// or the thread that runs, is a mistake.
  @available(*, noasync, message: "blocks its thread; in async code: try await join(); in main.swift inside a func")
  @discardableResult
  public func join() throws(Failure) -> Success {
    _ = record.join(until: .never)
    return try result()
  }

  /// The same, waiting at most this long; nil when the time ran out. Zero or less only looks.
  @available(
    *, noasync, message: "blocks its thread; in async code: try await join(timeout:); in main.swift inside a func")
  @discardableResult
  public func join(timeout: Duration) throws(Failure) -> Success? {
    guard record.join(until: Deadline(after: timeout)) else { return nil }
    return try result()
  }

  /// Waits for the thread to end without blocking a thread. Cancelling the task ends the wait, not the thread:
  /// then `CancellationError` is thrown.
  @discardableResult
  public func join() async throws -> Success {
    _ = try await record.join(until: .never)
    return try result()
  }

  /// The same, waiting at most this long; nil when the time ran out.
  @discardableResult
  public func join(timeout: Duration) async throws -> Success? {
    guard try await record.join(until: Deadline(after: timeout)) else { return nil }
    return try result()
  }

  /// Of a finished thread.
  private func result() throws(Failure) -> Success {
    if hasValue { return unsafe place.pointee }
    UncaughtErrors.threadWasJoined(record)
    throw error as! Failure
  }

  // MARK: What it is

  /// Whether it has been started and its closure has not ended.
  public var isAlive: Bool { record.isAlive }

  /// The thread's name. Setting it also changes what the kernel shows, which is cut after 15 bytes at most.
  public var name: String {
    get { record.name }
    set { record.name = newValue }
  }

  /// The kernel's id of the thread; nil before the start.
  public var nativeID: Int32? { record.nativeID }

  /// Whether the process may end without waiting for it.
  public var isDaemon: Bool { record.isDaemon }

  /// The handle of this thread, to compare with `OSThread.current`.
  public var handle: ThreadHandle { ThreadHandle(record: record) }
}

private let threadNumber = Atomic<Int>(0)

/// "Thread-1", "Thread-2" ...: counted over the threads without a name, as in Python.
private func nextThreadName() -> String { "Thread-\(threadNumber.wrappingAdd(1, ordering: .relaxed).newValue)" }
