internal import CSpindle
internal import Synchronization

/// A step of a protocol between processes at which the tests let the process die, as `kill -9` would there.
///
/// Only in debug builds; in release builds `reach` is nothing. Armed in the process that is to die:
///
///     pool.submit(armToDie, …)     // in the worker: FaultPoint.someStep.arm(after: 3)
package enum FaultPoint: UInt8, Sendable, CaseIterable {
  /// For the test of the mechanism itself.
  case nowhere

  // What processes share: see SharedJournal, OwnedWord, SharedSpot.
  case journalLocked, journalWritten, journalDecided, journalHalfApplied, journalApplied
  case ringWritten, ringStateWritten, ringCommitted, ringNoted, ringPacketSent, ringPacketReceived
  case ringJumped, ringShrunk, ringDropped, ringClosed, ringTaskNoted, queueLossNoted, queueUserBuried
  case conditionEnded, conditionWoken, conditionLocked, barrierHeld, valueWritten
  case ownedWordReleased, spotChanged, spotClaimed, spotMoved
  // The processes of a system of actors: the caller's, the actor's, those between.
  case actorCallPosted, actorCallTaken, actorCallDone, actorReplyPosted, actorReplyTaken
  case actorMessageSent, actorMessagePassedOn, actorNameCounted, actorNameReleased
  // A pool's worker; see ProcessPool/PROTOCOL.md.
  case callSeen, callBegun, callDone, replyWritten, replied, bellTaken, workerSleeps, largeReplyWritten

  /// The process dies when it reaches this point for the n-th time from now. Only one point is armed at a time.
  package func arm(after count: Int = 1) {
    #if DEBUG
      Self.remaining.store(count, ordering: .relaxed)
      Self.armed.store(Int(rawValue), ordering: .releasing)
    #endif
  }

  @inline(__always) package func reach() {
    #if DEBUG
      if Self.armed.load(ordering: .acquiring) == Int(rawValue) { count() }
    #endif
  }

  #if DEBUG
    private static let armed = Atomic<Int>(-1)
    private static let remaining = Atomic<Int>(0)

    private func count() {
      if Self.remaining.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { spindle_die() }
    }
  #endif
}
