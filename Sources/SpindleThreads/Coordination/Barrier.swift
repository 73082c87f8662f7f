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
  private let action: (@Sendable () throws -> Void)?
  private let broken = Atomic<Bool>(false)
  private let changing = RawLock()
  /// How often those who waited were sent away. Belongs to `changing`.
  private let dismissals = Atomic<UInt>(0)
  private let spot = ParkingSpot()

  /// Codes for those who are let go: broken, or `passed` + the order of arrival.
  private static var brokenCode: UInt32 { 0 }
  private static var passed: UInt32 { 1 }

  /// Makes a barrier for so many parties, at least one.
  ///
  /// - Parameters:
  ///   - timeout: how long a `wait` without a time-out of its own waits; nil: for ever.
  ///   - action: run by the last to arrive, before anyone goes on. An error breaks the barrier and is thrown by that `wait`.
  public init(_ parties: Int, timeout: Duration? = nil, action: (@Sendable () throws -> Void)? = nil) {
    if parties < 1 { mistake("a Barrier of \(parties) parties; it needs at least 1") }
    self.parties = parties
    self.timeout = timeout
    self.action = action
  }

  /// How many wait at this moment.
  public var waiting: Int { spot.waiterCount }

  /// Whether the barrier is broken.
  public var isBroken: Bool { broken.load(ordering: .acquiring) }

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

  /// The flag and the list change together for `abort` and `reset`, or a late half of the one could undo the other.
  ///
  /// `after`: only if nobody has been sent away since. Whose time runs out breaks the barrier for those it waited with;
  /// if a `reset()` has sent them away meanwhile, the new barrier is none of its business.
  private func dismiss(leavingBroken: Bool, after seen: UInt? = nil) {
    changing.acquire()
    if let seen, seen != dismissals.load(ordering: .relaxed) {
      changing.release()
      return
    }
    dismissals.wrappingAdd(1, ordering: .relaxed)
    // First the flag, then the list: who lists itself after we took the list sees the flag (S4).
    broken.store(leavingBroken, ordering: .sequentiallyConsistent)
    let waiters = spot.take(.max)
    changing.release()
    waiters.end(code: Self.brokenCode)
  }

  /// Once listed: who was sent away between listing and this has its sleep ended, and no time-out.
  private func readDismissals() -> UInt {
    changing.acquire()
    defer { changing.release() }
    return dismissals.load(ordering: .relaxed)
  }

  private func arrive(until deadline: Deadline) throws -> Int {
    if isBroken { throw BarrierError.broken }
    var seen: UInt = 0
    let gathering = spot.gather("a Barrier", quorum: parties, until: deadline, unneeded: Self.brokenCode) {
      seen = readDismissals()
      return !isBroken
    }
    switch gathering {
    case .complete(let others): return try open(for: others)
    case .ended(let code): return try order(of: code, dismissals: seen)
    }
  }

  private func arrive(until deadline: Deadline) async throws -> Int {
    if isBroken { throw BarrierError.broken }
    var seen: UInt = 0
    let gathering = try await spot.gather(
      "a Barrier", owner: self, quorum: parties, until: deadline, unneeded: Self.brokenCode
    ) {
      seen = readDismissals()
      return !isBroken
    }
    switch gathering {
    case .complete(let others): return try open(for: others)
    case .ended(let code): return try order(of: code, dismissals: seen)
    }
  }

  /// What the last to arrive does. The others are in no list any more: neither time nor cancellation reaches them
  /// while the action runs, as in Python.
  private func open(for others: ParkingSpot.Group) throws -> Int {
    do {
      try action?()
    } catch {
      abort()
      others.end(code: Self.brokenCode)
      throw error
    }
    others.end(code: Self.passed, step: 1)
    return parties - 1
  }

  private func order(of code: UInt32?, dismissals seen: UInt) throws -> Int {
    guard let code else {
      dismiss(leavingBroken: true, after: seen)
      throw BarrierError.broken
    }
    if code == Self.brokenCode { throw BarrierError.broken }
    return Int(code - Self.passed)
  }
}

/// Why a `Barrier` did not let its parties go on.
public enum BarrierError: Error, Equatable, Sendable {
  /// Somebody ran out of time, the action failed, or `abort()` or `reset()` was called.
  case broken
}
