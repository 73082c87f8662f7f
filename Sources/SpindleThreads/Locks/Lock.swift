/// A lock that one thread holds at a time: Python's `threading.Lock`.
///
///     let lock = Lock()
///     lock.withLock { balance += 1 }
///     if lock.acquire(timeout: .seconds(1)) { defer { lock.release() }; save() }
///
/// Not recursive: acquiring it again on the thread that holds it waits for ever; see `RLock`. Any thread may release
/// it, as in Python. Releasing it when nobody holds it is a mistake and ends the program.
///
/// What was written before `release()` is visible after the next `acquire()`. Uncontended, each is one atomic
/// operation; no allocation; 24 bytes.
///
/// Fairness: a newcomer may overtake a thread that is waking up, which keeps a contended lock fast. A thread that was
/// overtaken eight times is served before any newcomer, so nobody starves.
///
/// A lock is held for a few lines of synchronous code, never across an `await`: there is no async form. For a value
/// and its lock in one see `Guarded`.
public final class Lock: Sendable {
  @usableFromInline let core = LockCore()

  /// Makes a free lock.
  @inlinable
  public init() {}

  /// Waits until the lock is free and takes it.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  @inlinable
  public func acquire() { core.acquire() }

  /// Takes the lock if it is free. Never waits.
  @inlinable
  public func tryAcquire() -> Bool { core.tryAcquire() }

  /// Takes the lock: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @inlinable
  @discardableResult
  public func acquire(blocking: Bool) -> Bool {
    if !blocking { return core.tryAcquire() }
    core.acquire()
    return true
  }

  /// Waits for the lock at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @inlinable
  public func acquire(timeout: Duration) -> Bool { core.acquire(timeout: timeout) }

  /// Gives the lock back and wakes the thread that has waited longest.
  @inlinable
  public func release() { core.release() }

  /// Whether somebody holds the lock at this moment.
  @inlinable
  public var isLocked: Bool { core.isLocked }

  /// Runs `body` with the lock held; gives it back also when `body` throws.
  @inlinable
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    core.acquire()
    defer { core.release() }
    return try body()
  }
}
