import SpindleTestSupport
import Testing

/// A lock whose `ParkingSpot` has patience 1: how often can others, who never stop coming, overtake one that waits?
///
///     acquire                                        release
///     A1 the mark? line up: S2                       W1 free the lock
///     A2 try                                         W2 nobody waits? done
///     S2 append (first, if overtaken); patience      W3 take the first
///        at its end: reserve, marks += 1             W4 end it
///     S4 the mark of another? else try; leave
///     S5 sleep until ended
///     S7 try; else look at the mark and, unless it is set, spin: try again
///     S8 overtaken once more: S2
///     R2 marks -= 1; none left: wake all
///
/// The looks at the mark and the tries are steps of their own: between the two the mark may come.
@Suite(.watchdog(seconds: 120)) struct ReservationModelTests {
  @Test func whoWaitsIsServedAfterABoundedNumberOfOthers() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// A1 does not look at the mark.
    case fastPathIgnoresTheMark
    /// R2 clears the mark though others have reserved, too.
    case endsAllReservations
    /// S4 does not look at the mark.
    case linedUpIgnoresTheMark
    /// S2 never sets the mark.
    case endlessPatience
    /// R2 does not clear the mark.
    case markStays
  }

  struct State: Hashable {
    var isHeld = false
    var spot = Spot()
    /// Whether its next try comes after a look that found the mark. Not in the code.
    var saw = Cells()
    /// To how many acquisitions of others the victim, woken, has lost. (While it does not run, a scheduler may let any
    /// number pass.) And whether the one that holds is counted. Not in the code.
    var defeats: UInt8 = 0
    var isCounted = false
  }

  private static let patience: UInt8 = 1
  private static let others = 2
  /// Each defeat before the mark; after it each other thread once, with a try for which it looked before, and one that
  /// was woken while the victim was on its way.
  private static let bound = patience + UInt8(others) + 1

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("reservation", initial: State())
    let spot = SpotSteps<State>(spot: \.spot, prefix: "", isFine: false, patience: Self.patience)
    let victim = 0

    func attempt(_ state: inout State, _ me: Int) -> Bool {
      if state.isHeld { return false }
      state.isHeld = true
      state.isCounted = false
      return true
    }
    func reserves(_ state: State, _ me: Int) -> Bool { state.spot.reservedBy & 1 << UInt8(me) != 0 }

    func user(_ program: inout Program<State>, _ me: Int) {
      let id = UInt8(me)
      program.step("A1 look at the mark") { state in
        state.saw[me] = state.spot.isReserved ? 1 : 0
        return state.spot.isReserved && flaw != .fastPathIgnoresTheMark ? .go("S2") : .next
      }
      program.step("A2 try, perhaps look again and spin") { state, choices in
        if !state.isHeld, state.saw[me] == 1, state.spot.isReserved {
          return .fail("a newcomer that has seen the mark takes the lock")
        }
        if attempt(&state, me) { return .go("R1") }
        return choices.either("spins") ? .go("A1") : .next
      }
      program.step("S2 append, perhaps set the mark") { state in
        state.saw[me] = 0
        if state.spot.overtaken[me] > 0 { state.spot.list.prepend(id) } else { state.spot.list.append(id) }
        let isImpatient = state.spot.overtaken[me] >= Self.patience && flaw != .endlessPatience
        if isImpatient { state.spot.reservedBy |= 1 << id }
        return .next
      }
      program.step("S4 the mark of another?") { state in
        let isReserved = state.spot.isReserved && flaw != .linedUpIgnoresTheMark
        return isReserved && !reserves(state, me) ? .go("S5") : .next
      }
      program.step("S4b try") { state in attempt(&state, me) ? .next : .go("S5") }
      program.step("S4c leave, or pass the wake-up on") { state in
        if !state.spot.list.remove(id) { state.spot.wake(1, by: me) }
        state.spot.ended[me] = 0
        return .go("R1")
      }
      program.step("S5 asleep until ended") { state in
        if state.spot.ended[me] == 0 { return .blocked }
        state.spot.ended[me] = 0
        return .next
      }
      program.step("S7 try") { state in attempt(&state, me) ? .go("R1") : .next }
      program.step("S7b look at the mark, or go back to sleep") { state, choices in
        state.spot.isReserved || choices.either("does not spin") ? .go("S8") : .next
      }
      program.step("S7c try again") { state in attempt(&state, me) ? .go("R1") : .go("S7b") }
      program.step("S8 overtaken once more") { state in
        if me == victim, !state.isCounted {
          state.defeats = min(state.defeats + 1, Self.bound + 1)
          state.isCounted = true
        }
        state.spot.overtaken[me] = min(state.spot.overtaken[me] + 1, Self.patience)
        return .go("S2")
      }
      program.step("R1 the wait has ended: was it reserving?") { state in
        let isReserving = reserves(state, me)
        state.spot.overtaken[me] = 0
        return isReserving ? .next : .go("W1")
      }
      program.step("R2 one mark fewer") { state in
        if flaw != .markStays { state.spot.reservedBy &= flaw == .endsAllReservations ? 0 : ~(1 << id) }
        return state.spot.isReserved ? .go("W1") : .next
      }
      spot.wake(&program, me, "R3", count: 8, next: "W1")
      program.action("W1 free the lock") { $0.isHeld = false }
      spot.wake(&program, me, "W", count: 1, next: "E1")
      program.step("E1 done; who overtakes comes again") { _ in me == victim ? .finish : .go("A1") }
    }

    model.thread("victim") { user(&$0, $1) }
    for number in 1...Self.others { model.background("other \(number)") { user(&$0, $1) } }
    model.always("the victim loses to \(Self.bound) at most") { $0.defeats <= Self.bound }
    return model
  }
}
