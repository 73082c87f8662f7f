import SpindleTestSupport
import Testing

/// The lock-free ring of a bounded queue (`Slots`): every access to shared memory is a step.
///
///     producer                                     consumer
///     P1 load tail                                 C1 load head
///     P2 slot empty in this lap? else P7           C2 slot full in this lap? else C7
///     P3 claim: tail += 1 if it is still that      C3 claim: head += 1 if it is still that
///     P4 write the element                         C4 move the element out
///     P5 stamp = full in this lap                  C5 stamp = empty in the next lap
///     P7 load head                                 C7 load tail; equal: empty
///     P8 tail moved, or slot empty: P1;            C8 head moved, or slot full: C1; else spin
///        head a lap behind: full; else spin
///
/// Proved: an element is taken once, in the order of the claims, never before it was written nor after it was
/// overwritten; "full" and "empty" are only said when they were true at one moment within the call.
@Suite(.watchdog(seconds: 120)) struct SlotsModelTests {
  @Test(arguments: [1, 2]) func elementsLeaveOnceAndInOrder(_ capacity: Int) {
    let result = model(capacity: capacity, flaw: nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(capacity: flaw.capacity, flaw: flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// P5 before P4.
    case publishesBeforeItWrites
    /// C5 before C4.
    case freesBeforeItMovesOut
    /// P3 and C3 do not ask whether the position is still the same.
    case claimsWithoutAsking
    /// The stamp does not say which lap.
    case stampsWithoutLap
    /// P8 says "full" whenever the slot is not empty, though a consumer may be between C3 and C5.
    case fullWhileBeingEmptied

    var capacity: Int { self == .stampsWithoutLap ? 2 : 1 }
  }

  struct State: Hashable {
    var tail: UInt8 = 0
    var head: UInt8 = 0
    /// Per slot: 2 * lap, + 1 when full.
    var stamps = Cells()
    var values = Cells()
    /// Elements in the order of their claims, and how many have been claimed by consumers: not in the code.
    var order = Line()
    /// What a thread remembers: the position, the other position, and what it holds.
    var position = Cells()
    var other = Cells()
    var held = Cells()
    /// Whether the queue was not full (not empty) at every moment since P1 (C1): then it must not say that it is.
    var neverFull = Cells()
    var consumed: UInt8 = 0
  }

  private func model(capacity: Int, flaw: Flaw?) -> Model<State> {
    var model = Model("slots, capacity \(capacity)", initial: State())
    let size = UInt8(capacity)
    let total: UInt8 = 3
    func stamp(_ position: UInt8, full: Bool) -> UInt8 {
      (flaw == .stampsWithoutLap ? 0 : position / size * 2) + (full ? 1 : 0)
    }
    func slot(_ position: UInt8) -> Int { Int(position % size) }
    /// Called after every change of a position.
    func note(_ state: inout State) {
      for thread in 0..<4 where state.tail - state.head == (thread < 2 ? size : 0) { state.neverFull[thread] = 0 }
    }

    model.threads("producer", count: 2) { program, me in
      program.step("P1 load tail") { state in
        if state.held[me] == 2 - me { return .finish }
        state.position[me] = state.tail
        state.neverFull[me] = state.tail - state.head == size ? 0 : 1
        return .next
      }
      program.step("P2 slot empty in this lap?") { state in
        let position = state.position[me]
        return state.stamps[slot(position)] == stamp(position, full: false) ? .next : .go("P7")
      }
      program.step("P3 claim") { state in
        guard state.tail == state.position[me] || flaw == .claimsWithoutAsking else { return .go("P1") }
        state.tail = state.position[me] + 1
        state.held[me] += 1
        state.order.append(UInt8(me) * 2 + state.held[me])
        note(&state)
        return flaw == .publishesBeforeItWrites ? .go("P5") : .next
      }
      program.step("P4 write") { state in
        state.values[slot(state.position[me])] = UInt8(me) * 2 + state.held[me]
        return flaw == .publishesBeforeItWrites ? .go("P1") : .next
      }
      program.step("P5 publish") { state in
        state.stamps[slot(state.position[me])] = stamp(state.position[me], full: true)
        return flaw == .publishesBeforeItWrites ? .go("P4") : .go("P1")
      }
      program.action("P7 load head") { $0.other[me] = $0.head }
      program.step("P8 full?") { state in
        let position = state.position[me]
        if flaw != .fullWhileBeingEmptied {
          if state.tail != position || state.stamps[slot(position)] == stamp(position, full: false) { return .go("P1") }
          if state.other[me] + size != position { return .go("P7") }
        }
        if state.neverFull[me] == 1 { return .fail("says that the queue is full, and it never was") }
        return .go("P1")
      }
    }
    model.threads("consumer", count: 2) { program, me in
      program.step("C1 load head") { state in
        if state.consumed == total { return .finish }
        state.position[me] = state.head
        state.neverFull[me] = state.tail == state.head ? 0 : 1
        return .next
      }
      program.step("C2 slot full in this lap?") { state in
        let position = state.position[me]
        return state.stamps[slot(position)] == stamp(position, full: true) ? .next : .go("C7")
      }
      program.step("C3 claim") { state in
        guard state.head == state.position[me] || flaw == .claimsWithoutAsking else { return .go("C1") }
        state.head = state.position[me] + 1
        if state.head > state.tail { return .fail("takes what was not put") }
        state.consumed += 1
        note(&state)
        return flaw == .freesBeforeItMovesOut ? .go("C5") : .next
      }
      program.step("C4 move out") { state in
        let position = state.position[me]
        if state.values[slot(position)] != state.order[Int(position)] { return .fail("takes a wrong element") }
        state.values[slot(position)] = 0
        return flaw == .freesBeforeItMovesOut ? .go("C1") : .next
      }
      program.step("C5 free the slot") { state in
        state.stamps[slot(state.position[me])] = stamp(state.position[me] + size, full: false)
        return flaw == .freesBeforeItMovesOut ? .go("C4") : .go("C1")
      }
      program.step("C7 load tail: empty?") { state in
        if state.tail != state.position[me] { return .next }
        if state.neverFull[me] == 1 { return .fail("says that the queue is empty, and it never was") }
        return .go("C1")
      }
      program.step("C8 spin") { state in
        let position = state.position[me]
        let isReady = state.head != position || state.stamps[slot(position)] == stamp(position, full: true)
        return isReady ? .go("C1") : .blocked
      }
    }
    model.finally("everything was taken") { $0.consumed == total && $0.head == total && $0.tail == total }
    return model
  }
}
