import SpindleTestSupport
import Testing

/// `wait(for:)` and `asCompleted`: an observer is told of the end of each future once, whenever it registers.
///
///     observer, for each future                     who ends a future
///     L0 take its lock                              E1 publish the end, keeping the bit
///     L1 set the bit `listened` if not ended        E2 no bit: nobody listens
///     L2 ended, no bit: unlock, tells itself        E3 lock, take the observers, unlock
///     L3 too late (E3): unlock, tells itself        E4 tell each
///        else append, unlock
///     told (wait)                                   told (asCompleted)
///     G1 left -= 1                                  A1 append the future to those that have ended
///     G2 the goal is reached: reached = true        A2 ready += 1
///     G3 wake all                                   A3 wake one
///     V  wait until reached                         B  wait for one: ready == 0: none; lock, take the first
///     V2 leave those that go on                     B2 left -= 1; 0: wake all
@Suite(.watchdog(seconds: 120)) struct ObserverModelTests {
  @Test(arguments: Scene.allCases) func everyEndIsToldOnceAndEveryWaitEnds(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// One waits for two futures; for one of them; and takes them as they end while another does the same.
    case all, first, asCompleted
  }

  enum Flaw: CaseIterable {
    /// L1 looks whether it has ended, sets the bit in a second step, and does not look again.
    case looksThenRegisters
    /// The same without the lock: E3 comes between the look and L3, and L3 does not look again.
    case appendsTooLate
    /// E2 before E1.
    case looksForListenersTooEarly
    /// L3: who comes too late is appended, and told by itself too.
    case toldTwice
    /// G3 before G2.
    case wakesBeforeTheGoal
    /// G1 reads and writes in two steps.
    case countsInTwoSteps
    /// A3 before A2.
    case wakesBeforeItIsReady
    /// B2 wakes nobody: another iteration waits for a future that does not come.
    case lastTakenWakesNobody

    var scene: Scene { self == .wakesBeforeItIsReady || self == .lastTakenWakesNobody ? .asCompleted : .all }
  }

  struct State: Hashable {
    /// Bits for the two futures.
    var ended: UInt8 = 0
    var listened: UInt8 = 0
    var locked: UInt8 = 0
    var observed: UInt8 = 0
    /// E3 has been.
    var collected: UInt8 = 0
    var spot = Spot()
    var left: UInt8 = 2
    var isReached = false
    var isRegistered = false
    var list = Line()
    var ready: Int8 = 0
    var given = Line()
    /// How often the observer was told of each. Not in the code.
    var told = Cells()
    /// What a thread has in hand.
    var hand = Cells()
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("observer, \(scene)", initial: State())
    let spot = SpotSteps<State>(spot: \.spot, prefix: "s")

    /// `futureEnded`, by whoever it is.
    func tell(_ program: inout Program<State>, _ me: Int, _ future: Int, _ label: String, next: String) {
      if scene == .asCompleted {
        program.action("\(label)A1 append") { state in
          state.told[future] += 1
          state.list.append(UInt8(future))
        }
        if flaw == .wakesBeforeItIsReady { spot.wake(&program, me, "\(label)early", count: 1, next: "\(label)A2") }
        program.step("\(label)A2 ready += 1") { state in
          state.ready += 1
          return flaw == .wakesBeforeItIsReady ? .go(next) : .next
        }
        spot.wake(&program, me, "\(label)A3", count: 1, next: next)
        return
      }
      program.step("\(label)G1 left -= 1") { state in
        state.told[future] += 1
        state.hand[me] = state.left - 1
        if flaw == .countsInTwoSteps { return .next }
        state.left -= 1
        return .go("\(label)G2")
      }
      program.action("\(label)G1b write") { $0.left = $0.hand[me] }
      program.step("\(label)G2 the goal is reached?") { state in
        guard state.hand[me] == 0 || scene == .first else { return .go(next) }
        if flaw != .wakesBeforeTheGoal { state.isReached = true }
        return .next
      }
      spot.wake(&program, me, "\(label)G3", count: 8, next: "\(label)G4")
      program.step("\(label)G4 told") { state in
        if flaw == .wakesBeforeTheGoal { state.isReached = true }
        return .go(next)
      }
    }

    func register(_ program: inout Program<State>, _ me: Int, _ future: Int, next: String) {
      let (bit, label) = (UInt8(1) << UInt8(future), "\(future)")
      program.step("\(label)L0 lock") { state in
        if flaw == .appendsTooLate { return .next }
        if state.locked & bit != 0 { return .blocked }
        state.locked |= bit
        return .next
      }
      program.step("\(label)L1 set the bit if not ended") { state in
        if state.listened & bit != 0 { return .go("\(label)L3") }
        if state.ended & bit != 0 { return .go("\(label)L2") }
        if flaw == .looksThenRegisters { return .next }
        state.listened |= bit
        return .go("\(label)L3")
      }
      program.action("\(label)L1b set the bit") { $0.listened |= bit }
      program.step("\(label)L3 too late: unlock; else append, unlock") { state in
        state.locked &= ~bit
        if state.collected & bit != 0, flaw != .appendsTooLate, flaw != .looksThenRegisters {
          if flaw != .toldTwice { return .go("\(label)T") }
        }
        state.observed |= bit
        return flaw == .toldTwice ? .go("\(label)T") : .go(next)
      }
      program.action("\(label)L2 unlock") { $0.locked &= ~bit }
      program.step("\(label)T tells itself") { _ in scene == .asCompleted ? .go("\(label)A1") : .go("\(label)G1") }
      tell(&program, me, future, label, next: next)
    }

    func iterate(_ program: inout Program<State>, _ me: Int) {
      program.step("N1 nothing left?") { state in
        if !state.isRegistered { return .blocked }
        return state.left == 0 ? .finish : .go("sS2")
      }
      spot.wait(&program, me, success: "B2") { state in
        // B: the look at `ready` and the lock are one step; that others come between is a look that came too early.
        if state.ready != 0, state.given.count < state.list.count {
          state.hand[me] = state.list[state.given.count] + 1
          state.given.append(state.hand[me] - 1)
          state.ready -= 1
          return true
        }
        state.hand[me] = 0
        return state.left == 0
      }
      program.step("B2 left -= 1") { state in
        if state.hand[me] == 0 { return .finish }
        state.left -= 1
        return state.left == 0 && flaw != .lastTakenWakesNobody ? .next : .go("N1")
      }
      spot.wake(&program, me, "B3", count: 8, next: "N1")
    }

    model.thread("waiter") { program, me in
      register(&program, me, 0, next: "1L0")
      register(&program, me, 1, next: "V0")
      program.step("V0 registered") { state in
        state.isRegistered = true
        return scene == .asCompleted ? .go("N1") : .go("sS2")
      }
      if scene == .asCompleted {
        iterate(&program, me)
        return
      }
      spot.wait(&program, me, success: "V2") { $0.isReached }
      program.step("V2 leave those that go on") { state in
        let goal = scene == .all ? state.ended == 3 : state.ended != 0
        if !goal { return .fail("returns too early") }
        state.observed &= state.ended
        return .finish
      }
    }
    if scene == .asCompleted { model.thread("other iteration") { iterate(&$0, $1) } }
    for future in 0..<2 {
      let bit = UInt8(1) << UInt8(future)
      model.thread("worker \(future)") { program, me in
        program.action("E0 look too early") { $0.hand[me] = $0.listened & bit }
        program.action("E1 publish") { $0.ended |= bit }
        program.step("E2 does anybody listen?") { state in
          let isListened = flaw == .looksForListenersTooEarly ? state.hand[me] != 0 : state.listened & bit != 0
          return isListened ? .next : .finish
        }
        program.step("E3a lock") { state in
          if state.locked & bit != 0 { return .blocked }
          state.locked |= bit
          return .next
        }
        program.step("E3 take the observers, unlock") { state in
          state.locked &= ~bit
          state.collected |= bit
          defer { state.observed &= ~bit }
          return state.observed & bit != 0 ? .next : .finish
        }
        tell(&program, me, future, "E4", next: "E5")
        program.step("E5 end") { _ in .finish }
      }
    }
    model.always("nobody is told twice of one end") { $0.told[0] <= 1 && $0.told[1] <= 1 }
    model.finally("every end was told, unless the observer had left") { state in
      scene == .first || state.told[0] == 1 && state.told[1] == 1
    }
    model.finally("all were given, each once, in the order told") { scene != .asCompleted || $0.given == $0.list }
    model.finally("nobody is left behind") { $0.spot.isQuiet && $0.locked == 0 && $0.observed == 0 }
    return model
  }
}
