import SpindleTestSupport
import Testing

/// The places of a `SharedRing`: a putter that grows it, two takers that follow jumps and shrink it, any one of them killed between
/// two steps; for a putter that was killed another comes. A side's copies are `SharedRingModelTests`, and one step here.
///
///     putter                                      taker
///     P1 lock                                     T1 lock; taken over: mend (M)
///     P2 room, by what was last seen, else look,  T2 an element, by what was last seen, else look; read it
///        else G; the record                       J1 a jump instead: T3 and T4 with the place it leads to
///     G2 a jump, and the record in the new place  J2 the memory of the place left goes back,
///     P3, P4 tail, puts, place                    J3 after a shrinking if the putters are not in it again
///     P5 unlock                                   T3, T4 head, takes, place
///                                                 S1 empty and large: lock the putters
///                                                 S2 empty still? a jump; look at the takers
///                                                 S3 the putters' P3 and P4; unlock them; J1, J3
///                                                 T6 unlock
///
/// A record and a jump are one unit each. The small place has two, the large one four.
@Suite(.watchdog(seconds: 240)) struct SharedRingPlacesModelTests {
  @Test func everyElementLeavesOnceInOrderThroughAllPlacesWhoeverIsKilled() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// S2 leaves what the putters have seen as it is: further back than the small place is large.
    case shrinksWithoutLooking
    /// S1 does not lock the putters.
    case shrinksWithoutTheirLock
    /// S2 does not ask again whether it is empty.
    case shrinksWhatIsNotEmpty
    /// J2 and J3 come after T6.
    case givesBackAfterUnlocking
    /// J2 in the place of J3.
    case givesBackWhereItIsGrownAgain
    /// J3 does not lock the putters.
    case asksWithoutTheirLock
    /// P2 fills the place to its end, so that a jump hits what is not yet taken.
    case keepsNoRoomForAJump
    /// J1 does not go to the place that the jump names.
    case staysInItsPlace
  }

  private static let small: UInt8 = 2, large: UInt8 = 4, jump: UInt8 = 0xF0
  private static let elements: UInt8 = 4

  struct State: Hashable {
    /// 0 free; else the key of the holder.
    var putLock: UInt8 = 0
    var takeLock: UInt8 = 0
    var dead: UInt8 = 0
    var putter: UInt8 = 1
    /// The small place is 2 and 3, the large one 4 to 7.
    var cells = Cells()
    var tail: UInt8 = 0
    var puts: UInt8 = 0
    var putSize = small
    var head: UInt8 = 0
    var takes: UInt8 = 0
    var takeSize = small
    var seenHead: UInt8 = 0
    var seenTail: UInt8 = 0
    var seenPuts: UInt8 = 0
    var noted: UInt8 = 0
    var lost: UInt8 = 0
    /// By taker: the place it leaves, 0 none; the element it read.
    var left = Cells()
    var hasGrown = false

    static func cell(_ position: UInt8, _ size: UInt8) -> Int { Int(size + position % size) }
    var isPlausible: Bool { seenHead <= tail && tail - seenHead <= putSize }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    let small = Self.small, large = Self.large, jump = Self.jump
    var model = Model("places of a shared ring", initial: State())

    model.thread("putter") { program, _ in
      func mortal(_ name: String, _ body: @escaping (inout State) -> Flow) {
        program.step(name) { state, choices in
          if state.dead == 0, choices.either("killed") {
            state.dead = 1
            state.putter = 2
            state.hasGrown = false
            return .go("P1")
          }
          return body(&state)
        }
      }
      mortal("P1 lock") { state in
        if state.putLock != 0, state.putLock != state.dead { return .blocked }
        state.putLock = state.putter
        return .next
      }
      mortal("P2a room?") { state in
        if state.puts == Self.elements {
          state.putLock = 0
          return .finish
        }
        guard state.isPlausible else { return .fail("the state is refused as damaged") }
        let need: UInt8 = flaw == .keepsNoRoomForAJump ? 1 : 2
        if state.tail + need - state.seenHead <= state.putSize { return .next }
        state.seenHead = state.head
        guard state.isPlausible else { return .fail("the state is refused as damaged") }
        let used = state.tail - state.seenHead
        if used + need <= state.putSize { return .next }
        if state.putSize == small, used + 1 + need <= large { return .go("G2a") }
        state.putLock = 0
        return .go("P9")
      }
      mortal("P2b the record") { state in
        state.cells[State.cell(state.tail, state.putSize)] = state.puts + 1
        return .go("P4")
      }
      mortal("G2a a jump") { state in
        state.cells[State.cell(state.tail, state.putSize)] = jump | large
        return .next
      }
      mortal("G2b the record in the new place") { state in
        state.cells[State.cell(state.tail + 1, large)] = state.puts + 1
        state.hasGrown = true
        return .next
      }
      mortal("P4 commit") { state in
        if state.hasGrown {
          state.tail += 1
          state.putSize = large
        }
        state.tail += 1
        state.puts += 1
        state.hasGrown = false
        return .next
      }
      mortal("P5 unlock") { state in
        state.putLock = 0
        return .go("P1")
      }
      program.step("P9 wait for room") { state in
        state.tail - state.head + 2 <= state.putSize || state.putSize == small ? .go("P1") : .blocked
      }
    }

    model.threads("taker", count: 2) { program, me in
      let key = UInt8(2 + me)
      func mortal(_ name: String, _ body: @escaping (inout State) -> Flow) {
        program.step(name) { state, choices in
          if state.dead == 0, choices.either("killed") {
            state.dead = key
            state.left[me] = 0
            return .finish
          }
          return body(&state)
        }
      }
      mortal("T1 lock") { state in
        if state.takeLock == 0 {
          state.takeLock = key
          return .go("T2a")
        }
        guard state.takeLock == state.dead else { return .blocked }
        state.takeLock = key
        return .next
      }
      mortal("M mend") { state in
        state.seenTail = state.tail
        state.seenPuts = state.puts
        if state.takes > state.noted + state.lost { state.lost += 1 }
        return .next
      }
      mortal("T2a an element?") { state in
        if state.head != state.seenTail { return .next }
        guard state.tail - state.head <= state.putSize else { return .fail("the state is refused as damaged") }
        state.seenTail = state.tail
        state.seenPuts = state.puts
        if state.head != state.seenTail { return .next }
        state.takeLock = 0
        return .go("T9")
      }
      mortal("T2b read") { state in
        let word = state.cells[State.cell(state.head, state.takeSize)]
        if word & jump == jump { return .go("J1") }
        if word != state.takes + 1 { return .fail("another element than was due") }
        if (state.head + 1 == state.seenTail) != (state.takes + 1 == state.seenPuts) {
          return .fail("it counts other elements than it holds")
        }
        return .next
      }
      mortal("T4 commit") { state in
        state.head += 1
        state.takes += 1
        return .next
      }
      mortal("T5 note") { state in
        state.noted += 1
        return state.head == state.seenTail && state.takeSize == large ? .go("S1") : .go("T6")
      }
      mortal("J1 behind the jump") { state in
        let word = state.cells[State.cell(state.head, state.takeSize)]
        if word & jump != jump { return .fail("the jump is gone") }
        state.left[me] = state.takeSize
        state.head += 1
        if flaw != .staysInItsPlace { state.takeSize = word & ~jump }
        if flaw == .givesBackAfterUnlocking, state.takeLock == key {
          state.takeLock = 0
        }
        let isShrinking = state.takeSize < state.left[me] && flaw != .givesBackWhereItIsGrownAgain
        return isShrinking ? .go("J3a") : .next
      }
      func giveBack(_ state: inout State) {
        let size = state.left[me]
        for cell in Int(size)..<2 * Int(size) { state.cells[cell] = 0 }
        state.left[me] = 0
      }
      func goOn(_ state: State) -> Flow {
        if flaw == .givesBackAfterUnlocking { return .go("T1") }
        return state.head == state.seenTail ? .go("T6") : .go("T2a")
      }
      mortal("J2 its memory goes back") { state in
        giveBack(&state)
        return goOn(state)
      }
      mortal("J3a lock the putters") { state in
        if flaw == .asksWithoutTheirLock { return .next }
        if state.putLock != 0, state.putLock != state.dead { return .blocked }
        state.putLock = key
        return .next
      }
      mortal("J3b are they in a smaller place?") { state in
        if state.putSize < state.left[me] { return .next }
        state.left[me] = 0
        return .go("J3d")
      }
      mortal("J3c its memory goes back") { state in
        giveBack(&state)
        return .next
      }
      mortal("J3d unlock the putters") { state in
        if state.putLock == key { state.putLock = 0 }
        return goOn(state)
      }
      mortal("S1 lock the putters") { state in
        if flaw == .shrinksWithoutTheirLock { return .next }
        if state.putLock != 0, state.putLock != state.dead { return .blocked }
        state.putLock = key
        return .next
      }
      mortal("S2a empty still? a jump") { state in
        if flaw != .shrinksWhatIsNotEmpty, state.tail != state.head {
          if state.putLock == key { state.putLock = 0 }
          return .go("T6")
        }
        state.cells[State.cell(state.tail, state.putSize)] = jump | small
        return .next
      }
      mortal("S2b what the putters have seen") { state in
        if flaw != .shrinksWithoutLooking { state.seenHead = state.head }
        return .next
      }
      mortal("S3a commit") { state in
        state.tail += 1
        state.putSize = small
        return .next
      }
      mortal("S3b unlock the putters") { state in
        if state.putLock == key { state.putLock = 0 }
        return .next
      }
      mortal("S4 seen") { state in
        // What this taker wrote, with nothing that came after it.
        state.seenTail = state.head + 1
        state.seenPuts = state.takes
        return .go("J1")
      }
      mortal("T6 unlock") { state in
        state.takeLock = 0
        return .go("T1")
      }
      program.step("T9 wait for an element") { state in
        if state.head != state.tail { return .go("T1") }
        return state.puts == Self.elements ? .finish : .blocked
      }
    }

    // What a dead taker was about, perhaps nobody has come to finish.
    model.finally("everything is taken, and noted or lost") { state in
      guard state.takes == Self.elements else { return false }
      let known = state.noted + state.lost
      if state.dead != 0, state.takeLock == state.dead { return known + 1 >= state.takes }
      return known == state.takes && state.head == state.tail && state.putSize == state.takeSize
    }
    return model
  }
}
