import SpindleTestSupport
import Testing

/// The end of a `SharedRing`: a putter, takers who say at once that they are done, one or two who close it, and one who waits for the
/// tasks; any of them may be killed between any two steps, and then another comes in its place.
///
///     close                                        put                              take
///     E1 lock the takers, then the putters         P1 lock                          T1 lock; taken over: mend (M)
///     E2 the end; nothing is put from now on       P2 ended? room?                  T2 ended? an element, as last seen,
///     E3 unlock the putters                        P4 commit                           else look
///     E4 drop: the takers' T3 and T4               P5 unlock                        T4 commit
///     E5 note it as dropped, then as done          P6 wake a taker                  T5 note it, then as done
///     E6 unlock the takers; wake all                                                T6, T7 unlock; wake
///
/// A side's copies are `SharedRingModelTests`; how one sleeps at a spot is `SharedSpotModelTests`, and one step here: who has registered
/// and looked sleeps until it is woken, or, once somebody has been killed, for a slice.
@Suite(.watchdog(seconds: 240)) struct SharedRingEndModelTests {
  @Test(arguments: Scene.allCases) func everyoneLearnsOfTheEndWhoeverIsKilled(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// What is in it may still be taken.
    case closed
    /// What is in it is dropped.
    case emptied
    /// First the one, by one process, then the other, by another.
    case both
    case mortalClosed, mortalEmptied, mortalBoth

    var deaths: UInt8 {
      switch self {
      case .closed, .emptied, .both: 0
      case .mortalBoth: 1
      case .mortalClosed, .mortalEmptied: 2
      }
    }
    /// Elements that are put, and processes that take them.
    var elements: UInt8 { deaths == 0 ? 3 : isBoth ? 1 : 2 }
    var takers: Int { deaths == 0 && !isBoth ? 2 : 1 }
    var isBoth: Bool { self == .both || self == .mortalBoth }
    var drops: Bool { self != .closed && self != .mortalClosed }
  }

  enum Flaw: CaseIterable {
    /// E1 does not lock the putters.
    case leavesThePuttersAlone
    /// E1 does not lock the takers.
    case leavesTheTakersAlone
    /// One of the two locks the putters first.
    case locksInAnotherOrder
    /// E2 comes after E4.
    case dropsBeforeItEnds
    /// E5 comes before E4.
    case notesBeforeItDrops
    /// E6's unlocking comes before E5.
    case unlocksBeforeItIsDone
    /// M does not finish E4 and E5.
    case leavesTheDroppingUnfinished
    /// M counts what was dropped and not noted as it counts what was taken and not noted: one at most, as lost.
    case takesTheDroppedForLost
    /// E6 wakes no taker, no putter, nobody who waits for the tasks.
    case wakesNoTaker, wakesNoPutter, wakesNoJoiner

    var scene: Scene {
      switch self {
      case .leavesThePuttersAlone, .wakesNoTaker: .closed
      case .leavesTheTakersAlone, .dropsBeforeItEnds, .wakesNoPutter, .wakesNoJoiner: .emptied
      case .locksInAnotherOrder: .both
      default: .mortalEmptied
      }
    }
  }

  private static let capacity: UInt8 = 2

  private enum End {
    static let open: UInt8 = 0, closed: UInt8 = 1, emptied: UInt8 = 2
  }

  /// Who waits for what.
  private enum Spot {
    static let elements: UInt8 = 1, room: UInt8 = 2, allDone: UInt8 = 3
  }

  struct State: Hashable {
    var mortals = Mortals()
    var putLock: UInt8 = 0
    var takeLock: UInt8 = 0
    var end: UInt8 = 0
    var puts: UInt8 = 0
    var takes: UInt8 = 0
    /// What the takers have last seen.
    var seenPuts: UInt8 = 0
    /// In the table of users: taken and done by somebody, lost, dropped.
    var noted: UInt8 = 0
    var lost: UInt8 = 0
    var dropped: UInt8 = 0
    /// What who waits for the tasks looks at.
    var done: UInt8 = 0
    /// By thread: the spot at which it is registered.
    var waits = Cells()
    /// By thread: what it saw or is about to note.
    var local = Cells()
    /// By thread: where it goes when it has mended.
    var errand = Cells()
    /// As it is: elements when the end was written; in whose hands one is that is not noted; how many fell out of dying hands.
    var putsAtEnd: UInt8 = 0
    var hands = Cells()
    var fallen: UInt8 = 0

    mutating func wakeAll(_ spot: UInt8) { for thread in 0..<8 where waits[thread] == spot { waits[thread] = 0 } }
    mutating func wakeOne(_ spot: UInt8, _ choices: inout Choices) {
      let waiting = (0..<8).filter { waits[$0] == spot }
      if waiting.isEmpty { return }
      waits[waiting[choices.pick(of: waiting.count) { "wakes \(waiting[$0])" }]] = 0
    }
    mutating func kill(_ thread: Int) {
      mortals.kill(thread)
      if hands[thread] > 0 { fallen &+= 1 }
      (waits[thread], local[thread], errand[thread], hands[thread]) = (0, 0, 0, 0)
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var model = Model("end of a shared ring, \(scene)", initial: State())

    func killed(_ me: Int, next: String) -> Death<State> {
      Death(while: { $0.mortals.deaths < scene.deaths }) { state in
        state.kill(me)
        return .go(next)
      }
    }
    func sleep(_ program: inout Program<State>, _ me: Int, or killed: Death<State>, next: String) {
      program.step("S sleep", or: killed) { state, choices in
        if state.waits[me] == 0 || state.mortals.deaths > 0 && choices.either("the slice ends") { return .go(next) }
        return .blocked
      }
    }
    /// T1, and M when it is taken over; `errand` is where it goes on.
    func lockTakers(_ program: inout Program<State>, _ me: Int, _ name: String, or killed: Death<State>, next: String) {
      program.step(name, or: killed) { state in
        guard let isTakenOver = state.mortals.take(&state.takeLock, by: me) else { return .blocked }
        return .go(isTakenOver ? "M1" : next)
      }
    }
    /// E4 and E5.
    func drop(_ program: inout Program<State>, _ me: Int, _ label: String, or killed: Death<State>, next: String) {
      program.step("\(label)4 what there is", or: killed) { state in
        state.local[me] = state.puts &- state.takes
        return flaw == .notesBeforeItDrops ? .go("\(label)5a") : .next
      }
      program.step("\(label)4a take all", or: killed) { state in
        state.takes = state.puts
        return .next
      }
      program.step("\(label)4b seen", or: killed) { state in
        state.seenPuts = state.puts
        if flaw == .dropsBeforeItEnds, label == "E" { return .go("E2b") }
        if flaw == .unlocksBeforeItIsDone { state.takeLock = 0 }
        return flaw == .notesBeforeItDrops ? .go("\(label)5b") : .next
      }
      program.step("\(label)5a note it as dropped", or: killed) { state in
        state.dropped &+= state.local[me]
        return flaw == .notesBeforeItDrops ? .go("\(label)4a") : .next
      }
      program.step("\(label)5b as done", or: killed) { state in
        state.done = min(state.done &+ state.local[me], state.puts)
        state.local[me] = 0
        return .go(next)
      }
    }
    func mend(_ program: inout Program<State>, _ me: Int, or killed: Death<State>, next: String) {
      program.step("M1 look at the putters", or: killed) { state in
        state.seenPuts = state.puts
        return .next
      }
      program.step("M2 taken and not noted?", or: killed) { state in
        let known = state.noted &+ state.lost &+ state.dropped
        let missing = state.takes > known ? state.takes - known : 0
        if state.end == End.emptied, flaw != .takesTheDroppedForLost {
          state.dropped &+= missing
        } else if missing == 1 {
          state.lost &+= 1
        }
        return .next
      }
      program.step("M3 count what is done", or: killed) { state in
        let done = min(max(state.done, state.noted &+ state.lost &+ state.dropped), state.puts)
        state.local[me] = done > state.done ? 1 : 0
        state.done = done
        if state.end == End.emptied, flaw != .leavesTheDroppingUnfinished { return .go("M4") }
        return state.local[me] == 1 ? .go("M6") : .go(next)
      }
      drop(&program, me, "M", or: killed, next: "M6")
      program.step("M6 wake who waits for the tasks", or: killed) { state in
        state.local[me] = 0
        state.wakeAll(Spot.allDone)
        return .go(next)
      }
    }

    model.thread("putter") { program, me in
      let killed = killed(me, next: "R")
      program.step("R register", or: killed) { state in
        state.waits[me] = Spot.room
        return .next
      }
      program.step("P1 lock", or: killed) { state in
        state.mortals.take(&state.putLock, by: me) == nil ? .blocked : .next
      }
      program.step("P2 ended? room?", or: killed) { state in
        if state.end != End.open {
          state.putLock = 0
          state.waits[me] = 0
          return .finish
        }
        if state.puts &- state.takes < Self.capacity { return .next }
        state.putLock = 0
        return .go("S")
      }
      program.step("P4 commit", or: killed) { state in
        state.waits[me] = 0
        state.puts &+= 1
        return .next
      }
      program.step("P5 unlock", or: killed) { state in
        state.putLock = 0
        return .next
      }
      program.step("P6 wake a taker", or: killed) { state, choices in
        state.wakeOne(Spot.elements, &choices)
        return state.puts < scene.elements ? .go("R") : .finish
      }
      sleep(&program, me, or: killed, next: "R")
    }

    model.threads("taker", count: scene.takers) { program, me in
      let killed = killed(me, next: "R")
      program.step("R register", or: killed) { state in
        state.waits[me] = Spot.elements
        return .next
      }
      lockTakers(&program, me, "T1 lock", or: killed, next: "T2a")
      program.step("T2a known? else ended?", or: killed) { state in
        if state.takes != state.seenPuts { return .go("T4") }
        state.local[me] = state.end
        return .next
      }
      program.step("T2b look", or: killed) { state in
        state.seenPuts = state.puts
        if state.takes != state.puts {
          state.local[me] = 0
          return .next
        }
        state.takeLock = 0
        if state.local[me] == End.open { return .go("S") }
        state.waits[me] = 0
        state.local[me] = 0
        return .finish
      }
      program.step("T4 commit", or: killed) { state in
        if state.end == End.emptied { return .fail("it takes what was dropped") }
        if state.takes >= state.puts { return .fail("it takes what nobody put") }
        state.waits[me] = 0
        state.takes &+= 1
        state.hands[me] = 1
        return .next
      }
      program.step("T5a note it", or: killed) { state in
        state.noted &+= 1
        state.hands[me] = 0
        return .next
      }
      program.step("T5b as done", or: killed) { state in
        state.done &+= 1
        state.local[me] = state.done == state.puts ? 1 : 0
        return .next
      }
      program.step("T6 unlock", or: killed) { state in
        state.takeLock = 0
        return .next
      }
      program.step("T7 wake", or: killed) { state, choices in
        state.wakeOne(Spot.room, &choices)
        if state.local[me] == 1 { state.wakeAll(Spot.allDone) }
        state.local[me] = 0
        return .go("R")
      }
      sleep(&program, me, or: killed, next: "R")
      mend(&program, me, or: killed, next: "T2a")
    }

    model.threads("closer", count: scene.isBoth ? 2 : 1) { program, me in
      let isLast = me == scene.takers + (scene.isBoth ? 2 : 1)
      let wanted = scene.drops && isLast ? End.emptied : End.closed
      let putsFirst = flaw == .locksInAnotherOrder && isLast
      let killed = killed(me, next: "E0")
      func end(_ state: inout State) {
        if state.end == End.open { state.putsAtEnd = state.puts }
        state.end = max(state.end, wanted)
      }
      program.step("E0 begin", or: killed) { _ in putsFirst ? .go("E1b") : flaw == .leavesTheTakersAlone ? .go("E1b") : .next }
      lockTakers(&program, me, "E1a lock the takers", or: killed, next: putsFirst ? "E2" : "E1b")
      program.step("E1b lock the putters", or: killed) { state in
        if flaw == .leavesThePuttersAlone { return .next }
        if state.mortals.take(&state.putLock, by: me) == nil { return .blocked }
        return putsFirst ? .go("E1a") : .next
      }
      program.step("E2 the end", or: killed) { state in
        if flaw == .dropsBeforeItEnds { return .go("E3") }
        end(&state)
        return .next
      }
      program.step("E3 unlock the putters", or: killed) { state in
        if state.putLock == state.mortals.key(me) { state.putLock = 0 }
        return wanted == End.emptied ? .next : .go("E6a")
      }
      drop(&program, me, "E", or: killed, next: "E6a")
      program.step("E2b the end, late", or: killed) { state in
        end(&state)
        return .go("E5a")
      }
      program.step("E6a unlock the takers", or: killed) { state in
        if state.takeLock == state.mortals.key(me) { state.takeLock = 0 }
        return .next
      }
      program.step("E6b wake the takers", or: killed) { state in
        if flaw != .wakesNoTaker { state.wakeAll(Spot.elements) }
        return .next
      }
      program.step("E6c wake the putters", or: killed) { state in
        if flaw != .wakesNoPutter { state.wakeAll(Spot.room) }
        return wanted == End.emptied ? .next : .finish
      }
      program.step("E6d wake who waits for the tasks", or: killed) { state in
        if flaw != .wakesNoJoiner { state.wakeAll(Spot.allDone) }
        return .finish
      }
      mend(&program, me, or: killed, next: putsFirst ? "E2" : "E1b")
    }

    model.thread("joiner") { program, me in
      let killed = killed(me, next: "J0")
      // Before the end it would have to go on waiting when more is put.
      program.step("J0 the end has come", or: killed) { state in state.end == End.open ? .blocked : .next }
      program.step("R register", or: killed) { state in
        state.waits[me] = Spot.allDone
        return .next
      }
      program.step("J1 look at what is done", or: killed) { state in
        state.local[me] = state.done
        return .next
      }
      program.step("J2 at what was put", or: killed) { state in
        if state.local[me] >= state.puts {
          if state.takes != state.puts || state.hands != Cells() { return .fail("join does not wait for all") }
          state.waits[me] = 0
          return .finish
        }
        return state.mortals.isDead(state.takeLock) ? .next : .go("S")
      }
      lockTakers(&program, me, "L1 lock the takers", or: killed, next: "L2")
      program.step("L2 unlock them", or: killed) { state in
        state.takeLock = 0
        return .go("R")
      }
      mend(&program, me, or: killed, next: "L2")
      sleep(&program, me, or: killed, next: "R")
    }

    if flaw != .dropsBeforeItEnds {
      model.always("nothing is put after the end") { $0.end == End.open || $0.puts == $0.putsAtEnd }
    }
    model.finally("everything is taken, and done, lost or dropped as it was") { state in
      guard state.takes == state.puts, state.putLock == 0 || state.mortals.isDead(state.putLock) else { return false }
      // What a dead one has left, nobody need look at any more.
      if state.mortals.isDead(state.takeLock) { return true }
      return state.lost == state.fallen && state.noted &+ state.lost &+ state.dropped == state.takes
        && state.done == state.puts
    }
    return model
  }
}
