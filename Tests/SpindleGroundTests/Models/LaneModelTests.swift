import SpindleTestSupport
import Testing

/// The deque of a worker's forked jobs (`Lane`): the owner pushes and pops at the bottom, two thieves steal at the top.
/// Memory as on x86: a plain store waits in a buffer. The buffer of items has two places, so that places are used again.
@Suite(.watchdog(seconds: 120)) struct LaneModelTests {
  @Test func everyJobIsHadOnce() {
    let result = model(nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Flaw: CaseIterable {
    /// Q1 is a plain store: the load of Q2 may overtake it.
    case lowersTheBottomWithoutFence
    /// Q4 takes the last item without an exchange.
    case takesTheLastWithoutExchange
    /// T4 writes the top without looking at what it is.
    case stealsWithoutExchange
    /// T2 before T1.
    case looksAtTheBottomFirst
    /// The owner does not look whether there is room.
    case overwrites
    /// Q4 leaves the bottom below the top when the item was stolen.
    case leavesTheBottom
  }

  private enum Word: Int { case top, bottom, item0, item1 }
  private static let jobs: UInt8 = 3
  private static let room: UInt8 = 2

  private struct State: Hashable {
    var memory = TSOMemory<Word>()
    /// What each thread has read.
    var top = Cells()
    var bottom = Cells()
    var item = Cells()
    /// How often each job was had. Job numbers begin at 1.
    var had = Cells()
    var pushed: UInt8 = 0
    /// Positions begin at 1, so that the bottom may be lowered below the first.
    init() {
      _ = memory.update(.top, by: 0) { _ in 1 }
      _ = memory.update(.bottom, by: 0) { _ in 1 }
    }
  }

  private static func place(_ index: UInt8) -> Word { index % room == 0 ? .item0 : .item1 }

  private func model(_ flaw: Flaw?) -> Model<State> {
    var model = Model("lane", initial: State())
    model.thread("owner") { program, me in
      program.step("P0 read the top, or pop when there is no room") { state in
        if state.pushed == Self.jobs { return .go("Q1") }
        let used = state.memory.load(.bottom, by: me) &- state.memory.load(.top, by: me)
        return used < Self.room || flaw == .overwrites ? .next : .go("Q1")
      }
      program.action("P1 store the item") { state in
        state.pushed += 1
        state.memory.store(Self.place(state.memory.load(.bottom, by: me)), state.pushed, by: me)
      }
      program.step("P2 raise the bottom, go on or pop") { state, choices in
        state.memory.store(.bottom, state.memory.load(.bottom, by: me) + 1, by: me)
        return choices.either("pops") ? .next : .go("P0")
      }
      program.step("Q1 lower the bottom") { state in
        if state.memory.load(.bottom, by: me) == 0 { return .fail("the bottom falls and falls") }
        let bottom = state.memory.load(.bottom, by: me) - 1
        state.bottom[me] = bottom
        if flaw == .lowersTheBottomWithoutFence {
          state.memory.store(.bottom, bottom, by: me)
        } else if state.memory.update(.bottom, by: me, { _ in bottom }) == nil {
          return .blocked
        }
        return .next
      }
      program.step("Q2 read the top") { state in
        state.top[me] = state.memory.load(.top, by: me)
        return state.top[me] < state.bottom[me] ? .next : .go("Q4")
      }
      program.step("Q3 ours") { state in
        let item = state.memory.load(Self.place(state.bottom[me]), by: me)
        state.had[Int(item)] += 1
        return .go("E")
      }
      program.step("Q4 the last: as a thief") { state in
        let item = state.memory.load(Self.place(state.bottom[me]), by: me)
        if flaw == .takesTheLastWithoutExchange {
          if state.top[me] == state.bottom[me] {
            state.had[Int(item)] += 1
            state.memory.store(.top, state.top[me] + 1, by: me)
          }
          return .next
        }
        guard state.memory.isDrained(me) else { return .blocked }
        if state.top[me] == state.bottom[me], state.memory[.top] == state.top[me] {
          _ = state.memory.update(.top, by: me) { $0 + 1 }
          state.had[Int(item)] += 1
        }
        return .next
      }
      program.action("Q5 the bottom back") { state in
        if flaw != .leavesTheBottom { state.memory.store(.bottom, state.bottom[me] + 1, by: me) }
      }
      program.step("E all pushed, and nothing left?") { state in
        let isEmpty = state.memory.load(.top, by: me) >= state.memory.load(.bottom, by: me)
        return state.pushed == Self.jobs && isEmpty ? .finish : .go("P0")
      }
    }
    for number in 1...2 {
      model.background("thief \(number)") { program, me in
        program.action("T1 read the top") { state in
          if flaw == .looksAtTheBottomFirst {
            state.bottom[me] = state.memory.load(.bottom, by: me)
          } else {
            state.top[me] = state.memory.load(.top, by: me)
          }
        }
        program.step("T2 read the bottom") { state in
          if flaw == .looksAtTheBottomFirst {
            state.top[me] = state.memory.load(.top, by: me)
          } else {
            state.bottom[me] = state.memory.load(.bottom, by: me)
          }
          return state.top[me] < state.bottom[me] ? .next : .go("T1")
        }
        program.action("T3 read the item") { $0.item[me] = $0.memory.load(Self.place($0.top[me]), by: me) }
        program.step("T4 raise the top") { state in
          if flaw != .stealsWithoutExchange, state.memory[.top] != state.top[me] { return .go("T1") }
          let next = state.top[me] &+ 1
          guard state.memory.update(.top, by: me, { _ in next }) != nil else { return .blocked }
          state.had[Int(state.item[me])] += 1
          return .go("T1")
        }
      }
    }
    model.storeBuffers(of: 3) { state, thread in state.memory.flushOldest(of: thread) }
    model.always("no job is had twice, and none is had that was not pushed") { state in
      state.had[0] == 0 && (1...Self.jobs).allSatisfy { state.had[Int($0)] <= 1 }
    }
    model.finally("every job is had") { state in (1...Self.jobs).allSatisfy { state.had[Int($0)] == 1 } }
    return model
  }
}
