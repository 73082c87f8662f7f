import Synchronization

/// From open to over, one way only: what "shut down" means for a queue or a pool, in one place.
///
/// `open`: takes in and gives out. `draining`: takes in nothing more, gives out what it has. `over`: neither.
@usableFromInline
package struct Lifecycle: ~Copyable, Sendable {
  @usableFromInline
  package enum Stage: UInt8, Comparable, Sendable {
    case open, draining, over

    @inlinable
    package static func < (a: Stage, b: Stage) -> Bool { a.rawValue < b.rawValue }
  }

  @usableFromInline let raw = Atomic<UInt8>(0)

  @inlinable
  package init() {}

  /// Sequentially consistent, because whoever advances the stage then looks for waiters (see ParkingSpot).
  @inlinable
  package var stage: Stage { Stage(rawValue: raw.load(ordering: .sequentiallyConsistent))! }

  @inlinable
  package var isOpen: Bool { stage == .open }

  /// Moves forward to `stage`; never back. Returns the stage before.
  @discardableResult
  package func advance(to stage: Stage) -> Stage {
    Stage(rawValue: raw.max(stage.rawValue, ordering: .sequentiallyConsistent).oldValue)!
  }
}
