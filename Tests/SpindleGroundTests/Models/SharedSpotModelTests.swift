import SpindleTestSupport
import Testing

/// `SharedSpot`: sleepers and wakers in several processes, any of which may be killed between any two steps.
///
///     sleeper                                  waker
///     S0 try; if it can be done, done          W1 change the state
///     S1 seen = epoch                          W3 sleepers == 0: done (W2, the fence: FenceModelTests)
///     S2 sleepers += 1                         W4 sleepers -= 1 (one claim for each to be woken)
///     S3 try once more; done, too late: leave  W5 epoch += 1
///     S4 sleep while epoch == seen,            W6 wake one
///        a slice of time at most
///     S5 epoch == seen: S3, else S0
///
/// The slice ends a sleep only once somebody has been killed: as long as all live, no wake-up may depend on it.
@Suite(.watchdog(seconds: 120)) struct SharedSpotModelTests {
  @Test(arguments: Scene.allCases) func nobodySleepsForEverWhoeverIsKilled(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two wait for a permit each, two give one each.
    case permits
    /// The same, and any one of the four is killed at any time or never.
    case mortalPermits
    /// One of those who wait does not wait for long; all live.
    case timedPermits
    /// Three use one permit as a lock.
    case lock
    /// Two wait until it is open; who opens it wakes all; anyone may be killed.
    case gate

    var isMortal: Bool { self == .mortalPermits || self == .gate }
  }

  enum Flaw: CaseIterable {
    /// W5 comes first and W1 takes its place.
    case changesAfterTheEpoch
    /// S2 before S1.
    case registersBeforeItLooks
    /// S3 is missing.
    case sleepsWithoutATry
    /// S5: after a slice the sleeper goes back to sleep without another try.
    case sleepsOnAfterASlice
    /// S4 has no limit.
    case sleepsWithoutASlice
    /// W1: sleepers are counted, so the permit is handed to one of them; the one counted may be dead.
    case handsOverToTheDead
    /// Who leaves at S3 counts down, and may take back what counts for another.
    case takesItsRegistrationBack

    var scene: Scene {
      switch self {
      case .sleepsOnAfterASlice, .sleepsWithoutASlice, .handsOverToTheDead: .mortalPermits
      case .takesItsRegistrationBack: .lock
      default: .permits
      }
    }
  }

  struct State: Hashable {
    var sleepers: UInt8 = 0
    var epoch: UInt8 = 0
    /// What is waited for, and how much more of it those alive will give.
    var permits: UInt8 = 0
    var toCome: UInt8 = 0
    /// Only with the flaw: permits that belong to whoever is woken.
    var handedOver: UInt8 = 0
    /// Who sleeps in the kernel: 1; and who was taken out of a sleep by a slice, with that flaw: 2.
    var asleep = Cells()
    var seen = Cells()
    var claimed = Cells()
    var killed: UInt8 = 0
    var taken: UInt8 = 0
    var given: UInt8 = 0
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var initial = State()
    let isGate = scene == .gate
    initial.permits = scene == .lock ? 1 : 0
    initial.given = initial.permits
    initial.toCome = isGate ? 1 : scene == .lock ? 0 : 2
    var model = Model("shared spot, \(scene)", initial: initial)

    /// A step before which its process may be killed.
    func mortal(
      _ program: inout Program<State>, _ me: Int, _ name: String, gives: Bool = false,
      _ body: @escaping (inout State, inout Choices) -> Flow
    ) {
      program.step(name) { state, choices in
        if scene.isMortal, state.killed == 0, choices.either("killed") {
          state.killed = 1
          state.asleep[me] = 0
          if gives { state.toCome -= 1 }
          return .finish
        }
        return body(&state, &choices)
      }
    }

    func attempt(_ state: inout State) -> Bool {
      guard state.permits > 0 else { return false }
      if isGate { return true }
      state.permits -= 1
      state.taken += 1
      return true
    }

    func wake(_ program: inout Program<State>, _ me: Int, next: String) {
      mortal(&program, me, "W3 nobody sleeps?") { state, _ in state.sleepers == 0 ? .go(next) : .next }
      mortal(&program, me, "W4 claim") { state, _ in
        let claimed = min(state.sleepers, isGate ? .max : 1)
        if claimed == 0 { return .go(next) }
        state.sleepers -= claimed
        state.claimed[me] = claimed
        return .next
      }
      mortal(&program, me, "W5 epoch += 1") { state, _ in
        state.epoch &+= 1
        return .next
      }
      mortal(&program, me, "W6 wake") { state, choices in
        while state.claimed[me] > 0 {
          let sleeping = (0..<8).filter { state.asleep[$0] == 1 }
          if sleeping.isEmpty { break }
          state.asleep[sleeping[choices.pick(of: sleeping.count) { "wakes \(sleeping[$0])" }]] = 0
          state.claimed[me] -= 1
        }
        state.claimed[me] = 0
        return .go(next)
      }
    }

    func sleeper(_ program: inout Program<State>, _ me: Int, isTimed: Bool) {
      let done = scene == .lock ? "W1" : "E1"
      mortal(&program, me, "S0 try") { state, _ in
        if attempt(&state) { return .go(done) }
        return flaw == .registersBeforeItLooks ? .go("S2") : .next
      }
      mortal(&program, me, "S1 seen = epoch") { state, _ in
        state.seen[me] = state.epoch
        return flaw == .registersBeforeItLooks ? .go("S3") : .next
      }
      mortal(&program, me, "S2 sleepers += 1") { state, _ in
        state.sleepers += 1
        if flaw == .sleepsWithoutATry { return .go("S4") }
        return flaw == .registersBeforeItLooks ? .go("S1") : .next
      }
      mortal(&program, me, "S3 try, or too late") { state, choices in
        if attempt(&state) { return flaw == .takesItsRegistrationBack ? .go("S3b") : .go(done) }
        return isTimed && choices.either("time has run out") ? .finish : .go("S4")
      }
      mortal(&program, me, "S3b sleepers -= 1") { state, _ in
        if state.sleepers > 0 { state.sleepers -= 1 }
        return .go(done)
      }
      mortal(&program, me, "S4 sleep while epoch == seen") { state, _ in
        if state.epoch != state.seen[me] { return .go("S5") }
        state.asleep[me] = 1
        return .next
      }
      mortal(&program, me, "S4b asleep") { state, choices in
        if state.asleep[me] == 0 {
          if state.handedOver == 0 { return .go("S5") }
          state.handedOver -= 1
          state.taken += 1
          return .go(done)
        }
        // Nobody will give any more: it rightly sleeps on.
        if state.permits == 0, state.handedOver == 0, state.toCome == 0, scene != .lock { return .finish }
        if isTimed, choices.either("time runs out") {
          state.asleep[me] = 0
          return .go("S3")
        }
        guard state.killed > 0, flaw != .sleepsWithoutASlice, choices.either("the slice ends") else { return .blocked }
        state.asleep[me] = 0
        return flaw == .sleepsOnAfterASlice ? .go("S4") : .go("S5")
      }
      mortal(&program, me, "S5 not moved?") { state, _ in
        if state.epoch == state.seen[me] { return flaw == .sleepsOnAfterASlice ? .go("S4") : .go("S3") }
        state.seen[me] = 0
        return .go("S0")
      }
    }

    model.threads("sleeper", count: scene == .lock ? 3 : 2) { program, me in
      sleeper(&program, me, isTimed: scene == .timedPermits && me == 0)
      if scene == .lock {
        program.action("W1 give the permit back") { state in
          state.permits += 1
          state.given += 1
        }
        wake(&program, me, next: "E1")
      }
      program.step("E1 done") { _ in .finish }
    }
    if scene != .lock {
      model.threads("waker", count: isGate ? 1 : 2) { program, me in
        func change(_ name: String, next: String) {
          mortal(&program, me, name, gives: true) { state, _ in
            state.toCome -= 1
            state.given += 1
            if flaw == .handsOverToTheDead, state.sleepers > 0 { state.handedOver += 1 } else { state.permits += 1 }
            return .go(next)
          }
        }
        if flaw == .changesAfterTheEpoch {
          wake(&program, me, next: "W1")
          change("W1 give, too late", next: "E1")
        } else {
          change("W1 give", next: "W3")
          wake(&program, me, next: "E1")
        }
        program.step("E1 done") { _ in .finish }
      }
    }
    if !isGate { model.always("nothing is taken that was not given") { $0.taken + $0.permits <= $0.given } }
    model.finally("nobody who could go on sleeps") { state in
      state.asleep.count(of: 1) == 0 || state.permits == 0 && state.handedOver == 0
    }
    return model
  }
}
