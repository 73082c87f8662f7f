public import SpindleGround
public import Synchronization

/// What a lock is, apart from the object around it: one word and a place to wait.
@usableFromInline
struct LockCore: ~Copyable, Sendable {
  /// 0 free, 1 held.
  @usableFromInline let state = Atomic<UInt32>(0)
  @usableFromInline let spot = ParkingSpot()

  @inlinable
  init() {}

  @inlinable
  var isLocked: Bool { state.load(ordering: .relaxed) != 0 }

  /// Takes the lock if it is free and not promised to a waiter that was overtaken too often.
  @inlinable
  func tryAcquire() -> Bool {
    // Acquiring: pairs with release().
    !spot.isReserved && state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
  }

  @inlinable
  func acquire() {
    if !tryAcquire() { _ = wait(until: .never) }
  }

  @inlinable
  func acquire(timeout: Duration) -> Bool {
    tryAcquire() || wait(until: Deadline(after: timeout))
  }

  @inlinable
  func release() {
    // Releasing for the next holder; sequentially consistent because it is step W1 of the parking protocol.
    if state.exchange(0, ordering: .sequentiallyConsistent) == 0 { notHeld() }
    spot.wake()
  }

  @inline(never) @usableFromInline
  func wait(_ purpose: StaticString = "a Lock", until deadline: Deadline) -> Bool {
    spot.wait(purpose, until: deadline) {
      // Look before the exchange: a failed one would take the cache line away from the holder.
      state.load(ordering: .relaxed) == 0
        && state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
    }
  }

  @inline(never) @usableFromInline
  func notHeld() -> Never {
    mistake("release() of a Lock that nobody holds; each release() needs an acquire() before it")
  }
}
