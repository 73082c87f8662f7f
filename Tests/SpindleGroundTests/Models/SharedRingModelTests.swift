import SpindleTestSupport
import Testing

/// `SharedRing`: two putters and two takers, any one of whom may be killed between any two steps. The locks are words that
/// are taken over from the dead: `OwnedWordModelTests`.
///
///     putter                                      taker
///     P1 lock                                     T1 lock; taken over: mend (M)
///     P2 room, by what was last seen, else look   T2 an element, by what was last seen, else look; read it
///        and write the record
///     P3 tail and puts to the copy not valid      T3 head and takes to the copy not valid
///     P4 commit                                   T4 commit
///     P5 unlock                                   T5 note who took it
///                                                 T6 unlock
@Suite(.watchdog(seconds: 240)) struct SharedRingModelTests {
  @Test func everyElementLeavesOnceWholeAndInOrderWhoeverIsKilled() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// P3 writes the copy that is valid.
    case writesInPlace
    /// P2's record comes after P4.
    case commitsBeforeTheRecord
    /// T2 reads after T4.
    case givesRoomBeforeItReads
    /// M does not look at the putters again: of what was last seen one word may be older than the other.
    case mendsNothingSeen
    /// M does not count what was taken and not noted.
    case doesNotReconcile
    /// T5 comes before T4.
    case notesFirst
  }

  struct State: Hashable {
    /// 0 free; else the key of the holder.
    var putLock: UInt8 = 0
    var takeLock: UInt8 = 0
    var dead: UInt8 = 0
    /// Two records.
    var ring = Cells()
    /// By copy.
    var tail = Cells()
    var puts = Cells()
    var putCommit: UInt8 = 0
    var head = Cells()
    var takes = Cells()
    var takeCommit: UInt8 = 0
    var seenHead: UInt8 = 0
    var seenTail: UInt8 = 0
    var seenPuts: UInt8 = 0
    var noted: UInt8 = 0
    var lost: UInt8 = 0
    /// How many each putter has put; how many putters are not done.
    var made = Cells()
    var working: UInt8 = 2
    /// What a taker looked at.
    var looked = Cells()

    var putCopy: Int { Int(putCommit & 1) }
    var takeCopy: Int { Int(takeCommit & 1) }
    var isEmpty: Bool { head[takeCopy] == tail[putCopy] }
    var isFull: Bool { tail[putCopy] &- head[takeCopy] == 2 }
  }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("shared ring", initial: State())

    /// A step before which its process may be killed.
    func mortal(
      _ program: inout Program<State>, _ key: UInt8, _ name: String, _ body: @escaping (inout State) -> Flow
    ) {
      program.step(name) { state, choices in
        if state.dead == 0, choices.either("killed") {
          state.dead = key
          if key <= 2 { state.working -= 1 }
          return .finish
        }
        return body(&state)
      }
    }

    model.threads("putter", count: 2) { program, me in
      let key = UInt8(1 + me)
      mortal(&program, key, "P1 lock") { state in
        if state.putLock != 0, state.putLock != state.dead { return .blocked }
        state.putLock = key
        return .next
      }
      mortal(&program, key, "P2a room?") { state in
        let copy = state.putCopy
        if state.tail[copy] != state.puts[copy] { return .fail("the putters' words differ under their lock") }
        if state.tail[copy] - state.seenHead == 2 {
          state.seenHead = state.head[state.takeCopy]
          if state.isFull {
            state.putLock = 0
            return .go("P9")
          }
        }
        return flaw == .commitsBeforeTheRecord ? .go("P3a") : .next
      }
      mortal(&program, key, "P2b the record") { state in
        let place = flaw == .commitsBeforeTheRecord ? state.tail[state.putCopy] - 1 : state.tail[state.putCopy]
        state.ring[Int(place & 1)] = place + 1
        return flaw == .commitsBeforeTheRecord ? .go("P5") : .next
      }
      mortal(&program, key, "P3a tail") { state in
        let tail = state.tail[state.putCopy] + 1
        state.tail[flaw == .writesInPlace ? state.putCopy : 1 - state.putCopy] = tail
        return .next
      }
      mortal(&program, key, "P3b puts") { state in
        let puts = state.puts[state.putCopy] + 1
        state.puts[flaw == .writesInPlace ? state.putCopy : 1 - state.putCopy] = puts
        return flaw == .writesInPlace ? .go("P5") : .next
      }
      mortal(&program, key, "P4 commit") { state in
        state.putCommit += 1
        return flaw == .commitsBeforeTheRecord ? .go("P2b") : .next
      }
      mortal(&program, key, "P5 unlock") { state in
        state.putLock = 0
        state.made[me] += 1
        if state.made[me] < 2 { return .go("P1") }
        state.working -= 1
        return .finish
      }
      program.step("P9 wait for room") { state in state.isFull ? .blocked : .go("P1") }
    }

    model.threads("taker", count: 2) { program, me in
      let key = UInt8(3 + me)
      mortal(&program, key, "T1 lock") { state in
        if state.takeLock == 0 {
          state.takeLock = key
          return .go("T2a")
        }
        guard state.takeLock == state.dead else { return .blocked }
        state.takeLock = key
        return .next
      }
      mortal(&program, key, "M mend") { state in
        if flaw != .mendsNothingSeen {
          state.seenTail = state.tail[state.putCopy]
          state.seenPuts = state.puts[state.putCopy]
        }
        let known = state.noted + state.lost, takes = state.takes[state.takeCopy]
        if flaw != .doesNotReconcile, takes > known { state.lost += takes - known }
        return .next
      }
      mortal(&program, key, "T2a an element?") { state in
        if state.head[state.takeCopy] != state.seenTail { return .go("T2c") }
        state.looked[me] = state.puts[state.putCopy]
        state.seenTail = state.tail[state.putCopy]
        return .next
      }
      mortal(&program, key, "T2b the second word seen") { state in
        state.seenPuts = state.looked[me]
        if state.head[state.takeCopy] != state.seenTail { return .next }
        state.takeLock = 0
        return .go("T9")
      }
      mortal(&program, key, "T2c read") { state in
        let copy = state.takeCopy
        // With that flaw it comes here twice: before the commit, and to read after it.
        let isLate = flaw == .givesRoomBeforeItReads && state.looked[me] == 0xFF
        if isLate || flaw != .givesRoomBeforeItReads {
          let head = isLate ? state.head[copy] - 1 : state.head[copy]
          if state.ring[Int(head & 1)] != head + 1 { return .fail("another element than was due") }
          if isLate { return .go("T5") }
        }
        if state.head[copy] != state.takes[copy] { return .fail("the takers' words differ under their lock") }
        if (state.head[copy] + 1 == state.seenTail) != (state.takes[copy] + 1 == state.seenPuts) {
          return .fail("it counts other elements than it holds")
        }
        return flaw == .notesFirst ? .go("T5") : .next
      }
      mortal(&program, key, "T3a head") { state in
        state.head[1 - state.takeCopy] = state.head[state.takeCopy] + 1
        return .next
      }
      mortal(&program, key, "T3b takes") { state in
        state.takes[1 - state.takeCopy] = state.takes[state.takeCopy] + 1
        return .next
      }
      mortal(&program, key, "T4 commit") { state in
        state.takeCommit += 1
        if flaw == .givesRoomBeforeItReads {
          state.looked[me] = 0xFF
          return .go("T2c")
        }
        return flaw == .notesFirst ? .go("T6") : .next
      }
      mortal(&program, key, "T5 note") { state in
        state.noted += 1
        return flaw == .notesFirst ? .go("T3a") : .next
      }
      mortal(&program, key, "T6 unlock") { state in
        state.looked[me] = 0
        state.takeLock = 0
        return .go("T1")
      }
      program.step("T9 wait for an element") { state in
        if !state.isEmpty { return .go("T1") }
        return state.working == 0 ? .finish : .blocked
      }
    }

    model.finally("everything is taken, and noted or lost") { state in
      guard state.isEmpty else { return false }
      let takes = state.takes[state.takeCopy]
      if state.dead != 0, state.takeLock == state.dead { return state.noted + state.lost + 1 >= takes }
      return state.noted + state.lost == takes && state.lost <= 1
    }
    return model
  }
}
