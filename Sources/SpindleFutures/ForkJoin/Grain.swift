import Synchronization

/// How many items of parallel work one call does at least before the work is divided further.
///
///     pool.forEach(0..<1_000_000, grain: 1000) { index in ... }
///
/// `.automatic` divides by what is needed: a few pieces for each worker, and more wherever a worker without work takes a
/// piece, down to single items. Give a number where an item costs less than some microseconds and their cost varies.
public struct Grain: Sendable, Hashable, ExpressibleByIntegerLiteral {
  @usableFromInline let count: Int

  /// At least so many items; below 1 counts as 1.
  @inlinable
  public init(_ count: Int) { self.count = max(count, 1) }

  @inlinable
  public init(integerLiteral count: Int) { self.init(count) }

  public static let automatic = Grain(1)
}

/// How often a piece of work is still to be divided.
@usableFromInline
struct Division: Sendable {
  @usableFromInline let grain: Int
  @usableFromInline let workers: Int
  /// Divisions left. A piece that another worker took begins anew: there are workers without work.
  @usableFromInline var left: Int
  /// The lane of the worker that divided.
  @usableFromInline var lane: UInt
  /// Whether a piece is done in stretches, and what is left of it divided when another worker has nothing to do. For pieces whose
  /// values cost no more to combine than items do.
  @usableFromInline let looksUp: Bool

  @inlinable
  init(_ grain: Grain, workers: Int, looksUp: Bool = false) {
    self.grain = grain.count
    self.workers = workers
    self.looksUp = looksUp
    left = workers * 2
    lane = 0
  }

  /// Whether so many items are to be divided now, on the worker with this lane.
  @inlinable
  mutating func divides(_ count: Int, on lane: UInt) -> Bool {
    if lane == 0 { return false }
    if lane != self.lane, self.lane != 0 { left = max(left, workers) }
    self.lane = lane
    guard count > grain, count > 1, left > 0 else { return false }
    left /= 2
    return true
  }

  /// How many of so many items are done before the worker looks up.
  @inlinable
  func stretch(of count: Int) -> Int { looksUp ? max(grain, count / 32, 1) : count }
}

extension PoolCore {
  /// Which lane the calling worker has, as a number to compare; 0 without one.
  @inlinable
  var laneNumber: UInt { unsafe UInt(bitPattern: lane) }

  /// Whether the calling worker could give away work: it has a lane, and somebody looks for some.
  @inlinable
  var isAskedForWork: Bool {
    guard let lane = unsafe lane else { return false }
    return unsafe lane.pointee.searchers.pointee.load(ordering: .relaxed) != 0
  }
}
