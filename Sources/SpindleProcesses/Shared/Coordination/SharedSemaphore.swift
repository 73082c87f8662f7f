internal import SpindleGround
internal import Synchronization

/// A number of permits that threads and tasks of any process take and give back: Python's `multiprocessing.Semaphore`.
///
///     func fetch(_ url: String, _ connections: SharedSemaphore) throws -> [UInt8] {
///       connections.withPermit { load(url) }
///     }
///     let connections = SharedSemaphore(4)
///     for url in urls { pool.submit(fetch, url, connections) }
///
/// Its calls are those of ``Semaphore``, and it is sent to other processes as ``SharedLock`` is. Anyone may release, also who
/// did not acquire; permits may grow past the first number, which ``SharedBoundedSemaphore`` forbids.
///
/// When a process ends, killed or not, while it holds permits, they are given back: who waits notices within 0.1 s, who
/// only tries within 0.01 s, and ``reclaimed`` counts them. That needs to know who holds what: it is known as long as every
/// process releases only what it has acquired itself. The first release of a permit that the releasing process does not
/// hold turns this off for good (``isOwned`` becomes false): then the semaphore counts signals, which belong to nobody.
/// It is also unknown for processes that hold permits while 1000 others do.
///
/// What was done to shared memory before a `release()` is visible after the `acquire()` it let in. A newcomer may overtake
/// a waiter that is waking up. A task that is cancelled while it waits throws `CancellationError` and has taken no permit.
// SAFETY: not final only for SharedBoundedSemaphore; everything stored is constant.
public class SharedSemaphore: Codable, @unchecked Sendable, InSharedBlock {
  final let block: SharedBlock
  final let core: SharedSemaphoreCore
  private final let bridge: SharedSpotBridge

  /// Makes a semaphore with so many permits, zero or more.
  public convenience init(_ permits: Int = 1) { self.init(permits, limit: .max) }

  init(_ permits: Int, limit: Int) {
    if permits < 0 { mistake("a semaphore with \(permits) permits; the number must not be negative") }
    block = SharedBlock(
      .semaphore, label: "spindle-semaphore", byteCount: SharedSemaphoreCore.byteCount, [limit])
    core = SharedSemaphoreCore(in: block.mapping, limit: limit)
    core.prepare(permits)
    bridge = core.makeBridge(block)
  }

  deinit { bridge.end() }

  /// The permits that can be taken at this moment.
  public final var available: Int { core.permits }

  /// How many permits were given back because the process that held them had ended.
  public final var reclaimed: Int { core.reclaimed }

  /// Whether it is known who holds the permits, so that those of the dead are given back.
  public final var isOwned: Bool { core.isOwned }

  /// Takes a permit if there is one. Never waits.
  public final func tryAcquire() -> Bool { core.take() || (core.patrol() && core.take()) }

  /// Waits for a permit and takes it.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  public final func acquire() { _ = wait(until: .never) }

  /// Takes a permit: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; use tryAcquire or await; in main.swift inside a func")
  @discardableResult
  public final func acquire(blocking: Bool) -> Bool { blocking ? wait(until: .never) : tryAcquire() }

  /// Waits for a permit at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  public final func acquire(timeout: Duration) -> Bool { wait(until: Deadline(after: timeout)) }

  /// Waits for a permit and takes it, without blocking a thread.
  nonisolated(nonsending) public final func acquire() async throws { _ = try await wait(until: .never) }

  /// Waits for a permit at most this long, without blocking a thread. True when it was taken.
  nonisolated(nonsending) public final func acquire(timeout: Duration) async throws -> Bool {
    try await wait(until: Deadline(after: timeout))
  }

  /// Gives `count` permits and wakes as many waiters.
  public final func release(_ count: Int = 1) { core.give(count) }

  /// Runs `body` with a permit; gives it back also when `body` throws.
  public final func withPermit<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = wait(until: .never)
    defer { core.give(1) }
    return try body()
  }

  /// Runs `body` with a permit, waiting for it without blocking a thread.
  nonisolated(nonsending) public final func withPermit<Result>(
    _ body: () async throws -> Result
  ) async throws -> Result {
    _ = try await wait(until: .never)
    defer { core.give(1) }
    return try await body()
  }

  /// The same for a body without an `await`: in a task the wait for the permit must not block a thread either.
  nonisolated(nonsending) public final func withPermit<Result>(_ body: () throws -> Result) async throws -> Result {
    _ = try await wait(until: .never)
    defer { core.give(1) }
    return try body()
  }

  private final func wait(until deadline: Deadline) -> Bool {
    if deadline == .immediate { return tryAcquire() }
    return core.spot.wait(until: deadline, patrol: { _ = core.patrol() }) { core.take() }
  }

  nonisolated(nonsending) private final func wait(until deadline: Deadline) async throws -> Bool {
    if deadline == .immediate { return tryAcquire() }
    return try await bridge.wait("a permit of a SharedSemaphore", until: deadline) { core.take() }
  }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public final func encode(to encoder: any Encoder) throws { try encodeBlock(to: encoder) }

  /// The semaphore that another process sent.
  public required init(from decoder: any Decoder) throws {
    block = try Self.decodeBlock(.semaphore, from: decoder)
    try block.require(SharedSemaphoreCore.byteCount, .semaphore)
    let limit = try block.number(0, in: 0...Int.max, .semaphore)
    core = SharedSemaphoreCore(in: block.mapping, limit: limit)
    bridge = core.makeBridge(block)
  }

  /// For tests.
  package final var someoneWaits: Bool { core.spot.hasSleepers || bridge.hasWaiters }
  package final var deaths: Int { core.journal.deathCount }
}

/// A shared semaphore that may never have more permits than it began with: Python's `multiprocessing.BoundedSemaphore`.
///
///     let slots = SharedBoundedSemaphore(2)
///     slots.acquire()
///     slots.release()
///     slots.release()   // a mistake: ends the program and says so
public final class SharedBoundedSemaphore: SharedSemaphore, @unchecked Sendable {
  /// Makes a semaphore with so many permits, and never more.
  public init(_ permits: Int = 1) { super.init(permits, limit: permits) }

  /// The semaphore that another process sent.
  public required init(from decoder: any Decoder) throws { try super.init(from: decoder) }
}
