import SpindleTestSupport
import Testing

/// `Barrier` for two: they pass together or not at all, and only who waited for a barrier breaks it.
///
///     wait                                          dismiss (abort, reset, a time-out)
///     A1 broken? throw                              D1 lock; sent away since? unlock; else count
///     A2 guard: the last? take all: A5              D2 broken = ...
///        else append                                D3 guard: take all; unlock
///     A3 remember how often people were sent away   D4 end them as broken
///     A4 broken? leave
///     S5 sleep                                      the last to arrive
///     S6 time-out: give up, D                       A5 action; fails: D, end the others as broken
///     S7 taken meanwhile: await the end             A6 end the others, each with its order
@Suite(.watchdog(seconds: 120)) struct BarrierModelTests {
  @Test(arguments: Scene.allCases) func bothPassOrNoneAndOnlyThoseWhoWaitBreakIt(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two come and nothing goes wrong.
    case patient
    /// Two come; one is patient, the other's time may run out, the action may fail.
    case two
    /// Three come, whose time may run out, and somebody resets the barrier once.
    case threeAndReset
  }

  enum Flaw: CaseIterable {
    /// D1 does not ask: a time-out from before a reset breaks the barrier after it.
    case breaksLate
    /// A3 does not take the lock.
    case remembersWithoutTheLock
    /// A4 is missing.
    case sleepsOnABrokenBarrier
    /// A2 counts and appends in two steps.
    case countsAndAppendsApart
    /// S6: a waiter that was let go as its time ran out reports the time-out.
    case timeOutSwallowsThePass
    /// A5: when the action fails, nobody tells those who were taken.
    case failedActionForgetsTheOthers

    var scene: Scene {
      switch self {
      case .breaksLate, .remembersWithoutTheLock: .threeAndReset
      case .countsAndAppendsApart: .patient
      default: .two
      }
    }
  }

  struct State: Hashable {
    var spot = Spot()
    var isBroken = false
    var isLocked = false
    var dismissals: UInt8 = 0
    var seen = Cells()
    /// 1 broken, 2 and more: passed with the order of arrival.
    var result = Cells()
    /// Whether somebody's time ran out, or the action failed, since the last reset. Not in the code.
    var mayBreak = false
  }

  private static let broken: UInt8 = 0

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("barrier, \(scene)", initial: State())
    let parties = 2
    let spot = SpotSteps<State>(spot: \.spot, prefix: "b", isFine: true)

    func dismiss(
      _ program: inout Program<State>, _ me: Int, _ label: String, breaks: Bool, asks: Bool, next: String
    ) {
      program.step("\(label)D1 lock, count") { state in
        if state.isLocked { return .blocked }
        if asks, state.seen[me] != state.dismissals, flaw != .breaksLate { return .go(next) }
        state.isLocked = true
        state.dismissals += 1
        return .next
      }
      program.action("\(label)D2 broken = \(breaks)") { state in
        state.isBroken = breaks
        if !breaks { state.mayBreak = false }
      }
      spot.guarded(&program, "\(label)D3 take all") { state in
        state.spot.take(8, by: me)
        state.isLocked = false
        return .next
      }
      program.step("\(label)D4 end the next as broken") { state in
        if flaw == .failedActionForgetsTheOthers, label == "F" { return .finish }
        return state.spot.endNext(by: me, code: Self.broken) ? .stay : .go(next)
      }
    }

    model.threads("party", count: scene == .threeAndReset ? 3 : 2) { program, me in
      let isTimed = scene == .threeAndReset || scene == .two && me == 1
      program.step("A1 broken?") { state in
        if !state.isBroken { return .next }
        state.result[me] = 1
        return .finish
      }
      if flaw == .countsAndAppendsApart {
        program.step("A2c count") { state in
          state.spot.list.count + 1 == parties ? .go("bA2a") : .next
        }
        spot.guarded(&program, "A2b append") { state in
          state.spot.list.append(UInt8(me))
          return .go("A3")
        }
      }
      spot.guarded(&program, "A2 the last: take all; else append") { state in
        if state.spot.list.count + 1 == parties {
          state.spot.take(8, by: me)
          return .go("A5")
        }
        state.spot.list.append(UInt8(me))
        return .next
      }
      program.step("A3 remember the dismissals") { state in
        // Behind the lock: in the midst of D1 to D3 the count says nothing about who was taken.
        if state.isLocked, flaw != .remembersWithoutTheLock { return .blocked }
        state.seen[me] = state.dismissals
        return .next
      }
      program.step("A4 broken?") { state in
        state.isBroken && flaw != .sleepsOnABrokenBarrier ? .next : .go("S5")
      }
      spot.guarded(&program, "A4b leave") { state in
        guard state.spot.list.remove(UInt8(me)) else { return .go("S7") }
        state.result[me] = 1
        return .finish
      }
      program.step("S5 asleep until ended") { state, choices in
        if state.spot.ended[me] > 0 { return .go("S7") }
        return isTimed && choices.either("time runs out") ? .next : .blocked
      }
      spot.guarded(&program, "S6 give up") { state in
        guard state.spot.list.remove(UInt8(me)) || flaw == .timeOutSwallowsThePass else { return .go("S7") }
        state.mayBreak = true
        state.result[me] = 1
        return .next
      }
      dismiss(&program, me, "T", breaks: true, asks: true, next: "E1")
      program.step("S7 await the end") { state in
        if state.spot.ended[me] == 0 { return .blocked }
        state.result[me] = state.spot.ended[me]
        return .finish
      }
      program.step("A5 action") { state, choices in
        guard scene == .two, choices.either("fails") else { return .go("A6") }
        state.mayBreak = true
        state.result[me] = 1
        return .next
      }
      // Its own `taken` are the group: those that abort() sends away are others, listed later.
      dismiss(&program, me, "F", breaks: true, asks: false, next: "A5c")
      program.step("A5c end the group as broken") { state in
        state.spot.endNext(by: me, code: Self.broken) ? .stay : .finish
      }
      program.step("A6 end the group, each with its order") { state in
        if state.spot.endNext(by: me, code: 1) { return .stay }
        state.result[me] = 3
        return .finish
      }
      program.step("E1 end") { _ in .finish }
    }
    if scene == .threeAndReset {
      model.thread("resetter") { program, me in
        dismiss(&program, me, "R", breaks: false, asks: false, next: "E1")
        program.step("E1 end") { _ in .finish }
      }
    }
    model.finally("as many passed first as second") { state in
      state.result.count(of: 2) == state.result.count(of: 3)
    }
    if scene == .patient { model.finally("both passed") { $0.result.count(of: 2) == 1 } }
    model.finally("a broken barrier was broken after the last reset") { !$0.isBroken || $0.mayBreak }
    model.finally("nobody is left behind") { $0.spot.isQuiet && !$0.isLocked }
    return model
  }
}
