internal import SpindleGround
internal import SpindleThreads

/// Lets a fixed number of threads and tasks of any processes go on together: Python's `multiprocessing.Barrier`.
///
///     func work(_ barrier: SharedBarrier) throws { prepare(); try barrier.wait(); run() }
///     let barrier = SharedBarrier(3)
///     // in each of three children
///     let index = try barrier.wait()            // or: try await barrier.wait()
///
/// Its calls are those of ``Barrier``, and it is sent to other processes as ``SharedLock`` is. `wait` returns the order of
/// arrival, 0 to `parties - 1`. The last to arrive runs the action first, in its process: an action must be a function or a
/// closure without captures, as the target of a ``ChildProcess`` must, or sending the barrier throws.
///
/// A barrier breaks when one who waits runs out of time, when the action throws, by `abort()`, and when a process that
/// waits or runs the action dies; that is noticed within 0.1 s. Everyone who waits or comes later gets
/// `BarrierError.broken`, until `reset()`. Cancelling a task that waits takes its arrival back and breaks nothing.
public final class SharedBarrier: Codable, Sendable {
  private let block: SharedBlock
  private let core: SharedBarrierCore
  private let bridge: SharedSpotBridge
  private let timeout: Duration?
  private let action: (@Sendable () throws -> Void)?
  /// The action's name for other processes, as it came from one.
  private let actionCall: [UInt8]?

  /// How many must arrive.
  public var parties: Int { core.parties }

  /// Makes a barrier for so many parties, at least one.
  ///
  /// - Parameters:
  ///   - timeout: how long a `wait` without a time-out of its own waits; nil: for ever.
  ///   - action: run by the last to arrive, before anyone goes on. An error breaks the barrier and is thrown by that `wait`.
  public init(_ parties: Int, timeout: Duration? = nil, action: (@Sendable () throws -> Void)? = nil) {
    if !SharedBarrierCore.partiesRange.contains(parties) {
      mistake("a SharedBarrier of \(parties) parties; it needs at least 1, and a million at most")
    }
    block = SharedBlock(
      .barrier, label: "spindle-barrier", byteCount: SharedBarrierCore.byteCount(parties: parties), [parties])
    core = SharedBarrierCore(in: block.mapping, parties: parties)
    bridge = core.makeBridge(block)
    self.timeout = timeout
    self.action = action
    actionCall = nil
  }

  deinit { bridge.end() }

  /// How many wait at this moment.
  public var waiting: Int { core.waiting }

  /// Whether the barrier is broken.
  public var isBroken: Bool { core.isBroken }

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
  nonisolated(nonsending) public func wait() async throws -> Int { try await arrive(until: Deadline(after: timeout)) }

  /// Waits until all parties are there, without blocking a thread; breaks the barrier when that takes too long.
  @discardableResult
  nonisolated(nonsending) public func wait(timeout: Duration) async throws -> Int {
    try await arrive(until: Deadline(after: timeout))
  }

  /// Breaks the barrier: everyone who waits or comes later gets `BarrierError.broken`, until `reset()`.
  public func abort() { core.dismiss(leavingBroken: true) }

  /// Makes the barrier new. Those who wait get `BarrierError.broken`.
  public func reset() { core.dismiss(leavingBroken: false) }

  // MARK: Inside

  private func arrive(until deadline: Deadline) throws -> Int {
    var arrival = SharedBarrierCore.Arrival.noPlace
    let isDone = core.spot.wait(until: deadline, patrol: core.patrol) { advance(&arrival) }
    if !isDone, case .waits(let place) = arrival {
      if core.leave(place, breaking: true) { throw BarrierError.broken }
      // The action runs, or we were ended: neither time nor cancellation reaches us any more.
      _ = core.spot.wait(until: .never, patrol: core.patrol) { core.isEnded(place) }
    }
    return try finish(arrival)
  }

  nonisolated(nonsending) private func arrive(until deadline: Deadline) async throws -> Int {
    var arrival = SharedBarrierCore.Arrival.noPlace
    do {
      if Task.isCancelled { throw CancellationError() }
      if try await bridge.wait("a SharedBarrier", until: deadline, attempt: { advance(&arrival) }) {
        return try finish(arrival)
      }
      guard case .waits(let place) = arrival else { return try finish(arrival) }
      if core.leave(place, breaking: true) { throw BarrierError.broken }
    } catch let error as CancellationError {
      guard case .waits(let place) = arrival else { throw error }
      if core.leave(place, breaking: false) { throw error }
    }
    guard case .waits(let place) = arrival else { return try finish(arrival) }
    // In a task of its own, which nobody cancels.
    let bridge = bridge, core = core
    _ = try await Task { try await bridge.wait("a SharedBarrier", until: .never) { core.isEnded(place) } }.value
    return try finish(arrival)
  }

  /// One more try; true when there is nothing more to wait for.
  private func advance(_ arrival: inout SharedBarrierCore.Arrival) -> Bool {
    switch arrival {
    case .noPlace:
      arrival = core.arrive(hasAction: action != nil)
      switch arrival {
      case .noPlace, .waits: return false
      default: return true
      }
    case .waits(let place): return core.isEnded(place)
    default: return true
    }
  }

  private func finish(_ arrival: SharedBarrierCore.Arrival) throws -> Int {
    switch arrival {
    case .passed(let order): return order
    case .broken: throw BarrierError.broken
    case .noPlace:
      // Time ran out before there was a place: as if it had waited in one.
      abort()
      throw BarrierError.broken
    case .waits(let place): return try finish(core.collect(place))
    case .acts(let held, let act):
      do { try action?() } catch {
        core.open(held, act: act, isBroken: true)
        throw error
      }
      core.open(held, act: act, isBroken: false)
      return parties - 1
    }
  }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    try container.encode(block.attachment())
    try container.encode(timeout)
    try container.encode(actionCall ?? action.map { try Call<Void>(nullary: $0).bytes })
  }

  /// The barrier that another process sent.
  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    block = try SharedBlock(received: container.decode(AttachedDescriptor.self).descriptor, .barrier)
    let parties = try block.number(0, in: SharedBarrierCore.partiesRange, .barrier)
    try block.require(SharedBarrierCore.byteCount(parties: parties), .barrier)
    core = SharedBarrierCore(in: block.mapping, parties: parties)
    bridge = core.makeBridge(block)
    timeout = try container.decode(Duration?.self)
    let call = try container.decode([UInt8]?.self)
    actionCall = call
    if let call {
      action = { try Self.perform(call) }
    } else {
      action = nil
    }
  }

  private static func perform(_ call: [UInt8]) throws {
    let reply = invokeCall(call)
    // Any call with this result reads the reply.
    let reader = try Call<Void>(nullary: nothing)
    try reader.result(of: reply)
  }

  private static let nothing: @Sendable () throws -> Void = {}

  /// For tests.
  package var someoneWaits: Bool { core.spot.hasSleepers || bridge.hasWaiters }
}
