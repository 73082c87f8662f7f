import SpindleTestSupport
import Testing

/// `Semaphore`: the permits carry a mark for "somebody has lined up", which comes and goes apart from the line.
///
///     acquire                                  release
///     A1 unmarked: take a permit; done         W1 permits += 1; no mark: done
///     A2 marked: take unless reserved          W2 wake one
///     S2 append to the list                    C  nobody is in line: clear the mark (with the guard: one step)
///     M  set the mark
///     S4 take; done: leave
///     S5 sleep until ended
@Suite(.watchdog(seconds: 120)) struct SemaphoreModelTests {
  @Test(arguments: Scene.allCases) func noReleaseIsMissedByWhoWaits(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(.waiters, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// As many wait as permits are given, one by one.
    case waiters
    /// One of those who wait has a time-out, so that a mark may stand for nobody.
    case timeOut
    /// One permit that each takes and gives back.
    case lock
  }

  enum Flaw: CaseIterable {
    /// M before S2: the mark may be cleared before there is anybody in line.
    case marksBeforeItLinesUp
    /// C without the guard: somebody lines up between the look and the clearing.
    case clearsWithoutTheGuard
    /// W1 looks for the mark before it adds.
    case looksBeforeItGives
    /// C does not look.
    case clearsTheMarkOfThoseInLine
    /// No M after a sleep in vain: "it is set already".
    case marksOnce
  }

  struct State: Hashable {
    var permits: UInt8 = 0
    var isMarked = false
    var spot = Spot()
    /// Whether a release has seen the mark, for `looksBeforeItGives`.
    var saw = Cells()
    /// 1 for a thread that has marked once.
    var hasMarked = Cells()
    var taken: UInt8 = 0

    mutating func take() -> Bool {
      guard permits > 0 else { return false }
      permits -= 1
      taken += 1
      return true
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var initial = State()
    let releasers =
      switch scene {
      case .waiters: 2
      case .timeOut: 3
      case .lock: 0
      }
    if scene == .lock { initial.permits = 1 }
    let expected = releasers + Int(initial.permits)
    var model = Model("semaphore, \(scene)", initial: initial)
    let spot = SpotSteps<State>(spot: \.spot, prefix: "")

    func mark(_ state: inout State, _ me: Int) {
      if flaw == .marksOnce, state.hasMarked[me] == 1 { return }
      state.hasMarked[me] = 1
      state.isMarked = true
    }
    func acquire(_ program: inout Program<State>, _ me: Int, isTimed: Bool, next: String) {
      program.step("A1 take unless marked; A2 marked: take too, nobody reserves here") { state in
        state.take() ? .go(next) : flaw == .marksBeforeItLinesUp ? .next : .go("S2")
      }
      program.action("M0 mark too early") { mark(&$0, me) }
      spot.wait(
        &program, me, isTimed: isTimed, success: next, failure: "F1",
        onListing: { if flaw != .marksBeforeItLinesUp { mark(&$0, me) } }
      ) { $0.take() }
      program.step("F1 time ran out") { _ in .finish }
    }
    func release(_ program: inout Program<State>, _ me: Int) {
      if flaw == .looksBeforeItGives {
        program.action("W0 marked?") { $0.saw[me] = $0.isMarked ? 1 : 0 }
      }
      program.step("W1 give; no mark: done") { state in
        state.permits += 1
        if scene == .lock { state.taken -= 1 }
        let isMarked = flaw == .looksBeforeItGives ? state.saw[me] == 1 : state.isMarked
        return isMarked ? .next : .go("E1")
      }
      spot.wake(&program, me, "W", count: 1, next: "C0")
      program.step("C0 nobody is in line?") { state in
        if state.spot.hasWaiters, flaw != .clearsTheMarkOfThoseInLine { return .go("E1") }
        if flaw == .clearsWithoutTheGuard { return .next }
        state.isMarked = false
        return .go("E1")
      }
      program.action("C1 clear the mark later") { $0.isMarked = false }
      program.step("E1 released") { _ in .finish }
    }

    switch scene {
    case .waiters, .timeOut:
      model.threads("waiter", count: 2) { program, me in
        acquire(&program, me, isTimed: scene == .timeOut && me == 0, next: "D1")
        program.step("D1 has a permit") { _ in .finish }
      }
      if scene == .timeOut {
        model.thread("newcomer") { program, me in
          program.step("A1 take if there is one") { _ = $0.take(); return .finish }
        }
      }
      model.threads("releaser", count: releasers) { program, me in release(&program, me) }
    case .lock:
      model.threads("user", count: 3) { program, me in
        acquire(&program, me, isTimed: me == 2, next: "W1")
        release(&program, me)
      }
    }
    model.finally("permits are conserved") { Int($0.permits) + Int($0.taken) == expected }
    model.finally("nobody is left behind") { $0.spot.isQuiet }
    return model
  }
}
