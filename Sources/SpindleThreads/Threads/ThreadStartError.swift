import CSpindle

/// The system cannot start a thread.
///
///     do { try thread.tryStart() }
///     catch { print(error) }     // cannot start thread "n": Resource temporarily unavailable (error 11) ...
public struct ThreadStartError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The name of the thread.
  public let name: String

  /// The system's error number, such as EAGAIN.
  public let errorNumber: Int32

  init(name: String, errorNumber: Int32) {
    self.name = name
    self.errorNumber = errorNumber
  }

  /// Whether a later try may succeed.
  static func isTemporary(_ errorNumber: Int32) -> Bool { errorNumber == spindle_try_again() }

  public var description: String {
    // SAFETY: the text is constant and ends with a zero byte.
    let reason = unsafe String(cString: spindle_error_text(errorNumber))
    let hint = Self.isTemporary(errorNumber) ? ": too many threads, or no memory for the stack" : ""
    return "cannot start thread \"\(name)\": \(reason) (error \(errorNumber))\(hint)"
  }
}

/// Sleeps before another try to start a thread.
func pauseBeforeRetry(_ nanoseconds: Int64) { spindle_nap(nanoseconds) }
