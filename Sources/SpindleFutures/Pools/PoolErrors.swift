/// A task came too late: the pool that should run it had been shut down.
///
///     pool.shutdown()
///     do { _ = try pool.submit { 1 }.result() } catch is ShutdownError { ... }
///
/// `submit` after `shutdown` returns a future that has failed with this error; nothing hangs.
public struct ShutdownError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The pool that was shut down.
  public let pool: String

  public init(pool: String = "the pool") { self.pool = pool }

  public var description: String { "submitted to \(pool) after it was shut down" }
}

/// A pool that cannot run anything: its initializer threw, or none of its workers could be started.
///
/// Every future of such a pool that had not begun fails with it, and so does whatever is submitted afterwards.
public struct BrokenPoolError: Error, Sendable, CustomStringConvertible {
  /// The pool that is broken.
  public let pool: String
  /// What broke it, in words.
  public let reason: String
  /// The error that broke it, such as the one that the initializer threw.
  public let cause: (any Error)?

  public init(pool: String, reason: String, cause: (any Error)? = nil) {
    self.pool = pool
    self.reason = reason
    self.cause = cause
  }

  public var description: String { "\(pool) is broken: \(reason)" }
}
