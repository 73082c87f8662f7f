public import SpindleGround
public import Synchronization

/// Opens once, when it was counted down to zero, and stays open.
///
///     let loaded = Latch(files.count)
///     for file in files { pool.submit { load(file); loaded.countDown() } }
///     loaded.wait()                             // or: try await loaded.wait()
///
/// What was done before a `countDown()` is visible to all who pass. Counting down an open latch changes nothing.
/// It cannot be closed again; see `Barrier`.
public final class Latch: Sendable {
  @usableFromInline let remaining: Atomic<Int>
  @usableFromInline let spot = ParkingSpot()

  /// Makes a latch that opens after `count` calls of `countDown()`; zero makes an open one.
  public init(_ count: Int) {
    if count < 0 { mistake("a Latch of \(count); the count must not be negative") }
    remaining = Atomic(count)
  }

  /// How many counts are missing.
  public var count: Int { remaining.load(ordering: .acquiring) }

  /// Whether the latch has opened.
  @inlinable
  public var isOpen: Bool { remaining.load(ordering: .acquiring) == 0 }  // pairs with countDown()

  /// Counts down by `count`, not below zero. At zero all who wait go on.
  public func countDown(_ count: Int = 1) {
    if count < 0 { mistake("countDown(\(count)) of a Latch; the count must not be negative") }
    var now = remaining.load(ordering: .relaxed)
    while now > 0 {
      let left = max(0, now - count)
      // Releasing: pairs with isOpen. Acquiring: the last one passes on what the others released.
      // Sequentially consistent: step W1 of the parking protocol.
      let (done, seen) = remaining.weakCompareExchange(expected: now, desired: left, ordering: .sequentiallyConsistent)
      if done {
        if left == 0 { spot.wakeAll() }
        return
      }
      now = seen
    }
  }

  /// Waits until the latch is open.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  public func wait() {
    if !isOpen { _ = spot.wait("a Latch", isShared: true) { isOpen } }
  }

  /// Waits until the latch is open, at most this long. False when time ran out.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @discardableResult
  public func wait(timeout: Duration) -> Bool {
    isOpen || spot.wait("a Latch", until: Deadline(after: timeout), isShared: true) { isOpen }
  }

  /// Waits until the latch is open, without blocking a thread.
  public func wait() async throws(CancellationError) {
    _ = try await spot.wait("a Latch", owner: self, isShared: true) { isOpen }
  }

  /// Waits until the latch is open, at most this long, without blocking a thread. False when time ran out.
  @discardableResult
  public func wait(timeout: Duration) async throws(CancellationError) -> Bool {
    try await spot.wait("a Latch", owner: self, until: Deadline(after: timeout), isShared: true) { isOpen }
  }
}
