internal import SpindleGround
internal import Synchronization

/// A flag that threads and tasks of any process wait for: Python's `multiprocessing.Event`.
///
///     func work(_ ready: SharedEvent) { ready.wait(); ... }
///     let ready = SharedEvent()
///     ChildProcess(target: work, ready).start()
///     ready.set()
///
/// Its calls are those of ``Event``, and it is sent to other processes as ``SharedLock`` is. `set()` lets everyone go who
/// waits, also when `clear()` follows at once, and everyone who comes later until `clear()`. Nobody holds an event, so no
/// death can harm it; of a process killed in the middle of `set()` the others notice within 0.1 s.
/// What was done to shared memory before `set()` is visible after the `wait()` it ended.
public final class SharedEvent: Codable, Sendable, InSharedBlock {
  let block: SharedBlock
  private let core: SharedEventCore
  private let bridge: SharedSpotBridge

  /// Makes an event that is not set.
  public init() {
    block = SharedBlock(.event, label: "spindle-event", byteCount: SharedEventCore.byteCount)
    core = SharedEventCore(in: block.mapping)
    bridge = core.makeBridge(block)
  }

  deinit { bridge.end() }

  /// Whether the event is set.
  public var isSet: Bool { core.changes & 1 == 1 }

  /// Sets the event and wakes all who wait for it.
  public func set() {
    if core.change(from: 0) { core.spot.wakeAll() }
  }

  /// Takes the setting back: who comes now waits.
  public func clear() { _ = core.change(from: 1) }

  /// Waits until the event is set.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  public func wait() { _ = wait(until: .never) }

  /// Waits until the event is set, at most this long. False when time ran out.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @discardableResult
  public func wait(timeout: Duration) -> Bool { wait(until: Deadline(after: timeout)) }

  /// Waits until the event is set, without blocking a thread. Throws `CancellationError` when the task is cancelled.
  nonisolated(nonsending) public func wait() async throws { _ = try await wait(until: .never) }

  /// Waits until the event is set, at most this long, without blocking a thread. False when time ran out.
  @discardableResult
  nonisolated(nonsending) public func wait(timeout: Duration) async throws -> Bool {
    try await wait(until: Deadline(after: timeout))
  }

  private func wait(until deadline: Deadline) -> Bool {
    let seen = core.changes
    return core.spot.wait(until: deadline) { core.hasBeenSet(since: seen) }
  }

  nonisolated(nonsending) private func wait(until deadline: Deadline) async throws -> Bool {
    let seen = core.changes
    return try await bridge.wait("a SharedEvent", until: deadline) { core.hasBeenSet(since: seen) }
  }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws { try encodeBlock(to: encoder) }

  /// The event that another process sent.
  public init(from decoder: any Decoder) throws {
    block = try Self.decodeBlock(.event, from: decoder)
    try block.require(SharedEventCore.byteCount, .event)
    core = SharedEventCore(in: block.mapping)
    bridge = core.makeBridge(block)
  }

  /// For tests.
  package var someoneWaits: Bool { core.spot.hasSleepers || bridge.hasWaiters }
  /// Whether somebody is listed whom `set()` will wake.
  package var someoneSleeps: Bool { core.spot.hasSleepers }
}

/// What an event is in memory: how often it changed (odd: set), and a spot.
// SAFETY: the word is atomic; whoever has the core keeps the mapping.
@safe struct SharedEventCore: @unchecked Sendable {
  static let byteCount = 128

  private let word: UnsafeMutablePointer<Atomic<UInt64>>
  let spot: SharedSpot

  init(in mapping: SharedMapping) {
    unsafe word = mapping.word64(at: SharedBlock.headSize)
    spot = SharedSpot(in: mapping, at: SharedBlock.headSize + 64)
  }

  var changes: UInt64 { unsafe word.pointee.load(ordering: .acquiring) }  // pairs with change()

  func change(from bit: UInt64) -> Bool {
    var now = unsafe word.pointee.load(ordering: .relaxed)
    while now & 1 == bit {
      let (done, seen) = unsafe word.pointee.compareExchange(
        expected: now, desired: now &+ 1, ordering: .acquiringAndReleasing)
      if done { return true }
      now = seen
    }
    return false
  }

  /// Whether it is or was set since `changes` had the value `seen`.
  func hasBeenSet(since seen: UInt64) -> Bool { seen & 1 == 1 || changes != seen }

  func makeBridge(_ block: SharedBlock) -> SharedSpotBridge {
    // What the bridge saw last: only a change lets anyone go, or that it is set.
    let seen = SharedCounter(changes)
    return SharedSpotBridge(spot, in: block) {
      let now = changes
      return seen.replace(by: now) != now || now & 1 == 1 ? .max : 0
    }
  }
}

/// A number that one bridge remembers.
final class SharedCounter: Sendable {
  private let value: Atomic<UInt64>
  init(_ value: UInt64) { self.value = Atomic(value) }
  func replace(by new: UInt64) -> UInt64 { value.exchange(new, ordering: .relaxed) }
}
