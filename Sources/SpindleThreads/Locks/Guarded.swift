/// A value and the lock that guards it: the value can be reached in no other way.
///
///     let hits = Guarded([String: Int]())
///     hits.withLock { $0["/", default: 0] += 1 }
///     let total = hits.withLock { $0.values.reduce(0, +) }
///
/// The value need not be `Sendable`: it is given away when the guard is made, and only `withLock` sees it.
/// Fairness and memory effects are those of `Lock`.
// SAFETY: `value` is touched only while `core` is held.
public final class Guarded<Value: ~Copyable>: @unchecked Sendable {
  @usableFromInline let core = LockCore()
  // SAFETY: exclusive by the lock; the run-time check would cost a quarter of an uncontended withLock.
  @exclusivity(unchecked) @usableFromInline var value: Value

  /// Takes the value over.
  @inlinable
  public init(_ value: consuming sending Value) { unsafe self.value = value }

  /// Runs `body` with exclusive access to the value, waiting for the lock if need be.
  @inlinable
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    core.acquire()
    defer { core.release() }
    return unsafe try body(&value)
  }

  /// Runs `body` if the lock is free; nil when it is not. Never waits.
  @inlinable
  public func tryWithLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result? {
    guard core.tryAcquire() else { return nil }
    defer { core.release() }
    return unsafe try body(&value)
  }

  /// Runs `body` if the lock can be had within `timeout`; nil when it cannot.
  @available(*, noasync, message: "blocks its thread; in async code use withLock or tryWithLock")
  @inlinable
  public func withLock<Result: ~Copyable, Failure: Error>(
    timeout: Duration, _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result? {
    guard core.acquire(timeout: timeout) else { return nil }
    defer { core.release() }
    return unsafe try body(&value)
  }
}
