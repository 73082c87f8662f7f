import CSpindle

/// How long to try again before sleeping: the only spin policy, used by everything that waits.
///
/// A wake-up through the kernel costs 30 us across cores; a cache line crosses in 0.05 us. So a waiter first retries
/// after short runs of pauses (about 1 us in all), then lets other threads run a few times, then sleeps. Runs of one
/// length: doubling ones look too rarely just when a hand-over is due, and halve the rate of a ping-pong.
/// With one processor whoever must act first cannot run while we spin: then only yields are tried.
package struct SpinPolicy {
  private var round = 0

  private static var pauseRounds: Int { 20 }
  private static var pausesPerRound: Int { 4 }
  private static var usualYieldRounds: Int { 8 }
  private static var wakeUpRounds: Int { 80 }

  private let yieldRounds: Int

  @inline(__always)
  package init() { yieldRounds = Self.usualYieldRounds }

  /// For a wait for another process, which has to be woken first: as long as that takes. Yields cost the others nothing.
  @inline(__always)
  package init(untilAwake: Void) { yieldRounds = Self.wakeUpRounds }

  /// Waits a little. False when it is time to sleep.
  package mutating func pauseOrYield() -> Bool {
    if round < Self.pauseRounds && spindle_processors() > 1 {
      for _ in 0..<Self.pausesPerRound { spindle_pause() }
    } else if round < Self.pauseRounds + yieldRounds {
      spindle_yield()
    } else {
      return false
    }
    round += 1
    return true
  }

  /// The same without yields, for a task: its thread belongs to Swift's cooperative pool and other tasks may need it.
  package mutating func pause() -> Bool {
    guard round < Self.pauseRounds, spindle_processors() > 1 else { return false }
    for _ in 0..<Self.pausesPerRound { spindle_pause() }
    round += 1
    return true
  }
}
