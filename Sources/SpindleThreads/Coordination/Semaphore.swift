public import SpindleGround
public import Synchronization

/// A number of permits that threads and tasks take and give back: Python's `threading.Semaphore`.
///
///     let connections = Semaphore(4)
///     connections.withPermit { fetch(url) }
///     try await connections.withPermit { try await fetch(url) }
///
/// Anyone may release, also who did not acquire; permits may grow past the first number. `BoundedSemaphore` forbids that.
/// Threads and tasks wait in one line. What was done before a `release()` is visible after the `acquire()` it let in.
///
/// Fairness: a newcomer may overtake a waiter that is waking up; one that was overtaken eight times is served next.
/// Uncontended, acquire and release are one atomic operation each, without allocation.
///
/// Cancelling a task that waits ends its wait with `CancellationError`; it has taken no permit then.
/// More than 2^60 permits count as 2^60.
// SAFETY: not final only for BoundedSemaphore; everything stored is a constant or atomic.
public class Semaphore: @unchecked Sendable {
  /// How many there are, and the mark of those who wait: the sign bit.
  ///
  /// Whoever releases must know whether anybody waits. A second word that says so would often be with another processor by then, and
  /// cross once more for each turn; the mark is seen by the addition itself.
  ///
  ///     who waits (in ParkingSpot.waitOn)            release
  ///     S2 guard, append to the list, unguard        W1 permits += count; no mark: done
  ///     M  set the mark                              W2 wake
  ///     S4 take a permit; done: leave                C  guard; nobody in line: clear the mark; unguard
  ///     S5 sleep until ended
  ///
  /// No wake-up is lost: whoever sleeps was in line when it set the mark, and C clears no mark while somebody is in line. So a release
  /// that finds none comes before M in the order of changes of this word, and S4 sees its permits. (`SemaphoreModelTests`)
  @usableFromInline final let permits: Atomic<Int>
  @usableFromInline static var mark: Int { .min }
  @usableFromInline final let spot = ParkingSpot()
  /// The most permits there may be.
  @usableFromInline final let limit: Int

  /// Makes a semaphore with so many permits, zero or more.
  public convenience init(_ permits: Int = 1) { self.init(permits, limit: .max) }

  init(_ permits: Int, limit: Int) {
    if permits < 0 { mistake("a semaphore with \(permits) permits; the number must not be negative") }
    self.permits = Atomic(min(permits, 1 << 60))
    self.limit = limit
  }

  /// The permits that can be taken at this moment.
  @inlinable
  public final var available: Int { permits.load(ordering: .relaxed) & ~Self.mark }

  /// Takes a permit if there is one. Never waits.
  @inlinable
  public final func tryAcquire() -> Bool {
    // With the mark the number is negative.
    take(from: ~0) || permits.load(ordering: .relaxed) < 0 && takeUnlessReserved()
  }

  /// Waits for a permit and takes it.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @inlinable
  public final func acquire() {
    if !tryAcquire() { _ = wait(until: .never) }
  }

  /// Takes a permit: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; use tryAcquire or await; in main.swift inside a func")
  @inlinable
  @discardableResult
  public final func acquire(blocking: Bool) -> Bool {
    if !blocking { return tryAcquire() }
    acquire()
    return true
  }

  /// Waits for a permit at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @inlinable
  public final func acquire(timeout: Duration) -> Bool {
    tryAcquire() || wait(until: Deadline(after: timeout))
  }

  /// Waits for a permit and takes it, without blocking a thread.
  public final func acquire() async throws(CancellationError) {
    _ = try await wait(until: .never)
  }

  /// Waits for a permit at most this long, without blocking a thread. True when it was taken.
  public final func acquire(timeout: Duration) async throws(CancellationError) -> Bool {
    try await wait(until: Deadline(after: timeout))
  }

  /// Gives `count` permits and wakes as many waiters. A count below 1 is a mistake.
  @inlinable
  public final func release(_ count: Int = 1) {
    if count < 1 || count > Self.mostAtOnce { badCount(count) }
    // W1; releasing for whoever takes it.
    let before =
      limit == .max ? permits.wrappingAdd(count, ordering: .sequentiallyConsistent).oldValue : giveWithinLimit(count)
    if before < 0 { wake(count) }
  }

  /// Runs `body` with a permit; gives it back also when `body` throws.
  @inlinable
  public final func withPermit<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if !tryAcquire() { _ = wait(until: .never) }
    defer { release() }
    return try body()
  }

  /// Runs `body` with a permit, waiting for it without blocking a thread.
  public final func withPermit<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
  ) async throws -> Result {
    _ = try await wait(until: .never)
    defer { release() }
    return try await body()
  }

  /// The same for a body without an `await`: in a task the wait for the permit must not block a thread either.
  public final func withPermit<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: () throws -> Result
  ) async throws -> Result {
    _ = try await wait(until: .never)
    defer { release() }
    return try body()
  }

  /// The same as `tryAcquire` where somebody has lined up, or had: the mark outlasts those whose time ran out.
  @inline(never) @usableFromInline
  final func takeUnlessReserved() -> Bool { !spot.isReserved && take() }

  /// Takes a permit if these bits of the number are above zero: unless told otherwise, whatever the mark says.
  @inlinable
  final func take(from bits: Int = ~mark) -> Bool {
    var now = permits.load(ordering: .relaxed)
    while now & bits > 0 {
      // Acquiring: pairs with release().
      let (done, seen) = permits.weakCompareExchange(expected: now, desired: now - 1, ordering: .acquiring)
      if done { return true }
      now = seen
    }
    return false
  }

  @inline(never) @usableFromInline
  final func wait(until deadline: Deadline) -> Bool {
    spot.waitOn("a permit of a Semaphore", until: deadline, onListing: { setMark() }) { take() }
  }

  final func wait(until deadline: Deadline) async throws(CancellationError) -> Bool {
    if tryAcquire() { return true }
    return try await spot.waitOn(
      "a permit of a Semaphore", owner: self, until: deadline, onListing: { setMark() }) { take() }
  }

  /// M.
  private final func setMark() { permits.bitwiseOr(Self.mark, ordering: .sequentiallyConsistent) }

  /// W2 and C.
  @inline(never) @usableFromInline
  final func wake(_ count: Int) {
    spot.wake(count)
    spot.ifNobodyWaits { permits.bitwiseAnd(~Self.mark, ordering: .sequentiallyConsistent) }
  }

  /// W1. Returns what there was before.
  @inline(never) @usableFromInline
  final func giveWithinLimit(_ count: Int) -> Int {
    var now = permits.load(ordering: .relaxed)
    while true {
      let available = now & ~Self.mark
      if count > limit - available {
        mistake(
          "release(\(count)) of a BoundedSemaphore would make \(available &+ count) permits of \(limit); it was released too often")
      }
      let (done, seen) = permits.weakCompareExchange(
        expected: now, desired: now + count, ordering: .sequentiallyConsistent)
      if done { return now }
      now = seen
    }
  }

  @inline(never) @usableFromInline
  final func badCount(_ count: Int) -> Never {
    mistake("release(\(count)) of a semaphore; the count must be at least 1, and at most \(Self.mostAtOnce)")
  }

  /// Far above all use, and far below what would make the number of permits overflow.
  @inlinable static var mostAtOnce: Int { 1 << 48 }
}

/// A semaphore that may never have more permits than it began with: Python's `threading.BoundedSemaphore`.
///
///     let slots = BoundedSemaphore(2)
///     slots.acquire()
///     slots.release()
///     slots.release()   // a mistake: ends the program and says so
public final class BoundedSemaphore: Semaphore, @unchecked Sendable {
  /// Makes a semaphore with so many permits, and never more.
  public init(_ permits: Int = 1) { super.init(permits, limit: permits) }
}
