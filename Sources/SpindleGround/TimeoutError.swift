/// The time given for a result ran out before the result was there. The work itself goes on.
///
///     do { value = try future.result(timeout: .seconds(1)) }
///     catch is TimeoutError { ... }
public struct TimeoutError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was waited for, in words.
  public let operation: String

  public init(operation: String = "the operation") { self.operation = operation }

  public var description: String { "time ran out waiting for \(operation)" }
}
