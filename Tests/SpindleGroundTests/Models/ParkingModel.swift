import SpindleTestSupport

/// `ParkingSpot` and `Waiter` step by step, as the code in Sources/SpindleGround/Parking has them.
///
///     sleeper (ParkingSpot.wait)                    waker (ParkingSpot.wake, end)
///     S1  reserved? else attempt                    W1  change the state
///     S2a take the guard                            W2  word == 0: done
///     S2b append, release the guard                 W3a take the guard
///     S3  fence (see the model under TSO)           W3b take waiters from the front, release the guard
///     S4  reserved by another? else attempt         W4a end: exchange the waiter's state
///     S4a guard, remove, unguard; taken: wake       W4b it was suspended: wake its futex
///     S5a waiting -> suspended, else ended          (W4a and W4b for each waiter taken)
///     S5b futex: sleep if still suspended
///     S5c asleep until W4b, time-out, or spuriously  alarm or canceller of a task (ParkingSpot.giveUp)
///     S6  time-out: guard, remove, unguard          G1  guard, remove if listed, unguard
///     S7  reset, attempt; else again from S2a       G2  end as gaveUp, as W4a and W4b
///
/// The word is zero exactly if there is no guard, no reservation and no waiter; so it is not a variable of its own.
///
/// A lock (ParkingSpot+Lock) has one word for both: the permit is a bit of it, set when the lock is free (the code has it the other way
/// round). So W1 and W2 are one step, and so is "S0 take it if the rest of the word is zero", with which a newcomer begins.
struct ParkingState: Hashable {
  /// What is waited for: `attempt` takes one.
  var permits: UInt8 = 0
  var isGuarded = false
  /// The permits when the guard was taken, noted only for `ParkingFlaw.guardStoresTheHeldBit`.
  var permitsBeforeGuard: UInt8 = 0
  /// A bit for each thread that has reserved.
  var reservedBy: UInt8 = 0
  /// The waiters in the list, by the number of their thread.
  var list = Line()
  /// Waiters that wakers have taken out and not ended yet, in order, and who took each (1 + thread).
  var taken = Line()
  var takenBy = Cells()
  /// The waiter (1 + thread) whose futex a thread is about to wake.
  var wakes = Cells()
  /// The state word of each waiter.
  var waiter = Cells()
  /// 1 for a thread that sleeps in the kernel.
  var asleep = Cells()
  var overtaken = Cells()
  var isCancelled = false
  /// What each wait returned.
  var result = Cells()

  static let waiting: UInt8 = 0
  static let suspended: UInt8 = 1
  static let gaveUp: UInt8 = 2
  static let woken: UInt8 = 3

  static let success: UInt8 = 1
  static let failure: UInt8 = 2

  var isReserved: Bool { reservedBy != 0 }
  var wordIsZero: Bool { !isGuarded && !isReserved && list.isEmpty }

  mutating func attempt() -> Bool {
    guard permits > 0 else { return false }
    permits -= 1
    return true
  }
}

/// What can be wrong with the protocol; the explorer must catch every one.
enum ParkingFlaw: CaseIterable {
  /// W2 and W3 before W1.
  case wakesBeforeItChanges
  /// No S4: registered, then asleep without another look.
  case sleepsWithoutARecheck
  /// S2 after S4: another look, then registered.
  case looksBeforeItRegisters
  /// W4 reads the waiter's state and later writes it, instead of exchanging it.
  case endsInTwoSteps
  /// W4 changes the state and does not wake the futex.
  case forgetsTheFutex
  /// S4b: a success that finds itself taken does not wake another in its place (`leave`).
  case successSwallowsAWakeUp
  /// S6: a waiter whose time ran out while a waker took it reports the time-out without another try.
  case timeOutSwallowsAWakeUp
  /// S6: such a waiter goes to sleep again, though the waker has not ended it yet.
  case reusesAWaiterThatIsNotEnded
  /// A waiter lives on its thread's stack, and W4 touches it after the thread has left.
  case waiterDiesWithItsThread
  /// The end of a reservation does not wake those who lined up without trying.
  case reservationEndsSilently
  /// A reservation is not ended when its holder's time runs out.
  case timeOutKeepsTheReservation
  /// G1: a canceller ends a waiter that a waker has already taken.
  case cancelEndsATakenWaiter
  /// A lock in one word: who has the guard stores the whole word in the end, as it was, with what it has changed in the list.
  case guardStoresTheHeldBit
  /// A lock in one word: a try expects the word that it has seen, and fails when somebody takes the guard meanwhile.
  case tryFailsForTheGuard

  /// A small scene in which it shows.
  var scene: ParkingScene {
    switch self {
    case .timeOutSwallowsAWakeUp, .reusesAWaiterThatIsNotEnded: .timedLock
    case .reservationEndsSilently, .timeOutKeepsTheReservation: .timedReservation
    case .cancelEndsATakenWaiter: .cancelledTask
    case .guardStoresTheHeldBit, .tryFailsForTheGuard: .timedLockInOneWord
    default: .twoSleepersTwoWakers
    }
  }
}

/// Writes the steps of sleepers and wakers into the programs of a model.
struct ParkingModel {
  var flaw: ParkingFlaw?
  /// `ParkingSpot.patience`, small, so that reservations happen in a small model.
  var patience: UInt8 = 8
  /// Whether who got a permit gives it back, as with a lock; else it is used up.
  var givesBack = false
  /// Whether the kernel wakes sleepers for no reason. Off where a lost wake-up is looked for: it would mend it.
  var isSpurious = false
  /// Whether permit and list are one word: a lock.
  var isOneWord = false

  typealias State = ParkingState

  enum Kind: Equatable {
    case thread
    case timedThread
    /// A task: its deadline and its cancellation come from another thread.
    case task
  }

  /// Takes the guard, if it is free.
  private func lockGuard(_ state: inout State) -> Flow {
    if state.isGuarded { return .blocked }
    state.isGuarded = true
    if flaw == .guardStoresTheHeldBit { state.permitsBeforeGuard = state.permits }
    return .next
  }

  private func unlockGuard(_ state: inout State) {
    state.isGuarded = false
    if flaw == .guardStoresTheHeldBit { state.permits = state.permitsBeforeGuard }
  }

  // MARK: The sleeper

  /// ParkingSpot.wait: takes one permit.
  func sleeper(_ program: inout Program<State>, _ me: Int, _ kind: Kind) {
    let id = UInt8(me)
    if isOneWord {
      program.step("S0 take it if the rest of the word is zero") { state in
        guard state.wordIsZero, state.attempt() else { return .next }
        state.result[me] = State.success
        return .go("E1")
      }
    }
    program.step("S1 attempt unless reserved") { state in
      guard !state.isReserved, state.attempt() else { return .next }
      state.result[me] = State.success
      return .go("E1")
    }
    if flaw == .looksBeforeItRegisters {
      program.step("S4 attempt") { state in
        guard state.attempt() else { return .next }
        state.result[me] = State.success
        return .go("R1")
      }
    }
    program.step("S2a take the guard") { lockGuard(&$0) }
    program.step("S2b append, release the guard") { state in
      if state.list.contains(id) { return .fail("a waiter is appended that is still listed") }
      if state.overtaken[me] > 0 { state.list.prepend(id) } else { state.list.append(id) }
      if state.overtaken[me] >= patience { state.reservedBy |= 1 << id }
      unlockGuard(&state)
      return flaw == .sleepsWithoutARecheck || flaw == .looksBeforeItRegisters ? .go("S5a") : .next
    }
    if flaw != .looksBeforeItRegisters {
      program.step("S4 attempt unless reserved by another") { state in
        if flaw == .tryFailsForTheGuard, state.isGuarded { return .go("S5a") }
        guard reserves(state, me) || !state.isReserved, state.attempt() else { return .go("S5a") }
        state.result[me] = State.success
        return .next
      }
      program.step("S4a take the guard to leave") { lockGuard(&$0) }
      program.step("S4b remove, release the guard") { state in
        unlockGuard(&state)
        return state.list.remove(id) || flaw == .successSwallowsAWakeUp ? .go("R1") : .next
      }
      wake(&program, me, "L", count: 1, next: "R1", looks: false)
    }
    sleep(&program, me, kind)
    // The end: `defer { if reserving { unreserve() } }`.
    program.step("R1 end of a reservation") { state in
      if flaw == .timeOutKeepsTheReservation, state.result[me] == State.failure { return .go("E1") }
      return reserves(state, me) ? .next : .go("E1")
    }
    program.step("R2 take the guard to end the reservation") { lockGuard(&$0) }
    program.step("R3 one reservation fewer, release the guard; others have reserved: done") { state in
      state.reservedBy &= ~(1 << id)
      unlockGuard(&state)
      return state.isReserved || flaw == .reservationEndsSilently ? .go("E1") : .next
    }
    wake(&program, me, "U", count: 8, next: "E1", looks: false)
    program.step("E1 the wait has returned; give back") { state in
      guard givesBack, state.result[me] == State.success else { return .finish }
      return give(&state)
    }
    wake(&program, me, "W", count: 1, next: "E2", looks: !isOneWord)
    program.step("E2 done") { _ in .finish }
  }

  /// W1; where permit and list are one word, W2 too.
  private func give(_ state: inout State) -> Flow {
    state.permits += 1
    return isOneWord && state.wordIsZero ? .finish : .next
  }

  private func reserves(_ state: State, _ me: Int) -> Bool { state.reservedBy & 1 << UInt8(me) != 0 }

  private func sleep(_ program: inout Program<State>, _ me: Int, _ kind: Kind) {
    let id = UInt8(me)
    program.step("S5a waiting -> suspended") { state in
      if state.waiter[me] != State.waiting { return .go("S7") }
      state.waiter[me] = State.suspended
      return .next
    }
    program.step("S5b sleep if still suspended") { state in
      if state.waiter[me] != State.suspended { return .go("S7") }
      state.asleep[me] = 1
      return .next
    }
    program.step("S5c asleep") { state, choices in
      if state.asleep[me] == 0 { return .go("S5b") }
      if isSpurious, choices.either("spurious wake-up") {
        state.asleep[me] = 0
        return .go("S5b")
      }
      guard kind == .timedThread, choices.either("time runs out") else { return .blocked }
      state.asleep[me] = 0
      // The word is looked at once more after the time-out.
      return state.waiter[me] == State.suspended ? .next : .go("S7")
    }
    program.step("S6a take the guard to give up") { lockGuard(&$0) }
    program.step("S6b remove, release the guard") { state in
      unlockGuard(&state)
      if state.list.remove(id) {
        state.waiter[me] = State.gaveUp
        state.result[me] = State.failure
        return .go("R1")
      }
      switch flaw {
      case .timeOutSwallowsAWakeUp:
        state.result[me] = State.failure
        return .go("R1")
      case .reusesAWaiterThatIsNotEnded:
        return .go("S7")
      default:
        return .go("S8")
      }
    }
    program.step("S7 reset, attempt") { state, choices in
      let ended = state.waiter[me]
      state.waiter[me] = State.waiting
      if ended == State.gaveUp {
        state.result[me] = State.failure
        return .go("R1")
      }
      if state.attempt() {
        state.result[me] = State.success
        return .go("R1")
      }
      if kind == .task && state.isCancelled || kind == .timedThread && choices.either("time has run out") {
        state.result[me] = State.failure
        return .go("R1")
      }
      state.overtaken[me] = min(state.overtaken[me] + 1, patience)
      return .go("S2a")
    }
    program.step("S8 reset, attempt for the last time") { state in
      state.waiter[me] = State.waiting
      state.result[me] = state.attempt() ? State.success : State.failure
      return .go("R1")
    }
  }

  // MARK: The waker

  /// Gives `count` permits at once, then wakes as many.
  func waker(_ program: inout Program<State>, _ me: Int, gives count: Int = 1) {
    if flaw == .wakesBeforeItChanges {
      wake(&program, me, "W", count: count, next: "W1")
      program.action("W1 give") { $0.permits += UInt8(count) }
    } else {
      program.action("W1 give") { $0.permits += UInt8(count) }
      wake(&program, me, "W", count: count, next: "W5")
      program.step("W5 done") { _ in .finish }
    }
  }

  /// Comes, takes a permit if there is one, gives it back: what overtakes those who wake up.
  func barger(_ program: inout Program<State>, _ me: Int) {
    program.step("B1 attempt unless reserved") { state in !state.isReserved && state.attempt() ? .next : .finish }
    program.step("W1 give the permit back") { give(&$0) }
    wake(&program, me, "W", count: 1, next: "W5", looks: !isOneWord)
    program.step("W5 done") { _ in .finish }
  }

  /// The alarm or the cancellation of the task `task`: ParkingSpot.giveUp, at any time or never.
  func canceller(_ program: inout Program<State>, _ me: Int, of task: Int) {
    let id = UInt8(task)
    program.step("G0 time runs out, or cancelled") { state, choices in
      if choices.either("never") { return .finish }
      state.isCancelled = true
      return .next
    }
    program.step("G1 take the guard") { lockGuard(&$0) }
    program.step("G1b remove if listed, release the guard") { state in
      unlockGuard(&state)
      return state.list.remove(id) || flaw == .cancelEndsATakenWaiter ? .next : .finish
    }
    program.step("G2 end as gaveUp") { state in
      if state.waiter[task] == State.suspended { state.asleep[task] = 0 }
      state.waiter[task] = State.gaveUp
      return .next
    }
  }

  /// ParkingSpot.wake and end: the steps W2 to W4 with labels that begin with `prefix`.
  private func wake(
    _ program: inout Program<State>, _ me: Int, _ prefix: String, count: Int, next: String, looks: Bool = true
  ) {
    let mark = UInt8(me + 1)
    if looks { program.step("\(prefix)2 nobody waits?") { $0.wordIsZero ? .go(next) : .next } }
    program.step("\(prefix)3a take the guard") { lockGuard(&$0) }
    program.step("\(prefix)3b take from the front, release the guard") { state in
      var count = count
      while count > 0, !state.list.isEmpty {
        let waiter = state.list.removeFirst()
        state.taken.append(waiter)
        state.takenBy[Int(waiter)] = mark
        count -= 1
      }
      unlockGuard(&state)
      return .next
    }
    program.step("\(prefix)4a end the next waiter") { state in
      guard let waiter = firstTaken(state, by: mark) else { return .go(next) }
      if flaw == .waiterDiesWithItsThread, state.result[waiter] != 0 { return .fail("touches a waiter that is gone") }
      let before = state.waiter[waiter]
      if flaw != .endsInTwoSteps { state.waiter[waiter] = State.woken }
      forget(&state, waiter)
      state.wakes[me] = UInt8(waiter + 1)
      if flaw == .endsInTwoSteps { return before == State.suspended ? .next : .go("\(prefix)4c") }
      if before == State.suspended, flaw != .forgetsTheFutex { return .next }
      state.wakes[me] = 0
      return .stay
    }
    program.step("\(prefix)4b wake its futex") { state in
      let waiter = Int(state.wakes[me] - 1)
      if flaw == .endsInTwoSteps { state.waiter[waiter] = State.woken }
      state.asleep[waiter] = 0
      state.wakes[me] = 0
      return .go("\(prefix)4a")
    }
    if flaw == .endsInTwoSteps {
      program.step("\(prefix)4c write its state") { state in
        state.waiter[Int(state.wakes[me] - 1)] = State.woken
        state.wakes[me] = 0
        return .go("\(prefix)4a")
      }
    }
  }

  private func firstTaken(_ state: State, by mark: UInt8) -> Int? {
    for index in 0..<state.taken.count where state.takenBy[Int(state.taken[index])] == mark {
      return Int(state.taken[index])
    }
    return nil
  }

  private func forget(_ state: inout State, _ waiter: Int) {
    state.taken.remove(UInt8(waiter))
    state.takenBy[waiter] = 0
  }
}
