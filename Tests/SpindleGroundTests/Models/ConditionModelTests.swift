import SpindleTestSupport
import Testing

/// `Condition`: `notify(n)` wakes exactly n of those waiting, and a wait whose time runs out swallows no notification.
///
///     wait (the lock is held)                         notify (the lock is held)
///     C1 take the lock; while there is nothing:       N1 take the lock, change the state
///     S2 list the waiter                              N2 take n waiters from the front, end them
///     S4 release the lock                             N3 release the lock
///     S5 sleep until ended
///     S6 time-out: give up if still listed, else wait for the end: notified
///     C2 take the lock again
@Suite(.watchdog(seconds: 120)) struct ConditionModelTests {
  @Test(arguments: [1, 2]) func everyNotificationEndsExactlyOneWait(_ count: Int) {
    let result = model(notifies: count, flaw: nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(notifies: 1, flaw: flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// S4 before S2: the notification falls into the gap.
    case releasesTheLockBeforeItIsListed
    /// S6 reports a time-out though a notifier has taken the waiter.
    case timeOutSwallowsANotification
    /// The state is looked at without the lock, before C1.
    case looksWithoutTheLock
  }

  struct State: Hashable {
    var spot = Spot()
    var isLocked = false
    var items: UInt8 = 0
    /// How many waiters were taken by notifiers, and how many waits returned true.
    var notified: UInt8 = 0
    var returned: UInt8 = 0
  }

  private static func lock(_ state: inout State) -> Flow {
    if state.isLocked { return .blocked }
    state.isLocked = true
    return .next
  }

  /// One waits for an item and uses it up; one waits for a while only and, when notified, hands on to the other.
  private func model(notifies count: Int, flaw: Flaw?) -> Model<State> {
    var model = Model("condition, notify(\(count))", initial: State())
    let condition = SpotSteps<State>(spot: \.spot, prefix: "c", isFine: true)

    func wait(_ program: inout Program<State>, _ me: Int, isTimed: Bool, woken: String, failure: String) {
      let sleeps = flaw == .releasesTheLockBeforeItIsListed ? "C1b" : "cS2a"
      program.step("C0 look without the lock") { state in
        flaw == .looksWithoutTheLock && state.items == 0 ? .go("C1c") : .next
      }
      program.step("C1 take the lock", Self.lock)
      program.step("C1a look") { state in state.items > 0 ? .go("D1") : .go(sleeps) }
      program.step("C1c take the lock, do not look again") { state in
        if case .blocked = Self.lock(&state) { return .blocked }
        return .go(sleeps)
      }
      program.step("C1b release the lock too early") { state in
        state.isLocked = false
        return .next
      }
      condition.park(
        &program, me, isTimed: isTimed, woken: woken, failure: failure, swallows: flaw == .timeOutSwallowsANotification
      ) {
        state in
        state.isLocked = false
        return true
      }
    }

    model.thread("waiter") { program, me in
      wait(&program, me, isTimed: false, woken: "C2", failure: "")
      program.step("C2 notified: take the lock again") { state in
        if case .blocked = Self.lock(&state) { return .blocked }
        state.returned += 1
        return .go("C1a")
      }
      program.step("D1 use the item, release the lock") { state in
        state.items -= 1
        state.isLocked = false
        return .finish
      }
    }
    model.thread("timed waiter") { program, me in
      wait(&program, me, isTimed: true, woken: "C2", failure: "C3")
      program.step("C2 notified: take the lock again") { state in
        if case .blocked = Self.lock(&state) { return .blocked }
        state.returned += 1
        return .go("cH1a")
      }
      program.step("C3 time-out: take the lock again") { state in
        if case .blocked = Self.lock(&state) { return .blocked }
        return .go("D1")
      }
      condition.guarded(&program, "H1 hand on: notify") { state in
        let before = state.spot.taken.count
        state.spot.take(1, by: me)
        state.notified += UInt8(state.spot.taken.count - before)
        return .next
      }
      program.step("H2 end") { state in state.spot.endNext(by: me) ? .stay : .next }
      program.step("D1 release the lock") { state in
        state.isLocked = false
        return .finish
      }
    }
    model.threads("notifier", count: count == 1 ? 2 : 1) { program, me in
      program.step("N1 take the lock", Self.lock)
      program.action("N1b put items") { $0.items += UInt8(count) }
      condition.guarded(&program, "N2 take \(count)") { state in
        let before = state.spot.taken.count
        state.spot.take(count, by: me)
        state.notified += UInt8(state.spot.taken.count - before)
        return .next
      }
      program.step("N2b end the next") { state in state.spot.endNext(by: me) ? .stay : .next }
      program.action("N3 release the lock") { $0.isLocked = false }
    }
    model.finally("as many waits returned true as waiters were notified") { $0.notified == $0.returned }
    model.finally("nobody is left behind") { $0.spot.isQuiet && !$0.isLocked }
    return model
  }
}
