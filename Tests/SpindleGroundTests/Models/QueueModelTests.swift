import SpindleTestSupport
import Testing

/// A bounded queue with those who wait for it: put, get, `taskDone`, `join`, and both forms of `shutdown`.
///
///     put                                   get
///     P  wait on `room` for the attempt:    C  wait on `elements` for the attempt:
///        shut: refused                         empty: shut ? refused : wait
///        full: wait                            the element is being put: spin
///        being emptied: spin                   claim the place (C3)
///        claim the place (P3)               C5 free the place
///     P5 publish                            C6 wake one on `room`
///     P6 wake one on `elements`             D1 taskDone: done += 1
///                                           D2 all done: wake all on `allDone`
///     shutdown                              join
///     X1 set the mark                       J  wait on `allDone` until done == puts
///     X2 immediate: take what is left, count it as done
///     X3 wake all on `allDone`, `elements`, `room`
///
/// The places are those of `SlotsModelTests`; an attempt is one step here, because its claim decides everything.
@Suite(.watchdog(seconds: 120)) struct QueueModelTests {
  @Test(arguments: Scene.allCases) func everyElementHasOneEndAndNobodyIsLeftBehind(_ scene: Scene) {
    let result = model(scene, flaw: nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw: flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two put, two get, one of them not for long; who gave up makes room for nobody and takes from nobody.
    case timedGet
    /// Two put more than fits in, one gets all.
    case full
    /// Two put more than fits in, one gets until it is refused, one shuts down at any time.
    case graceful
    /// The same, what is left is thrown away, and one waits until all is done.
    case immediate
  }

  enum Flaw: CaseIterable {
    /// P6 before P3.
    case wakesBeforeItPuts
    /// An attempt that meets a place between P3 and P5 says "empty" instead of spinning.
    case emptyWhileBeingPut
    /// C6 is missing.
    case getMakesRoomSilently
    /// X3 wakes one on each spot.
    case shutdownWakesOne
    /// X3 comes before X1.
    case wakesBeforeItShutsDown
    /// X2 does not count what it throws away as done.
    case thrownAwayIsNotDone
    /// D2 is missing.
    case taskDoneWakesNobody

    var scene: Scene {
      switch self {
      case .wakesBeforeItPuts, .emptyWhileBeingPut: .timedGet
      case .getMakesRoomSilently: .full
      case .shutdownWakesOne, .wakesBeforeItShutsDown, .thrownAwayIsNotDone, .taskDoneWakesNobody: .immediate
      }
    }
  }

  struct State: Hashable {
    var elements = Spot()
    var room = Spot()
    var allDone = Spot()
    /// Claimed by puts and by gets.
    var tail: UInt8 = 0
    var head: UInt8 = 0
    /// A bit for each position: put and published; got and freed.
    var full: UInt8 = 0
    var freed: UInt8 = 0
    var isShut = false
    var done: UInt8 = 0
    /// What each thread holds: 1 + a position, or 0 after a refusal; and how much it has done.
    var place = Cells()
    var count = Cells()
  }

  private func model(_ scene: Scene, flaw: Flaw?) -> Model<State> {
    var model = Model("queue, \(scene)", initial: State())
    let capacity: UInt8 = scene == .timedGet ? 2 : 1
    let elements = SpotSteps<State>(spot: \.elements, prefix: "e")
    let room = SpotSteps<State>(spot: \.room, prefix: "r")
    let allDone = SpotSteps<State>(spot: \.allDone, prefix: "d")

    func put(_ state: inout State, _ me: Int) -> Bool? {
      state.place[me] = 0
      if state.isShut { return true }
      if state.tail - state.head == capacity { return false }
      if state.tail >= capacity, state.freed & 1 << (state.tail - capacity) == 0 { return nil }
      state.place[me] = state.tail + 1
      state.tail += 1
      return true
    }
    func get(_ state: inout State, _ me: Int) -> Bool? {
      state.place[me] = 0
      if state.head == state.tail { return state.isShut }
      if state.full & 1 << state.head == 0 { return flaw == .emptyWhileBeingPut ? false : nil }
      state.place[me] = state.head + 1
      state.head += 1
      return true
    }
    model.threads("producer", count: 2) { program, me in
      let puts: UInt8 = scene == .timedGet ? 1 : UInt8(2 - me)
      if flaw == .wakesBeforeItPuts { elements.wake(&program, me, "early", count: 1, next: "rS2") }
      room.wait(&program, me, success: "P5") { put(&$0, me) }
      program.step("P5 publish") { state in
        if state.place[me] == 0 { return .finish }
        state.full |= 1 << (state.place[me] - 1)
        state.count[me] += 1
        return flaw == .wakesBeforeItPuts ? .go("P7") : .next
      }
      elements.wake(&program, me, "P6", count: 1, next: "P7")
      program.step("P7 again") { state in state.count[me] < puts ? .go("rS2") : .finish }
    }
    let getters = scene == .timedGet ? 2 : 1
    model.threads("consumer", count: getters) { program, me in
      let isTimed = scene == .timedGet && me == 3
      elements.wait(&program, me, isTimed: isTimed, success: "C5", failure: "C9") { get(&$0, me) }
      program.step("C5 free the place") { state in
        if state.place[me] == 0 { return .finish }
        state.freed |= 1 << (state.place[me] - 1)
        return flaw == .getMakesRoomSilently ? .go("D1") : .next
      }
      room.wake(&program, me, "C6", count: 1, next: "D1")
      program.step("D1 taskDone") { state in
        state.done += 1
        return state.done == state.tail && flaw != .taskDoneWakesNobody ? .next : .go("C8")
      }
      allDone.wake(&program, me, "D2", count: 8, next: "C8")
      program.step("C8 again") { state in
        state.count[me] += 1
        let wanted: UInt8 = scene == .timedGet ? 1 : scene == .full ? 3 : .max
        return state.count[me] == wanted ? .finish : .go("eS2")
      }
      program.step("C9 gave up") { _ in .finish }
    }
    if scene == .graceful || scene == .immediate {
      model.thread("closer") { program, me in
        func wakeThem(_ next: String) {
          let count = flaw == .shutdownWakesOne ? 1 : 8
          allDone.wake(&program, me, "X3a", count: count, next: "eX3b2")
          elements.wake(&program, me, "X3b", count: count, next: "rX3c2")
          room.wake(&program, me, "X3c", count: count, next: next)
        }
        if flaw == .wakesBeforeItShutsDown { wakeThem("X1") }
        program.step("X1 shut") { state in
          state.isShut = true
          return scene == .immediate ? .next : .go("X2b")
        }
        program.step("X2 throw one away") { state in
          if state.head == state.tail { return .next }
          if state.full & 1 << state.head == 0 { return .blocked }
          state.freed |= 1 << state.head
          state.head += 1
          state.count[me] += 1
          return .stay
        }
        program.step("X2b count them as done") { state in
          if flaw != .thrownAwayIsNotDone { state.done += state.count[me] }
          return flaw == .wakesBeforeItShutsDown ? .finish : .next
        }
        if flaw != .wakesBeforeItShutsDown { wakeThem("X4") }
        program.step("X4 end") { _ in .finish }
      }
    }
    if scene == .immediate {
      model.thread("joiner") { program, me in
        allDone.wait(&program, me, success: "J2") { $0.done == $0.tail }
        program.step("J2 joined") { _ in .finish }
      }
    }
    model.always("positions make sense") { $0.head <= $0.tail && $0.tail - $0.head <= capacity && $0.done <= $0.head }
    model.finally("every element put is still there or was taken once") { state in
      state.full == 1 << state.tail - 1 && state.freed == 1 << state.head - 1
    }
    model.finally("nobody is left behind") { $0.elements.isQuiet && $0.room.isQuiet && $0.allDone.isQuiet }
    if scene != .timedGet { model.finally("all is done") { $0.done == $0.tail && $0.head == $0.tail } }
    return model
  }
}
