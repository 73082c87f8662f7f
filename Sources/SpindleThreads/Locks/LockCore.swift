public import SpindleGround

/// What a lock is, apart from the object around it: one word, which is a place to wait too.
@usableFromInline
struct LockCore: ~Copyable, Sendable {
  @usableFromInline let spot = ParkingSpot()

  @inlinable
  init() {}

  @inlinable
  var isLocked: Bool { spot.isHeld }

  /// Takes the lock if it is free and not promised to a waiter that was overtaken too often.
  @inlinable
  func tryAcquire() -> Bool { spot.holdAlone() || wait(until: .immediate) }

  @inlinable
  func acquire() {
    if !spot.holdAlone() { _ = wait(until: .never) }
  }

  @inlinable
  func acquire(timeout: Duration) -> Bool {
    spot.holdAlone() || wait(until: Deadline(after: timeout))
  }

  @inlinable
  func release() {
    if !spot.release() { notHeld() }
  }

  @inline(never) @usableFromInline
  func wait(_ purpose: StaticString = "a Lock", until deadline: Deadline) -> Bool {
    // What was used of the lock between two waits is one turn: so nobody gives way at once, as `SpinPolicy` says. Whoever
    // holds it is done sooner than a yield is.
    spot.wait(purpose, until: deadline, batch: 1) { spot.hold() }
  }

  @inline(never) @usableFromInline
  func notHeld() -> Never {
    mistake("release() of a Lock that nobody holds; each release() needs an acquire() before it")
  }
}
