import SpindleGround
import Synchronization

/// Lets a fixed number of threads and tasks go on together, again and again: Python's `threading.Barrier`.
///
///     let barrier = Barrier(4) { print("all four are here") }
///     // in each of four threads
///     let index = try barrier.wait()            // or: try await barrier.wait()
///
/// `wait` returns the order of arrival, 0 to `parties - 1`, different for each. The last to arrive runs the action
/// first. What was done before `wait` is visible to all after it.
///
/// A barrier breaks when one who waits runs out of time, when the action throws, or by `abort()`: everyone who waits or
/// comes later gets `BarrierError.broken`, until `reset()`. Cancelling a task that waits takes its arrival back and
/// breaks nothing: the barrier waits for another party in its place.
public final class Barrier: Sendable {
  /// How many must arrive.
  public let parties: Int

  private let timeout: Duration?
  let action: (@Sendable () throws -> Void)?
  /// A `BarrierRound`.
  let round = Atomic<UInt>(0)
  let spot = ParkingSpot()
  /// How many rounds there are notes about: zero as long as nobody aborts, runs out of time or is cancelled.
  let noteCount = Atomic<Int>(0)
  let notes = RawGuarded<[UInt: BarrierNote]>([:])

  /// Makes a barrier for so many parties, at least one and less than 2^24.
  ///
  /// - Parameters:
  ///   - timeout: how long a `wait` without a time-out of its own waits; nil: for ever.
  ///   - action: run by the last to arrive, before anyone goes on. An error breaks the barrier and is thrown by that `wait`.
  public init(_ parties: Int, timeout: Duration? = nil, action: (@Sendable () throws -> Void)? = nil) {
    if parties < 1 { mistake("a Barrier of \(parties) parties; it needs at least 1") }
    if parties > BarrierRound.most { mistake("a Barrier of \(parties) parties; it can have \(BarrierRound.most)") }
    self.parties = parties
    self.timeout = timeout
    self.action = action
  }

  /// How many wait at this moment.
  public var waiting: Int { now.isClosing ? 0 : now.present }

  /// Whether the barrier is broken.
  public var isBroken: Bool { now.isBroken }

  /// Waits until all parties are there. Returns the order of arrival.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @discardableResult
  public func wait() throws -> Int { try arrive(until: Deadline(after: timeout)) }

  /// Waits until all parties are there; breaks the barrier when that takes longer than `timeout`.
  @available(*, noasync, message: "blocks its thread; use await; in main.swift inside a func")
  @discardableResult
  public func wait(timeout: Duration) throws -> Int { try arrive(until: Deadline(after: timeout)) }

  /// Waits until all parties are there, without blocking a thread. Returns the order of arrival.
  @discardableResult
  public func wait() async throws -> Int { try await arrive(until: Deadline(after: timeout)) }

  /// Waits until all parties are there, without blocking a thread; breaks the barrier when that takes too long.
  @discardableResult
  public func wait(timeout: Duration) async throws -> Int { try await arrive(until: Deadline(after: timeout)) }

  /// Breaks the barrier: everyone who waits or comes later gets `BarrierError.broken`, until `reset()`.
  public func abort() { dismiss(leavingBroken: true) }

  /// Makes the barrier new. Those who wait get `BarrierError.broken`.
  public func reset() { dismiss(leavingBroken: false) }
}

/// Why a `Barrier` did not let its parties go on.
public enum BarrierError: Error, Equatable, Sendable {
  /// Somebody ran out of time, the action failed, or `abort()` or `reset()` was called.
  case broken
}
