import SpindleTestSupport
import Testing

/// No wake-up is lost, no waiter is ended twice, no reservation outlives its holder: in every interleaving.
@Suite(.watchdog(seconds: 300)) struct ParkingModelTests {
  @Test(arguments: ParkingScene.allCases) func theProtocolHoldsInEveryInterleaving(_ scene: ParkingScene) {
    let result = scene.model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: ParkingFlaw.allCases) func everyFlawIsCaught(_ flaw: ParkingFlaw) {
    #expect(flaw.scene.model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }
}

/// Small groups of threads on one parking spot.
enum ParkingScene: CaseIterable {
  /// Two permits are given, one by one; two threads wait for one each.
  case twoSleepersTwoWakers
  /// Three threads use one permit as a lock; the kernel wakes sleepers for no reason.
  case lockOfThreads
  /// One of three has a time-out.
  case timedLock
  /// The same, where the lock and the list are one word.
  case timedLockInOneWord
  /// One of three is a task that is cancelled, or its time runs out, at any time or never.
  case cancelledTask
  /// Two permits are given at once; another comes and goes, and who is overtaken once lines up others behind it.
  case reservation
  /// As a lock, with time-outs and two that overtake.
  case timedReservation
  /// The same, where the lock and the list are one word.
  case timedReservationInOneWord

  func model(_ flaw: ParkingFlaw?) -> Model<ParkingState> {
    var parking = ParkingModel(flaw: flaw)
    var initial = ParkingState()
    var given = 0
    switch self {
    case .twoSleepersTwoWakers: given = 2
    case .lockOfThreads, .timedLock, .timedLockInOneWord, .cancelledTask:
      parking.isSpurious = self == .lockOfThreads && flaw == nil
      parking.givesBack = true
      initial.permits = 1
    case .reservation:
      parking.patience = 1
      given = 2
    case .timedReservation, .timedReservationInOneWord:
      parking.patience = 1
      parking.givesBack = true
      initial.permits = 1
    }
    parking.isOneWord = self == .timedLockInOneWord || self == .timedReservationInOneWord
    let expected = Int(initial.permits) + given
    var model = Model("\(self)", initial: initial)
    switch self {
    case .twoSleepersTwoWakers:
      model.threads("sleeper", count: 2) { parking.sleeper(&$0, $1, .thread) }
      model.threads("waker", count: 2) { parking.waker(&$0, $1) }
    case .lockOfThreads:
      model.threads("sleeper", count: 3) { parking.sleeper(&$0, $1, .thread) }
    case .timedLock, .timedLockInOneWord:
      model.threads("sleeper", count: 2) { parking.sleeper(&$0, $1, .thread) }
      model.thread("timed sleeper") { parking.sleeper(&$0, $1, .timedThread) }
    case .cancelledTask:
      model.thread("task") { parking.sleeper(&$0, $1, .task) }
      model.threads("sleeper", count: 2) { parking.sleeper(&$0, $1, .thread) }
      model.thread("canceller") { parking.canceller(&$0, $1, of: 0) }
    case .reservation:
      model.threads("sleeper", count: 2) { parking.sleeper(&$0, $1, .thread) }
      model.thread("waker") { parking.waker(&$0, $1, gives: 2) }
      model.thread("barger") { parking.barger(&$0, $1) }
    case .timedReservation, .timedReservationInOneWord:
      model.thread("sleeper") { parking.sleeper(&$0, $1, .thread) }
      model.thread("timed sleeper") { parking.sleeper(&$0, $1, .timedThread) }
      model.threads("barger", count: 2) { parking.barger(&$0, $1) }
    }
    let givesBack = parking.givesBack
    model.finally("permits are conserved") { state in
      Int(state.permits) + (givesBack ? 0 : state.result.count(of: ParkingState.success)) == expected
    }
    model.finally("the spot is empty") { $0.wordIsZero && $0.taken.isEmpty }
    return model
  }
}
