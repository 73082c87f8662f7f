internal import CSpindle

/// Memory for a shared object could not be had, or does not hold what it should.
///
///     do { try queue.put(image) } catch let error as SharedMemoryError {
///       print(error)  // shared queue: taking 134217728 bytes of memory: No space left on device
///     }
public struct SharedMemoryError: Error, Sendable, Hashable {
  /// What was to be done, and with what.
  public let operation: String
  /// Why it failed, in words.
  public let reason: String
  /// The system's error number; 0 when it was no system call that failed.
  public let errorNumber: Int32

  public init(operation: String, reason: String, errorNumber: Int32 = 0) {
    self.operation = operation
    self.reason = reason
    self.errorNumber = errorNumber
  }

  init(_ operation: String, errorNumber: Int32) {
    // SAFETY: the C string is static or belongs to this thread until its next call; it is copied here.
    let reason = unsafe String(cString: spindle_error_text(errorNumber))
    self.init(operation: operation, reason: reason, errorNumber: errorNumber)
  }
}

extension SharedMemoryError: CustomStringConvertible {
  public var description: String { "\(operation): \(reason)" }
}
