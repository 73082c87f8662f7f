public import SpindleGround
public import Synchronization

/// A flag that threads and tasks wait for: Python's `threading.Event`.
///
///     let ready = Event()
///     OSThread.spawn { prepare(); ready.set() }
///     ready.wait()                              // or: try await ready.wait()
///
/// `set()` lets everyone go who waits, also when `clear()` follows at once, and everyone who comes later until `clear()`.
/// What was done before `set()` is visible after the `wait()` it ended.
public final class Event: Sendable {
  /// Odd: set. Counts how often it changed, so that one who waits knows of a `set()` even after a `clear()`, and is
  /// not let go by the late wake-up of a `set()` from before it came.
  @usableFromInline let changes = Atomic<UInt>(0)
  @usableFromInline let spot = ParkingSpot()

  /// Makes an event that is not set.
  public init() {}

  /// Whether the event is set.
  @inlinable
  public var isSet: Bool { changes.load(ordering: .acquiring) & 1 == 1 }  // pairs with set()

  /// Sets the event and wakes all who wait for it.
  @inlinable
  public func set() {
    if change(from: 0) { spot.wakeAll() }
  }

  /// Takes the setting back: who comes now waits.
  @inlinable
  public func clear() { _ = change(from: 1) }

  /// Waits until the event is set.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @inlinable
  public func wait() {
    if !isSet { _ = wait(until: .never) }
  }

  /// Waits until the event is set, at most this long. False when time ran out.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @inlinable
  @discardableResult
  public func wait(timeout: Duration) -> Bool {
    isSet || wait(until: Deadline(after: timeout))
  }

  /// Waits until the event is set, without blocking a thread.
  public func wait() async throws(CancellationError) {
    _ = try await wait(until: .never)
  }

  /// Waits until the event is set, at most this long, without blocking a thread. False when time ran out.
  @discardableResult
  public func wait(timeout: Duration) async throws(CancellationError) -> Bool {
    try await wait(until: Deadline(after: timeout))
  }

  @inlinable
  func change(from bit: UInt) -> Bool {
    var now = changes.load(ordering: .relaxed)
    while now & 1 == bit {
      // Sequentially consistent: a set() is step W1 of the parking protocol.
      let (done, seen) = changes.compareExchange(expected: now, desired: now &+ 1, ordering: .sequentiallyConsistent)
      if done { return true }
      now = seen
    }
    return false
  }

  /// Whether it is or was set since `changes` had the even value `seen`.
  private func hasBeenSet(since seen: UInt) -> Bool {
    seen & 1 == 1 || changes.load(ordering: .acquiring) != seen
  }

  @inline(never) @usableFromInline
  func wait(until deadline: Deadline) -> Bool {
    let seen = changes.load(ordering: .acquiring)
    return spot.wait("an Event", until: deadline, isShared: true) { hasBeenSet(since: seen) }
  }

  private func wait(until deadline: Deadline) async throws(CancellationError) -> Bool {
    let seen = changes.load(ordering: .acquiring)
    return try await spot.wait("an Event", owner: self, until: deadline, isShared: true) { hasBeenSet(since: seen) }
  }
}
