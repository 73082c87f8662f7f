internal import CSpindle

/// A process ended before it delivered the result it was asked for.
///
///     do { try child.join() } catch let error as WorkerDiedError {
///       print(error.exitStatus)  // .signalled(9)
///     }
///
/// Thrown when the function itself ended the process: by `exit`, by a trap such as an index out of bounds, by a signal.
/// An error that the function throws is not this error; it arrives as itself.
public struct WorkerDiedError: Error, Sendable, Hashable, Codable {
  /// The name of the process that died.
  public let worker: String
  /// Its process number; it may belong to another process by now.
  public let pid: Int32
  /// How it ended.
  public let exitStatus: ProcessExitStatus
  /// The call that was running, as far as it is known: the function's name or type.
  public let call: String?
  /// What else is known about the death.
  public let detail: String?
  /// The most memory the process had at a time, in bytes, where it is known.
  ///
  /// The kernel counts for a spawned process what its parent had when it was started; up to there, its own is unknown.
  public let peakResidentMemory: Int?
  /// What Swift's backtracer printed, if the process crashed and the backtracer was on (`SWIFT_BACKTRACE`). It went to standard
  /// error too.
  public let backtrace: String?
  /// The last lines that the process wrote to standard error, where its output is `.labelled`.
  public let errorOutput: String?

  public init(
    worker: String, pid: Int32, exitStatus: ProcessExitStatus, call: String? = nil, detail: String? = nil,
    peakResidentMemory: Int? = nil, backtrace: String? = nil, errorOutput: String? = nil
  ) {
    self.worker = worker
    self.pid = pid
    self.exitStatus = exitStatus
    self.call = call
    self.detail = detail
    self.peakResidentMemory = peakResidentMemory
    self.backtrace = backtrace
    self.errorOutput = errorOutput
  }

  /// All that is known of the end of a process.
  /// - Parameter detail: what the caller knows, if it is more than the supervisor does.
  package init(
    worker: String, pid: Int32, end: WorkerProcess.End, call: String? = nil, detail: String? = nil
  ) {
    self.init(
      worker: worker, pid: pid, exitStatus: end.exitStatus, call: call, detail: detail ?? end.detail,
      peakResidentMemory: end.peakResidentMemory, backtrace: end.backtrace, errorOutput: end.errorOutput)
  }
}

extension WorkerDiedError: CustomStringConvertible {
  /// One line that says what happened; then what the process left to explain it, if anything.
  public var description: String {
    let doing = call.map { " while it ran \($0)" } ?? ""
    let peak = peakResidentMemory.map { "; it had up to \($0 >> 20) MiB of memory" } ?? ""
    var text = "worker \"\(worker)\" (pid \(pid)) died\(doing): \(exitStatus)\(detail.map { "; \($0)" } ?? "")\(peak)"
    if let errorOutput { text += "\nIts last words:\n\(errorOutput)" }
    // The backtracer's report is among the last words too, where there are any.
    if let backtrace, errorOutput == nil { text += "\n\(CrashReport.summary(of: backtrace))" }
    return text
  }
}

/// A process could not be started.
///
///     do { try child.join() } catch let error as ProcessStartError {
///       print(error)  // cannot start "Process-3": clone: Resource temporarily unavailable
///     }
public struct ProcessStartError: Error, Sendable, Hashable {
  /// The name of the process that was to be started.
  public let worker: String
  /// What failed: a system call, or the step of the start.
  public let operation: String
  /// Why it failed, in words.
  public let reason: String
  /// The system's error number; 0 when the system did not report one.
  public let errorNumber: Int32

  public init(worker: String, operation: String, reason: String, errorNumber: Int32 = 0) {
    self.worker = worker
    self.operation = operation
    self.reason = reason
    self.errorNumber = errorNumber
  }

  init(worker: String, operation: String, errorNumber: Int32) {
    // SAFETY: the C string is static or belongs to this thread until its next call; it is copied here.
    let reason = unsafe String(cString: spindle_error_text(errorNumber))
    self.init(worker: worker, operation: operation, reason: reason, errorNumber: errorNumber)
  }
}

extension ProcessStartError: CustomStringConvertible {
  public var description: String { "cannot start \"\(worker)\": \(operation): \(reason)" }
}
