import SpindleTestSupport
import Testing

/// `ReaderLanes`: readers, one of which reads again while it reads, and may leave by another lane than they came by; one that gives the
/// lock its lanes; writers. The steps are those beside the code; L is what a thread does first: look whether there are lanes.
///
/// That who sleeps on the bit is woken is the protocol of `ReadWriteLock` (`ReadWriteModelTests`); here they are blocked until it is
/// cleared. The writer that waits for readers to leave sleeps on a spot of its own: D1 it is listed, D2 it adds up again, D3 it sleeps.
@Suite(.watchdog(seconds: 240)) struct ReaderLanesModelTests {
  @Test(arguments: Scene.allCases) func writersAreAloneAndNobodyIsLeftBehind(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two readers and a writer, with lanes from the start.
    case spread
    /// A reader that reads again, and a writer.
    case recursive
    /// A reader that gives the lock lanes, another reader and a writer, who may not have seen them.
    case spreading
    case twoWriters

    var readers: Int { self == .recursive || self == .twoWriters ? 1 : 2 }
    var writers: Int { self == .twoWriters ? 2 : 1 }
    var isSpread: Bool { self != .spreading }
  }

  enum Flaw: CaseIterable {
    /// R2 comes before R1.
    case looksBeforeItCounts
    /// R4 wakes nobody.
    case leavesSilently
    /// R3 takes from the lane of the processor it is on by then.
    case takesBackElsewhere
    /// D2 is missing.
    case sleepsWithoutALook
    /// X3 does not add up again.
    case writesWithoutALook
    /// Who reads again looks for `writer`.
    case waitsForItsWaiter
    /// Who gives the lock lanes does not read it.
    case spreadsFromOutside
    /// X1 takes a lock whose state is not 0 without having seen lanes.
    case ignoresTheState

    var scene: Scene {
      switch self {
      case .looksBeforeItCounts, .leavesSilently, .takesBackElsewhere, .sleepsWithoutALook: .spread
      case .writesWithoutALook, .waitsForItsWaiter: .recursive
      case .spreadsFromOutside, .ignoresTheState: .spreading
      }
    }
  }

  struct State: Hashable {
    var hasWriter = false
    var isWriting = false
    var inState: UInt8 = 0
    /// Each begins at 8, so that it can fall.
    var lanes = Cells(8, 8)
    var hasLanes = false
    var isListed = false
    var isWoken = false
    /// By thread: whether it saw lanes; its lane; how often it reads; what it has added up, from 16 for nothing.
    var saw = Cells()
    var lane = Cells()
    var depth = Cells()
    var sum = Cells()
    var writing: UInt8 = 0
    var reading: UInt8 = 0

    mutating func wakeDrain() { if isListed { isWoken = true } }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var initial = State()
    initial.hasLanes = scene.isSpread
    if scene.isSpread {
      // Of the reader that gave the lock its lanes.
      initial.inState = 1
      initial.lanes[0] = 7
    }
    var model = Model("reader lanes, \(scene)", initial: initial)

    func enter(_ program: inout Program<State>, _ me: Int) {
      program.step("L lanes?") { state, choices in
        state.saw[me] = state.hasLanes ? 1 : 0
        state.lane[me] = choices.either("other lane") ? 1 : 0
        if state.saw[me] == 1 { return .go(flaw == .looksBeforeItCounts ? "R2" : "R0") }
        // By the state alone, in one step; unless there is a writer.
        if state.hasWriter { return .blocked }
        state.inState += 1
        return .go("R")
      }
      program.step("R0 the bit?") { state in
        let isShut = state.depth[me] > 0 && flaw != .waitsForItsWaiter ? state.isWriting : state.hasWriter
        return isShut ? .blocked : .next
      }
      program.step("R1 count") { state in
        state.lanes[Int(state.lane[me])] += 1
        return flaw == .looksBeforeItCounts ? .go("R") : .next
      }
      program.step("R2 the bit?") { state in
        let isShut = state.depth[me] > 0 && flaw != .waitsForItsWaiter ? state.isWriting : state.hasWriter
        if flaw == .looksBeforeItCounts { return isShut ? .blocked : .go("R1") }
        return .go(isShut ? "R3" : "R")
      }
      program.step("R3 take back") { state, choices in
        let lane = flaw == .takesBackElsewhere && choices.either("moved") ? 1 - state.lane[me] : state.lane[me]
        state.lanes[Int(lane)] -= 1
        return .next
      }
      program.step("R3b wake") { state in
        state.wakeDrain()
        return .go("L")
      }
    }

    model.threads("reader", count: scene.readers) { program, me in
      enter(&program, me)
      program.step("R read") { state in
        state.depth[me] += 1
        state.reading += 1
        if scene == .recursive, state.depth[me] < 2 { return .go("L") }
        return scene == .spreading && me == 0 && !state.hasLanes ? .next : .go("R4")
      }
      program.step("S1 publish") { state in
        if flaw != .spreadsFromOutside { state.hasLanes = true }
        return .next
      }
      program.step("R4 lanes?") { state in
        state.reading -= 1
        state.depth[me] -= 1
        return .go(state.hasLanes ? "R5" : "R7")
      }
      program.step("R5 leave, by either lane") { state, choices in
        state.lanes[choices.pick(of: 2) { "lane \($0)" }] -= 1
        return .next
      }
      program.step("R6 wake") { state in
        if flaw != .leavesSilently { state.wakeDrain() }
        return state.depth[me] > 0 ? .go("R4") : .finish
      }
      program.step("R7 leave the state") { state in
        state.inState -= 1
        return .next
      }
      program.step("R8 wake") { state in
        state.wakeDrain()
        if flaw == .spreadsFromOutside, scene == .spreading, me == 0 { state.hasLanes = true }
        return .finish
      }
    }

    model.threads("writer", count: scene.writers) { program, me in
      func addUp(_ name: String, none: @escaping (inout State) -> Flow, some: @escaping (inout State) -> Flow) {
        program.step("\(name)a state") { state in
          state.sum[me] = 16 + state.inState
          return .next
        }
        program.step("\(name)b lane 0") { state in
          state.sum[me] = state.sum[me] + state.lanes[0] - 8
          return .next
        }
        program.step("\(name)c lane 1") { state in
          state.sum[me] = state.sum[me] + state.lanes[1] - 8
          return state.sum[me] <= 16 ? none(&state) : some(&state)
        }
      }
      program.step("X0 lanes?") { state in
        state.saw[me] = state.hasLanes ? 1 : 0
        return .next
      }
      program.step("X1 the bit") { state in
        if state.hasWriter { return .blocked }
        if state.saw[me] == 0 {
          if state.inState != 0, flaw != .ignoresTheState {
            // Woken by who leaves the state, or gives the lock lanes.
            if state.hasLanes { return .go("X0") }
            return .blocked
          }
          (state.hasWriter, state.isWriting) = (true, true)
          return .go("X4")
        }
        state.hasWriter = true
        return .next
      }
      addUp("X2", none: { _ in .go("X3") }, some: { _ in .next })
      program.step("D1 list") { state in
        state.isListed = true
        state.isWoken = false
        return flaw == .sleepsWithoutALook ? .go("D3") : .next
      }
      addUp(
        "D2",
        none: { state in
          state.isListed = false
          return .go("X3")
        }, some: { _ in .next })
      program.step("D3 sleep") { state in
        guard state.isWoken else { return .blocked }
        state.isListed = false
        return .go("X2a")
      }
      program.step("X3 writing") { state in
        state.isWriting = true
        return flaw == .writesWithoutALook ? .go("X4") : .next
      }
      addUp("X3b", none: { $0.sum[me] < 16 ? .fail("fewer than none") : .go("X4") }, some: { _ in .next })
      program.step("X3c take back") { state in
        state.isWriting = false
        return .go("X2a")
      }
      program.step("X4 write") { state in
        state.writing += 1
        return .next
      }
      program.step("X5 clear") { state in
        state.writing -= 1
        (state.hasWriter, state.isWriting) = (false, false)
        return .finish
      }
    }
    model.always("a writer is alone") { $0.writing == 0 || $0.writing == 1 && $0.reading == 0 }
    model.finally("nobody is counted") { state in
      !state.hasWriter && !state.isListed
        && Int(state.inState) + Int(state.lanes[0]) + Int(state.lanes[1]) == 16
    }
    return model
  }
}
