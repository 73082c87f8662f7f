import SpindleGround

/// Lets threads wait until something under a lock has changed: Python's `threading.Condition`.
///
///     let changed = Condition()
///     changed.withLock { while items.isEmpty { changed.wait() }; item = items.removeFirst() }
///     changed.withLock { items.append(x); changed.notify() }
///
/// The lock is given to the initializer, a `Lock` or an `RLock`, and several conditions may share it; `Condition()`
/// makes its own `RLock`. `wait` gives the lock back (an `RLock` also when it was acquired several times), sleeps until
/// it is notified or time runs out, and takes the lock again before it returns.
///
/// `notify(n)` wakes exactly those n who have waited longest, or all if they are fewer; it is not remembered when
/// nobody waits. There are no spurious wake-ups, but between the notification and the return of `wait` others may have
/// held the lock: look at the state again, in a loop or with `wait(until:)`. A wait whose time runs out as it is
/// notified counts as notified; no notification is lost on it.
///
/// Waiting or notifying without the lock is a mistake and ends the program.
public final class Condition: Sendable {
  private enum Under: Sendable {
    case lock(Lock)
    case rlock(RLock)
  }

  private let under: Under
  private let spot = ParkingSpot()

  /// Makes a condition with a recursive lock of its own.
  public convenience init() { self.init(RLock()) }

  /// Makes a condition on `lock`.
  public init(_ lock: Lock) { under = .lock(lock) }

  /// Makes a condition on `lock`.
  public init(_ lock: RLock) { under = .rlock(lock) }

  // MARK: The lock

  /// Waits for the condition's lock and takes it.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  public func acquire() {
    switch under {
    case .lock(let lock): lock.core.acquire()
    case .rlock(let lock): lock.take()
    }
  }

  /// Takes the condition's lock if that is possible at once.
  public func tryAcquire() -> Bool {
    switch under {
    case .lock(let lock): lock.tryAcquire()
    case .rlock(let lock): lock.tryAcquire()
    }
  }

  /// Takes the lock: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @discardableResult
  public func acquire(blocking: Bool) -> Bool {
    if !blocking { return tryAcquire() }
    acquire()
    return true
  }

  /// Waits for the lock at most this long. True when it was taken.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  public func acquire(timeout: Duration) -> Bool {
    switch under {
    case .lock(let lock): lock.acquire(timeout: timeout)
    case .rlock(let lock): lock.acquire(timeout: timeout)
    }
  }

  /// Gives the condition's lock back.
  public func release() {
    switch under {
    case .lock(let lock): lock.release()
    case .rlock(let lock): lock.release()
    }
  }

  /// Runs `body` with the condition's lock held.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch under {
    case .lock(let lock): try lock.withLock(body)
    case .rlock(let lock): try lock.withLock(body)
    }
  }

  // MARK: Waiting

  /// Waits until notified.
  @available(*, noasync, message: "blocks its thread; in async code wait on an Event, a Semaphore or a Queue")
  public func wait() {
    _ = wait(until: Deadline.never)
  }

  /// Waits until notified, at most this long. False when time ran out.
  @available(*, noasync, message: "blocks its thread; in async code wait on an Event, a Semaphore or a Queue")
  @discardableResult
  public func wait(timeout: Duration) -> Bool {
    wait(until: Deadline(after: timeout))
  }

  /// Waits until `predicate`, called with the lock held, is true: Python's `wait_for`.
  @available(*, noasync, message: "blocks its thread; in async code wait on an Event, a Semaphore or a Queue")
  public func wait<Failure: Error>(until predicate: () throws(Failure) -> Bool) throws(Failure) {
    requireLock("wait(until:)")
    while try !predicate() { _ = wait(until: Deadline.never) }
  }

  /// Waits until `predicate`, called with the lock held, is true, at most this long. Returns its last value.
  @available(*, noasync, message: "blocks its thread; in async code wait on an Event, a Semaphore or a Queue")
  @discardableResult
  public func wait<Failure: Error>(
    timeout: Duration, until predicate: () throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    requireLock("wait(timeout:until:)")
    let deadline = Deadline(after: timeout)
    while try !predicate() {
      if deadline.hasPassed { return false }
      if !wait(until: deadline) { return try predicate() }
    }
    return true
  }

  private func wait(until deadline: Deadline) -> Bool {
    requireLock("wait()")
    let code: UInt32?
    switch under {
    case .lock(let lock):
      code = spot.park("a Condition", until: deadline) {
        lock.release()
        return true
      }
      lock.core.acquire()
    case .rlock(let lock):
      var again: UInt32 = 0
      code = spot.park("a Condition", until: deadline) {
        again = lock.releaseAll()
        return true
      }
      lock.acquireAll(again)
    }
    return code != nil
  }

  // MARK: Notifying

  /// Wakes the `count` threads that have waited longest, or all if they are fewer.
  public func notify(_ count: Int = 1) {
    requireLock("notify()")
    if count < 0 { mistake("notify(\(count)) of a Condition; the count must not be negative") }
    if spot.hasWaiters { spot.end(count, code: 0) }
  }

  /// Wakes all threads that wait.
  public func notifyAll() {
    requireLock("notifyAll()")
    spot.wakeAll()
  }

  /// A `Lock` does not know its holder: then only "somebody holds it" can be checked.
  private func requireLock(_ call: StaticString) {
    let isHeld =
      switch under {
      case .lock(let lock): lock.isLocked
      case .rlock(let lock): lock.isHeldByCurrentThread
      }
    if !isHeld { mistake("\(call) of a Condition without its lock; call it inside withLock { }") }
  }
}

extension RLock {
  /// Frees the lock however often it was acquired; returns how often more than once. Only for its holder.
  func releaseAll() -> UInt32 {
    let count = unsafe again
    unsafe again = 0
    free()
    return count
  }

  /// Takes the lock as if acquired once and `count` times more.
  func acquireAll(_ count: UInt32) {
    take()
    unsafe again = count
  }
}
