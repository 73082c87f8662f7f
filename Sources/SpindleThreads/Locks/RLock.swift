import CSpindle
public import SpindleGround
public import Synchronization

/// A lock that its holder may take again: Python's `threading.RLock`.
///
///     let lock = RLock()
///     func add(_ x: Int) { lock.withLock { total += x } }
///     lock.withLock { add(1); add(2) }   // taken twice, given back twice
///
/// It is free again after as many `release()` as `acquire()`. Only the thread that holds it may release it; anything
/// else is a mistake and ends the program.
///
/// Fairness and memory effects are those of `Lock`. Taking it again costs no atomic read-modify-write.
// SAFETY: `again` is touched only by the thread named in `owner`.
public final class RLock: @unchecked Sendable {
  /// The holding thread's key, 0 when free. A word of its own, written after the lock was won: to read a word that was just
  /// exchanged takes Intel's processors 3 ns longer, and each of the four calls in a lock taken twice reads it.
  @usableFromInline let owner = Atomic<UInt>(0)
  @usableFromInline let core = LockCore()
  /// How often its holder has taken it again; 0 when free, so that who takes it once writes one word.
  // SAFETY: exclusive by ownership of the lock.
  @exclusivity(unchecked) @usableFromInline var again: UInt32 = 0

  /// Makes a free lock.
  @inlinable
  public init() {}

  /// Whether this thread holds the lock.
  @inlinable
  public var isHeldByCurrentThread: Bool { owner.load(ordering: .relaxed) == currentThreadKey() }

  /// Whether some thread holds the lock at this moment.
  @inlinable
  public var isLocked: Bool { core.isLocked }

  /// Takes the lock if it is free or held by this thread. Never waits.
  @inlinable
  public func tryAcquire() -> Bool {
    let me = currentThreadKey()
    if owner.load(ordering: .relaxed) == me {
      unsafe again += 1
      return true
    }
    guard core.tryAcquire() else { return false }
    owner.store(me, ordering: .relaxed)
    return true
  }

  /// Waits until the lock is free or held by this thread, and takes it.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  @inlinable
  public func acquire() { take() }

  /// Takes the lock: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @inlinable
  @discardableResult
  public func acquire(blocking: Bool) -> Bool {
    if !blocking { return tryAcquire() }
    take()
    return true
  }

  /// Waits for the lock at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @inlinable
  public func acquire(timeout: Duration) -> Bool {
    tryAcquire() || wait(until: Deadline(after: timeout))
  }

  /// Gives back one `acquire()`; the last one frees the lock and wakes the thread that has waited longest.
  @inlinable
  public func release() {
    if !isHeldByCurrentThread { notOwner() }
    if unsafe again == 0 { return free() }
    unsafe again -= 1
  }

  /// Runs `body` with the lock held; gives it back also when `body` throws.
  @inlinable
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    take()
    defer { release() }
    return try body()
  }

  @inlinable
  func take() {
    if !tryAcquire() { _ = wait(until: .never) }
  }

  @inlinable
  func free() {
    owner.store(0, ordering: .relaxed)
    core.release()
  }

  @inline(never) @usableFromInline
  func wait(until deadline: Deadline) -> Bool {
    guard core.wait("an RLock", until: deadline) else { return false }
    owner.store(currentThreadKey(), ordering: .relaxed)
    return true
  }

  @inline(never) @usableFromInline
  func notOwner() -> Never {
    mistake(
      isLocked
        ? "release() of an RLock that another thread holds; only the thread that acquired it may release it"
        : "release() of an RLock that nobody holds; each release() needs an acquire() before it")
  }
}

/// A word that no other living thread has, and never 0. One instruction.
@inlinable
func currentThreadKey() -> UInt { spindle_thread_key() }
