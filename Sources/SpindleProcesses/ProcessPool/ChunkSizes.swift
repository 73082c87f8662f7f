internal import CSpindle
internal import SpindleGround

/// How many items of a map go into one call, when the caller has left it to us.
///
/// Small enough that all workers have something to do to the end and that values come soon, large enough that handing
/// a call over, some microseconds, costs little beside its work: about a millisecond's work, found by doubling from
/// one item. Where the sequence knows how many items it has, there are at least four chunks for each worker, as in
/// Python.
final class ChunkSizes: Sendable {
  private static let aim: Int64 = 1_000_000
  private static let largest = 4096

  private let most: Int
  private let size = RawGuarded(1)

  init(workers: Int, items: Int) {
    // Nothing is known of a sequence that says 0.
    most = items > 0 ? max(1, min(Self.largest, items / (4 * workers))) : Self.largest
  }

  func next() -> Int { size.withLock { min($0, most) } }

  /// A call of so many items has taken so long in its worker, at most.
  func note(_ count: Int, nanoseconds: Int64) {
    guard count > 0 else { return }
    let one = max(1, nanoseconds / Int64(count))
    size.withLock { $0 = max(1, min(2 * $0, Int(clamping: Self.aim / one), Self.largest)) }
  }
}
