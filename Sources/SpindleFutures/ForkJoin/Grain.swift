import CSpindle
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
  /// Whether values cost no more to combine than items do. Else what it costs is watched.
  @usableFromInline let isItemwise: Bool

  @inlinable
  init(_ grain: Grain, workers: Int, isItemwise: Bool = false) {
    self.grain = grain.count
    self.workers = workers
    self.isItemwise = isItemwise
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
}

/// How many items of a piece are done before the worker looks up, and divides the rest when another has nothing to do: so long, at
/// most, the others wait at the end.
///
/// A thirty-second of the piece at first. Then what takes 50 to 100 us, about what it takes to wake the other, as far as it costs
/// nothing to combine the values of more stretches: a sum costs nothing, a merged dictionary may cost more than to make it.
@usableFromInline
struct Stretch {
  @usableFromInline var count: Int
  /// Whether values take so long to combine that there should be no more stretches than have to be.
  @usableFromInline var isDear = false
  @usableFromInline let grain: Int
  @usableFromInline let isItemwise: Bool
  /// In nanoseconds, of the end of the last one.
  @usableFromInline var time: Int64 = 0

  @inlinable
  init(_ division: Division, of items: Int) {
    grain = division.grain
    isItemwise = division.isItemwise
    count = max(grain, items / 32, 1)
  }

  @inlinable
  mutating func begin() { time = spindle_now() }

  /// Combines, after a stretch with so many items after it.
  @inlinable
  mutating func end<Value>(_ left: Int, _ combine: () -> Value) -> Value {
    let done = spindle_now()
    let value = combine()
    let now = isItemwise ? done : spindle_now()
    let (took, combining) = (done - time, now - done)
    time = now
    if combining * 32 > took {
      isDear = true
      count = max(left, 1)
    } else if took < 50_000 {
      count *= 2
    } else if took > 100_000, combining * 64 <= took {
      count = max(grain, count / 2, 1)
    }
    return value
  }
}

extension PoolCore {
  /// Which lane the calling worker has, as a number to compare; 0 without one.
  @inlinable
  var laneNumber: UInt { unsafe UInt(bitPattern: lane) }

  /// Whether the calling worker should give away work: it has a lane, and more look for work than there is in it. Else who divides
  /// while another wakes up, which takes longer than many pieces, would divide down to single items.
  @inlinable
  var isAskedForWork: Bool {
    guard let lane = unsafe lane else { return false }
    return unsafe lane.pointee.searchers.pointee.load(ordering: .relaxed) > lane.pointee.count
  }
}
