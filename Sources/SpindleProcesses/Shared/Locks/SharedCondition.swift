internal import SpindleGround

/// Lets threads of any process wait until something under a lock has changed: Python's `multiprocessing.Condition`.
///
///     let changed = SharedCondition()
///     changed.withLock { while count.value == 0 { changed.wait() }; count.value -= 1 }   // in one process
///     changed.withLock { count.value += 1; changed.notify() }                            // in another
///
/// Its calls are those of ``Condition``, on a ``SharedLock`` or ``SharedRLock``; `SharedCondition()` makes its own
/// `SharedRLock`. It is sent to other processes as a lock is, and takes its lock along: what arrives has the same.
///
/// `notify(n)` wakes exactly those n who have waited longest, or all if they are fewer. There are no spurious wake-ups, but
/// others may have held the lock meanwhile: look at the state again, in a loop or with `wait(until:)`.
///
/// Processes may die. One that waits is passed over; a notification that had reached it and that it has not acted on goes to
/// the next within 0.1 s. One that dies while it notifies has notified some or none. One that dies with the lock is reported
/// as ``SharedLock`` does: after `wait` look at ``ownerDied``.
///
/// Waiting or notifying without the lock is a mistake and ends the program.
public final class SharedCondition: Codable, Sendable {
  private enum Under: Sendable {
    case lock(SharedLock)
    case rlock(SharedRLock)
  }

  private let under: Under
  private let block: SharedBlock
  private let core: SharedConditionCore

  /// Makes a condition with a recursive lock of its own.
  public convenience init() { self.init(SharedRLock()) }

  /// Makes a condition on `lock`.
  public convenience init(_ lock: SharedLock) { self.init(.lock(lock)) }

  /// Makes a condition on `lock`.
  public convenience init(_ lock: SharedRLock) { self.init(.rlock(lock)) }

  private init(_ under: Under) {
    self.under = under
    block = SharedBlock(.condition, label: "spindle-condition", byteCount: SharedConditionCore.byteCount)
    core = SharedConditionCore(in: block.mapping)
  }

  // MARK: The lock

  /// Waits for the condition's lock and takes it. Returns who died holding it, nil as a rule; it is held then too.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  @discardableResult
  public func acquire() -> OwnerDiedError? {
    switch under {
    case .lock(let lock): lock.acquire()
    case .rlock(let lock): lock.acquire()
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
    switch under {
    case .lock(let lock): lock.acquire(blocking: blocking)
    case .rlock(let lock): lock.acquire(blocking: blocking)
    }
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

  /// The same, and `repair` first when a process died holding the lock: see ``SharedLock``.
  public func withLock<Result: ~Copyable, Failure: Error>(
    repair: (OwnerDiedError) throws(Failure) -> Void, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch under {
    case .lock(let lock): try lock.withLock(repair: repair, body)
    case .rlock(let lock): try lock.withLock(repair: repair, body)
    }
  }

  /// Who died holding the lock; nil as a rule, and again after `recover()`.
  public var ownerDied: OwnerDiedError? {
    switch under {
    case .lock(let lock): lock.ownerDied
    case .rlock(let lock): lock.ownerDied
    }
  }

  /// Says that what the lock guards is whole again. For the holder of the lock.
  public func recover() {
    switch under {
    case .lock(let lock): lock.recover()
    case .rlock(let lock): lock.recover()
    }
  }

  // MARK: Waiting

  /// Waits until notified.
  @available(*, noasync, message: "blocks its thread; in async code use a SharedEvent or SharedQueue")
  public func wait() { _ = wait(until: Deadline.never) }

  /// Waits until notified, at most this long. False when time ran out.
  @available(*, noasync, message: "blocks its thread; in async code use a SharedEvent or SharedQueue")
  @discardableResult
  public func wait(timeout: Duration) -> Bool { wait(until: Deadline(after: timeout)) }

  /// Waits until `predicate`, called with the lock held, is true: Python's `wait_for`.
  @available(*, noasync, message: "blocks its thread; in async code use a SharedEvent or SharedQueue")
  public func wait<Failure: Error>(until predicate: () throws(Failure) -> Bool) throws(Failure) {
    while try !predicate() { _ = wait(until: Deadline.never) }
  }

  /// Waits until `predicate`, called with the lock held, is true, at most this long. Returns its last value.
  @available(*, noasync, message: "blocks its thread; in async code use a SharedEvent or SharedQueue")
  @discardableResult
  public func wait<Failure: Error>(
    timeout: Duration, until predicate: () throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    let deadline = Deadline(after: timeout)
    while try !predicate() {
      if deadline.hasPassed { return false }
      if !wait(until: deadline) { return try predicate() }
    }
    return true
  }

  private func wait(until deadline: Deadline) -> Bool {
    requireLock("wait()")
    // In line before the lock is given back: a notification after that finds this thread.
    let place = core.enlist()
    switch under {
    case .lock(let lock):
      lock.core.release()
      let end = core.wait(in: place, until: deadline)
      FaultPoint.conditionWoken.reach()
      _ = lock.core.acquire(until: .never)
      return core.finish(end)
    case .rlock(let lock):
      let depth = lock.core.releaseAll()
      let end = core.wait(in: place, until: deadline)
      FaultPoint.conditionWoken.reach()
      lock.core.acquireAll(depth)
      return core.finish(end)
    }
  }

  // MARK: Notifying

  /// Wakes the `count` threads that have waited longest, or all if they are fewer.
  public func notify(_ count: Int = 1) {
    requireLock("notify()")
    if count < 0 { mistake("notify(\(count)) of a SharedCondition; the count must not be negative") }
    core.notify(count)
  }

  /// Wakes all threads that wait.
  public func notifyAll() {
    requireLock("notifyAll()")
    core.notify(.max)
  }

  /// A `SharedLock` knows only its holder's process: then only "this process holds it" can be checked.
  private func requireLock(_ call: StaticString) {
    let isHeld =
      switch under {
      case .lock(let lock): lock.isLocked
      case .rlock(let lock): lock.isHeldByCurrentThread
      }
    if !isHeld { mistake("\(call) of a SharedCondition without its lock; call it inside withLock { }") }
  }

  /// How many wait at this moment. For tests.
  package var waiterCount: Int { core.waiters.line().count }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    try container.encode(block.attachment())
    switch under {
    case .lock(let lock):
      try container.encode(true)
      try container.encode(lock)
    case .rlock(let lock):
      try container.encode(false)
      try container.encode(lock)
    }
  }

  /// The condition, with its lock, that another process sent.
  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    block = try SharedBlock(received: container.decode(AttachedDescriptor.self).descriptor, .condition)
    try block.require(SharedConditionCore.byteCount, .condition)
    core = SharedConditionCore(in: block.mapping)
    under =
      try container.decode(Bool.self)
      ? .lock(container.decode(SharedLock.self)) : .rlock(container.decode(SharedRLock.self))
  }
}
