/// Why a ``Connection`` did not send or receive.
///
///     do { while true { handle(try connection.receive()) } } catch ConnectionError.endOfStream { return }
public enum ConnectionError: Error, Sendable, Hashable {
  /// The other end is gone: closed, or its last process has ended. Everything it had sent was received.
  case endOfStream
  /// `close()` was called on this end.
  case closed
  /// The system refused.
  case failed(operation: String, reason: String, errorNumber: Int32)
}

extension ConnectionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .endOfStream: "the other end of the connection is gone"
    case .closed: "the connection was closed here"
    case .failed(let operation, let reason, _): "\(operation): \(reason)"
    }
  }
}
