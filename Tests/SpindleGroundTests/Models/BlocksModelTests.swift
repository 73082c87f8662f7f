import SpindleTestSupport
import Testing

/// The chain of blocks of a queue without a bound, with blocks of two slots, which are used again.
///
///     producer                                      consumer
///     P1 load tail; at the end of a block: wait     C1 load head; at the end of a block: wait
///     P2 load the tail's block                      C2 load the head's block
///     P3 claim: tail += 1                           C3 a head below the horizon: C4. Else b load tail;
///                                                      the same: empty; c horizon = tail
///     P4 the last slot of a block:                  C4 claim: head += 1
///        a make the next block                      C5 the last slot of a block: wait for the next block;
///        b tailBlock = it                              b headBlock = it
///        c tail += 1                                   c head += 1
///        d link it                                  C6 wait until the slot is full, move out, C7 it is read
///     P5 write, P6 the slot is full                 C9 after C5: take all that are retired; for this block and each
///                                                      of them: all its slots read? empty it, it is the spare one
///                                                      (the spare before it is freed); else it is retired again
///
/// P5 and P6 are one step, and C6 and C7: the explorer cares who is between the claim and that step. There is one place for a spare block;
/// the code has more of them, each by itself, and a surplus: `SpareBlocksModelTests`.
@Suite(.watchdog(seconds: 120)) struct BlocksModelTests {
  @Test(arguments: Scene.allCases) func eachElementIsTakenOnceAndNoBlockIsTouchedAfterItsEnd(_ scene: Scene) {
    let result = model(scene, nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  enum Scene: CaseIterable {
    /// Two put two each, two take; the first block has one slot left.
    case twoAndTwo
    /// One puts five in three blocks; two take.
    case threeBlocks

    var elements: UInt8 { self == .twoAndTwo ? 4 : 5 }
    var producers: Int { self == .twoAndTwo ? 2 : 1 }
  }

  enum Flaw: CaseIterable {
    /// C9 does not ask whether all slots are read.
    case retiresBeforeTheLastReaderHasLeft
    /// C9 comes before C6.
    case retiresBeforeItReads
    /// P4c before P4b: a producer finds the new tail with the old block.
    case movesTheTailBeforeItsBlock
    /// C5c before C5b.
    case movesTheHeadBeforeItsBlock
    /// P4d before P4c: the head overtakes the tail.
    case linksBeforeTheTailHasMoved
    /// C3 asks whether the horizon is another than the head, not whether it is beyond it: the horizon may be an old one.
    case takesAnOldHorizonForMore
    /// C3: a slot that is not full yet counts as empty, though later ones are full.
    case emptyWhenNotFull
    /// P3 does not compare: another may have claimed the same slot.
    case claimsWhatIsClaimed

    var scene: Scene {
      switch self {
      case .movesTheTailBeforeItsBlock, .takesAnOldHorizonForMore, .emptyWhenNotFull, .claimsWhatIsClaimed: .twoAndTwo
      default: .threeBlocks
      }
    }
  }

  /// Three numbers a block: two slots, and "the next block is being linked".
  struct State: Hashable {
    /// Positions.
    var tail: UInt8 = 0
    var head: UInt8 = 0
    /// A tail that a consumer has seen.
    var horizon: UInt8 = 0
    /// Blocks have the numbers 1 to 4; 0 is none.
    var tailBlock: UInt8 = 1
    var headBlock: UInt8 = 1
    var spare: UInt8 = 0
    /// A list, linked by `next`.
    var retired: UInt8 = 0
    var next = Cells()
    /// Two slots a block: 0 empty, 1 full, 2 read.
    var slots = Cells()
    /// Which part of the chain a block is, 1 + its number; 0: it is not in use. Not in the code.
    var part = Cells(0, 1)
    // The variables of the threads: `tail` or `head` as loaded, the block, and what they have in hand.
    var seen = Cells()
    var block = Cells()
    var hand = Cells()
    var count = Cells()
    /// Bits for elements: put, claimed by a consumer, taken.
    var put: UInt32 = 0
    var claimed: UInt32 = 0
    var taken: UInt32 = 0

    /// Whether the slot of a position is in that block now, as who has claimed it believes.
    func holds(_ block: UInt8, _ position: UInt8) -> Bool { part[Int(block)] == position / 3 + 1 }

    subscript(slot block: UInt8, position: UInt8) -> UInt8 {
      get { slots[Int(block - 1) * 2 + Int(position % 3)] }
      set { slots[Int(block - 1) * 2 + Int(position % 3)] = newValue }
    }
  }

  private func model(_ scene: Scene, _ flaw: Flaw?) -> Model<State> {
    var initial = State()
    if scene == .twoAndTwo {
      initial.tail = 1
      initial.head = 1
      initial.slots[0] = 2
    }
    var model = Model("blocks, \(scene)", initial: initial)
    let touched = Flow.fail("touches a block that is not its own any more")

    model.threads("producer", count: scene.producers) { program, me in
      program.step("P1 load tail") { state in
        if state.tail % 3 == 2 { return .blocked }
        state.seen[me] = state.tail
        return .next
      }
      program.step("P2 load the tail's block") { state in
        state.block[me] = state.tailBlock
        return .next
      }
      program.step("P3 claim") { state in
        guard state.tail == state.seen[me] || flaw == .claimsWhatIsClaimed else {
          state.block[me] = 0
          return .go("P1")
        }
        state.tail = state.seen[me] + 1
        if state.seen[me] % 3 != 1 { return .go("P5") }
        return .next
      }
      program.step("P4a make the next block") { state in
        if state.spare != 0 {
          state.hand[me] = state.spare
          state.spare = 0
        } else {
          guard let free = (1...4).first(where: { state.part[$0] == 0 }) else { return .fail("more than four blocks") }
          state.hand[me] = UInt8(free)
        }
        if state.part[Int(state.hand[me])] != 0 { return .fail("a block is used twice") }
        state.part[Int(state.hand[me])] = state.seen[me] / 3 + 2
        switch flaw {
        case .movesTheTailBeforeItsBlock: return .go("P4c")
        case .linksBeforeTheTailHasMoved: return .go("P4d")
        default: return .next
        }
      }
      program.step("P4b tailBlock = it") { state in
        state.tailBlock = state.hand[me]
        return flaw == .movesTheTailBeforeItsBlock ? .go("P4d") : .next
      }
      program.step("P4c tail += 1") { state in
        state.tail += 1
        switch flaw {
        case .movesTheTailBeforeItsBlock: return .go("P4b")
        case .linksBeforeTheTailHasMoved: return .go("P5")
        default: return .next
        }
      }
      program.step("P4d link it") { state in
        if !state.holds(state.block[me], state.seen[me]) { return touched }
        state.next[Int(state.block[me])] = state.hand[me]
        return flaw == .linksBeforeTheTailHasMoved ? .go("P4b") : .next
      }
      program.step("P5 write, P6 full") { state in
        let (block, position) = (state.block[me], state.seen[me])
        if !state.holds(block, position) { return touched }
        if state[slot: block, position] != 0 { return .fail("writes into a slot that is not empty") }
        state[slot: block, position] = 1
        state.put |= 1 << UInt32(position)
        state.hand[me] = 0
        state.block[me] = 0
        state.count[me] += 1
        return state.count[me] == scene.elements / UInt8(scene.producers) ? .finish : .go("P1")
      }
    }

    model.threads("consumer", count: 2) { program, me in
      func goal(_ state: State) -> Bool { state.claimed.nonzeroBitCount == Int(scene.elements) }
      program.step("C1 load head") { state in
        if goal(state) { return .finish }
        if state.head % 3 == 2 { return .blocked }
        state.seen[me] = state.head
        return .next
      }
      program.step("C2 load the head's block") { state in
        state.block[me] = state.headBlock
        return .next
      }
      program.step("C3 load the horizon") { state in
        let position = state.seen[me]
        if flaw == .emptyWhenNotFull, state.holds(state.block[me], position),
          state[slot: state.block[me], position] == 0
        {
          return state.put & ~state.claimed == 0 ? .go("C1") : .fail("says empty, though a put is complete")
        }
        let isBeyond = state.horizon > position || flaw == .takesAnOldHorizonForMore && state.horizon != position
        return isBeyond ? .go("C4") : .next
      }
      program.step("C3b load tail") { state in
        state.hand[me] = state.tail
        if state.tail != state.seen[me] { return .next }
        if state.put & ~state.claimed != 0 { return .fail("says empty, though a put is complete") }
        state.block[me] = 0
        state.hand[me] = 0
        return .go("C1")
      }
      program.step("C3c horizon = tail") { state in
        state.horizon = state.hand[me]
        state.hand[me] = 0
        return .next
      }
      program.step("C4 claim") { state in
        let position = state.seen[me]
        guard state.head == position else {
          state.block[me] = 0
          return .go("C1")
        }
        state.head = position + 1
        state.claimed |= 1 << UInt32(position)
        return position % 3 == 1 ? .next : .go("C6")
      }
      program.step("C5 wait for the next block") { state in
        if !state.holds(state.block[me], state.seen[me]) { return touched }
        state.hand[me] = state.next[Int(state.block[me])]
        if state.hand[me] == 0 { return .blocked }
        return flaw == .movesTheHeadBeforeItsBlock ? .go("C5c") : .next
      }
      program.step("C5b headBlock = it") { state in
        state.headBlock = state.hand[me]
        state.hand[me] = 0
        return flaw == .movesTheHeadBeforeItsBlock ? .go("C6") : .next
      }
      program.step("C5c head += 1") { state in
        state.head += 1
        switch flaw {
        case .movesTheHeadBeforeItsBlock: return .go("C5b")
        case .retiresBeforeItReads: return .go("C9")
        default: return .next
        }
      }
      program.step("C6 wait until it is full, take, C7 read") { state in
        let (block, position) = (state.block[me], state.seen[me])
        if !state.holds(block, position) { return touched }
        if state[slot: block, position] == 0 { return .blocked }
        if state.taken & 1 << UInt32(position) != 0 { return .fail("an element is taken twice") }
        state[slot: block, position] = 2
        state.taken |= 1 << UInt32(position)
        if position % 3 == 1, flaw != .retiresBeforeItReads { return .next }
        state.block[me] = 0
        return .go("C1")
      }
      program.step("C9 take all that are retired") { state in
        state.next[Int(state.block[me])] = state.retired
        state.retired = 0
        state.hand[me] = state.block[me]
        return .next
      }
      // `hand` is the next block to look at; the links of those in hand are nobody else's.
      program.step("C9b look at the next") { state in
        let block = state.hand[me]
        if block == 0 {
          if flaw == .retiresBeforeItReads { return .go("C6") }
          state.block[me] = 0
          return .go("C1")
        }
        let first = Int(block - 1) * 2
        let isRead = state.slots[first] == 2 && state.slots[first + 1] == 2
        let mayBeRead = flaw == .retiresBeforeTheLastReaderHasLeft || flaw == .retiresBeforeItReads
        return isRead || mayBeRead ? .go("C9d") : .next
      }
      program.step("C9c retire it again") { state in
        let block = state.hand[me]
        state.hand[me] = state.next[Int(block)]
        state.next[Int(block)] = state.retired
        state.retired = block
        return .go("C9b")
      }
      program.step("C9d empty it, spare; free the spare before it") { state in
        let block = state.hand[me]
        state.hand[me] = state.next[Int(block)]
        state.next[Int(block)] = 0
        state.part[Int(block)] = 0
        state.slots[Int(block - 1) * 2] = 0
        state.slots[Int(block - 1) * 2 + 1] = 0
        state.spare = block
        return .go("C9b")
      }
    }
    model.always("the head is not before the tail") { state in state.head <= state.tail }
    model.finally("each element was taken once") { state in
      state.put == state.taken && state.put.nonzeroBitCount == Int(scene.elements)
    }
    return model
  }
}
