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

  public init(worker: String, pid: Int32, exitStatus: ProcessExitStatus, call: String? = nil, detail: String? = nil) {
    self.worker = worker
    self.pid = pid
    self.exitStatus = exitStatus
    self.call = call
    self.detail = detail
  }
}

extension WorkerDiedError: CustomStringConvertible {
  public var description: String {
    let doing = call.map { " while it ran \($0)" } ?? ""
    return "worker \"\(worker)\" (pid \(pid)) died\(doing): \(exitStatus)\(detail.map { "; \($0)" } ?? "")"
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
