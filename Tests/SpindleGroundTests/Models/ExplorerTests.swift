import SpindleTestSupport
import Testing

/// The explorer finds what it is for, and does not cry wolf.
@Suite struct ExplorerTests {
  @Test func twoLocksTakenInOppositeOrderAreFoundStuck() throws {
    let failure = try #require(twoLocks(sameOrder: false).explore().failure)
    #expect(failure.kind == .stuck)
    #expect(failure.trace.filter { $0.contains("L1 take the first lock") && !$0.hasPrefix("->") }.count == 2)
    #expect(failure.trace.contains("-> right: L2 take the second lock"))
  }

  @Test func twoLocksTakenInTheSameOrderHold() {
    #expect(twoLocks(sameOrder: true).explore().failure == nil)
  }

  @Test func aLostUpdateIsFoundAsAWrongEnd() throws {
    let failure = try #require(counter(atomic: false).explore().failure)
    #expect(failure.kind == .endedWrong("both increments count"))
  }

  @Test func atomicIncrementsHold() {
    #expect(counter(atomic: true).explore().failure == nil)
  }

  @Test func petersonsLockHoldsWithAFenceOnX86() {
    #expect(peterson(fence: true).explore().failure == nil)
  }

  @Test func petersonsLockIsBrokenWithoutAFenceOnX86() throws {
    let failure = try #require(peterson(fence: false).explore().failure)
    #expect(failure.kind == .violated("one thread at most is inside"))
  }

  @Test func aThreadSeesItsOwnPendingStoresInOrder() {
    var memory = TSOMemory<Flag>()
    memory.store(.left, 1, by: 0)
    memory.store(.right, 2, by: 0)
    memory.store(.left, 3, by: 0)
    #expect(memory.load(.left, by: 0) == 3 && memory.load(.left, by: 1) == 0)
    let flushed = memory.flushOldest(of: 0)
    #expect(flushed && memory.load(.left, by: 0) == 3 && memory.load(.left, by: 1) == 1)
    #expect(!memory.isDrained(0) && memory.isDrained(1))
    #expect(memory.update(.turn, by: 0) { $0 + 1 } == nil)
    #expect(memory.update(.turn, by: 1) { $0 + 1 } == 0)
  }

  @Test func twoPoliteThreadsForEverGivingWayAreFoundTrapped() throws {
    var model = Model("after you", initial: 0)
    model.thread("guest") { program, _ in
      program.step("A1 wait for the door") { $0 == 2 ? .finish : .stay }
    }
    model.thread("host") { program, _ in
      program.action("B1 open the door") { $0 = 1 }
    }
    let failure = try #require(model.explore().failure)
    #expect(failure.kind == .trapped)
  }

  @Test func everyCombinationOfChoicesIsExplored() throws {
    var model = Model("two dice", initial: Cells())
    model.thread("player") { program, _ in
      program.step("D1 throw") { state, choices in
        state[0] = UInt8(choices.pick(of: 6) { "first \($0)" })
        state[1] = UInt8(choices.pick(of: 6) { "second \($0)" })
        return choices.either("the dice fall off the table") ? .blocked : .next
      }
    }
    #expect(model.explore().states == 37)
    model.finally("never two sixes") { $0[0] + $0[1] < 10 }
    let failure = try #require(model.explore().failure)
    #expect(failure.trace.first?.contains("D1 throw (first 5, second 5)") == true)
  }

  @Test func aFailingStepIsReportedWithItsName() throws {
    var model = Model("use after free", initial: false)
    model.thread("owner") { program, _ in program.action("O1 free") { $0 = true } }
    model.thread("user") { program, _ in
      program.step("U1 read") { $0 ? .fail("reads freed memory") : .next }
    }
    let failure = try #require(model.explore().failure)
    #expect(failure.kind == .failed("reads freed memory"))
    #expect(failure.trace.contains("2. user: U1 read"))
  }

  @Test func aBackgroundThreadNeedNotFinish() {
    var model = Model("ticking", initial: UInt8(0))
    model.background("clock") { program, _ in
      program.step("T1 tick") { time in
        time = (time + 1) % 3
        return .stay
      }
    }
    model.thread("sleeper") { program, _ in program.step("S1 wait") { $0 == 2 ? .next : .blocked } }
    let result = model.explore()
    #expect(result.failure == nil && result.states == 6)
  }

  @Test func aModelThatIsTooLargeSaysSo() throws {
    var model = Model("counting", initial: 0)
    model.thread("counter") { program, _ in
      program.step("C1 count") { count in
        count += 1
        return .stay
      }
    }
    #expect(try #require(model.explore(limit: 1000).failure).kind == .tooLarge)
  }

  @Test func aLineKeepsItsOrder() {
    var line = Line()
    for number in 1...8 { line.append(UInt8(number)) }
    #expect(line.remove(8) && line.remove(3) && !line.remove(3))
    line.prepend(9)
    #expect(line.description == "[9, 1, 2, 4, 5, 6, 7]")
    #expect(line.removeFirst() == 9 && line.first == 1 && line.count == 6 && line.contains(7))
  }

  // MARK: The models

  private func twoLocks(sameOrder: Bool) -> Model<Cells> {
    var model = Model("two locks", initial: Cells())
    for (name, first, second) in [("left", 0, 1), ("right", sameOrder ? 0 : 1, sameOrder ? 1 : 0)] {
      model.thread(name) { program, me in
        for (step, lock) in [("L1 take the first lock", first), ("L2 take the second lock", second)] {
          program.step(step) { locks in
            guard locks[lock] == 0 else { return .blocked }
            locks[lock] = UInt8(me + 1)
            return .next
          }
        }
        program.action("L3 let both go") { locks in locks = Cells() }
      }
    }
    return model
  }

  private struct Counter: Hashable {
    var count: UInt8 = 0
    var seen = Cells()
  }

  private func counter(atomic: Bool) -> Model<Counter> {
    var model = Model("counter", initial: Counter())
    model.threads("adder", count: 2) { program, me in
      if atomic {
        program.action("C1 add") { $0.count += 1 }
      } else {
        program.action("C1 read") { $0.seen[me] = $0.count }
        program.action("C2 write") { $0.count = $0.seen[me] + 1 }
      }
    }
    model.finally("both increments count") { $0.count == 2 }
    return model
  }

  private enum Flag: Int { case left, right, turn }

  private struct Peterson: Hashable {
    var memory = TSOMemory<Flag>()
    var inside: UInt8 = 0
  }

  private func peterson(fence: Bool) -> Model<Peterson> {
    var model = Model("Peterson's lock", initial: Peterson())
    model.threads("thread", count: 2) { program, me in
      let (mine, other): (Flag, Flag) = me == 0 ? (.left, .right) : (.right, .left)
      program.action("P1 I want") { $0.memory.store(mine, 1, by: me) }
      program.action("P2 after you") { $0.memory.store(.turn, UInt8(1 - me), by: me) }
      program.step("P3 fence") { !fence || $0.memory.isDrained(me) ? .next : .blocked }
      program.step("P4 does the other want?") { $0.memory.load(other, by: me) == 0 ? .go("P6") : .next }
      program.step("P5 is it the other's turn?") { $0.memory.load(.turn, by: me) == 1 - me ? .go("P4") : .next }
      program.action("P6 enter") { $0.inside += 1 }
      program.action("P7 leave") { $0.inside -= 1 }
      program.action("P8 I am done") { $0.memory.store(mine, 0, by: me) }
      program.step("P9 flushed") { $0.memory.isDrained(me) ? .next : .blocked }
    }
    model.storeBuffers(of: 2) { state, thread in state.memory.flushOldest(of: thread) }
    model.always("one thread at most is inside") { $0.inside <= 1 }
    return model
  }
}
