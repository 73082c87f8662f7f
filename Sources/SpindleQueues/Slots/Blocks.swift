import CSpindle
import SpindleGround
import Synchronization

/// A place in a chain of blocks: 32 numbers a block, 31 of which are slots; the last one means "the next block is
/// being linked, wait". Shifted left by one bit, as all positions are.
@usableFromInline
struct BlockPosition {
  @usableFromInline let raw: UInt

  @inlinable @inline(__always)
  init(raw: UInt) { self.raw = raw }

  @usableFromInline static var slots: Int { 31 }
  /// From one slot's position to the next.
  @usableFromInline static var step: UInt { 2 }

  @inlinable @inline(__always)
  var index: Int { Int(raw &>> 1 & 31) }

  @inlinable @inline(__always)
  var block: UInt { raw &>> 6 }

  /// How many slots come before it.
  @inlinable @inline(__always)
  var number: UInt { block &* 31 &+ (raw &>> 1 & 31) }
}

/// A queue without a bound (or with one too large for a ring) and without a lock: a chain of blocks of slots.
///
///     producer                                      consumer
///     P1 load tail; shut: refuse; 31: wait          C1 load head; 31: wait
///     P2 load the tail's block; the last slot of a  C2 load the head's block
///        block is next: have a new block ready
///     P3 claim: tail += 1 (seq. consistent)         C3 at the horizon: load tail; the same: empty;
///                                                      else it is the new horizon
///     P4 the last slot of a block: link the new     C4 claim: head += 1 (seq. consistent)
///        block, then move tail into it              C5 the last slot of a block: wait for the next block,
///     P5 write the element                             then move head into it
///     P6 stamp = full (releasing)                   C6 wait until stamp == full, move the element out
///     P7 wake one who waits for elements            C7 stamp = read (releasing); after C5 retire the block
///                                                   C8 wake one who waits for room, if there is a bound
///
/// Who enters a block has its lines fetched ahead, if the same processor has entered the last ones too: only a hint, in no order.
///
/// A block is used again when all its slots are read. Nobody else can hold its address then: a block's memory is
/// touched only by those who claimed one of its slots, and a claim on a position of it can no longer succeed.
/// Whoever retires a block looks at all that are retired; one whose readers are still at C6 stays for the next to see.
@usableFromInline
@safe package struct Blocks<Element: ~Copyable> {
  @usableFromInline let state: UnsafeMutablePointer<QueueState>

  @inlinable @inline(__always)
  package init(_ state: UnsafeMutablePointer<QueueState>) { unsafe self.state = state }

  @usableFromInline static var full: UInt { 1 }
  @usableFromInline static var read: UInt { 2 }

  @inlinable @inline(__always)
  func put(_ item: inout Element?) -> Attempt {
    let outcome = insert(&item)
    if outcome == .done { unsafe state.pointee.elements.wake() }  // P7
    return outcome
  }

  /// A put whose caller wakes those who wait.
  @inlinable @inline(__always)
  package func insert(_ item: inout Element?) -> Attempt {
    var contention = Contention()
    // From before the claim on, so that the others, who wait at 31, do not wait for memory.
    var newBlock: UInt = 0
    var newNumber: UInt = 0
    defer { if newBlock != 0 { keepSpare(unsafe Block(newBlock), newNumber) } }
    var tail = unsafe state.pointee.tail.load(ordering: .acquiring)  // P1; pairs with link()
    while tail & QueueState.shutBit == 0 {
      let position = BlockPosition(raw: tail)
      if position.index == BlockPosition.slots {
        tail = tailMoved()
        continue
      }
      if unsafe state.pointee.capacity > 0 {
        let head = unsafe BlockPosition(raw: state.pointee.head.load(ordering: .sequentiallyConsistent))
        // Signed: the tail may be an old one, which the head has passed.
        if unsafe Int(bitPattern: position.number &- head.number) >= state.pointee.capacity { return .mustWait }
      }
      let block = unsafe state.pointee.tailBlock.load(ordering: .acquiring)  // P2; pairs with link()
      if position.index == BlockPosition.slots - 1, newBlock == 0 {
        newNumber = position.block &+ 1
        newBlock = freshBlock(newNumber)
      }
      let claimed = unsafe state.pointee.tail.weakCompareExchange(
        expected: tail, desired: tail &+ BlockPosition.step,
        successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed).exchanged  // P3
      guard claimed else {
        contention.stepAside()
        tail = unsafe state.pointee.tail.load(ordering: .acquiring)
        continue
      }
      let memory = unsafe Block<Element>(block)
      if position.index == BlockPosition.slots - 1 {  // P4
        link(newBlock, after: memory)
        newBlock = 0
      }
      let slot = memory.slot(position.index)
      slot.fill(item.take()!)  // P5
      slot.store(Self.full)  // P6
      return .done
    }
    return .shutDown
  }

  @inlinable @inline(__always)
  package func take(_ item: inout Element?) -> Attempt {
    var contention = Contention()
    var head = unsafe state.pointee.head.load(ordering: .acquiring)  // C1; pairs with advance()
    while true {
      let position = BlockPosition(raw: head)
      if position.index == BlockPosition.slots {
        head = headMoved()
        continue
      }
      let block = unsafe state.pointee.headBlock.load(ordering: .acquiring)  // C2; pairs with advance()
      if unsafe state.pointee.horizon.load(ordering: .acquiring) <= head {  // pairs with the store below
        let tail = unsafe state.pointee.tail.load(ordering: .sequentiallyConsistent)  // C3
        if tail & ~QueueState.shutBit == head { return tail == head ? .mustWait : .shutDown }
        unsafe state.pointee.horizon.store(tail & ~QueueState.shutBit, ordering: .releasing)
      }
      let (claimed, seen) = unsafe state.pointee.head.weakCompareExchange(
        expected: head, desired: head &+ BlockPosition.step,
        successOrdering: .sequentiallyConsistent, failureOrdering: .acquiring)  // C4; a failed one is C1
      guard claimed else {
        contention.stepAside()
        // Not looked at anew: whoever takes goes on meanwhile, and a look would only have the line change processors once more.
        head = seen
        continue
      }
      let memory = unsafe Block<Element>(block)
      let isLast = position.index == BlockPosition.slots - 1
      if isLast { advance(from: memory) }  // C5
      let slot = memory.slot(position.index)
      if slot.load() != Self.full { slotFilled(slot) }  // C6
      item = slot.empty()
      slot.store(Self.read)  // C7
      if isLast { retire(memory, number: position.block) }
      if unsafe state.pointee.capacity > 0 { unsafe state.pointee.room.wake() }  // C8
      return .done
    }
  }

  // MARK: Once a block

  /// P4: this producer has claimed the last slot; tail stands at 31 until it has linked the next block.
  @inlinable @inline(never)
  func link(_ next: UInt, after block: Block<Element>) {
    unsafe state.pointee.tailBlock.store(next, ordering: .releasing)
    // An addition, because the queue may be shut down meanwhile.
    unsafe state.pointee.tail.wrappingAdd(BlockPosition.step, ordering: .releasing)
    // Last: a consumer that sees it also sees the tail beyond this block.
    unsafe block.next.pointee.store(next, ordering: .releasing)
  }

  /// C5: this consumer has claimed the last slot; head stands at 31 until it has moved on to the next block.
  @inlinable @inline(never)
  func advance(from block: Block<Element>) {
    var next = unsafe block.next.pointee.load(ordering: .acquiring)
    var backoff = Backoff()
    while next == 0 {
      backoff.pause()
      next = unsafe block.next.pointee.load(ordering: .acquiring)
    }
    unsafe state.pointee.headBlock.store(next, ordering: .releasing)
    // The head stands still: nobody claims at 31.
    let head = unsafe state.pointee.head.wrappingAdd(BlockPosition.step, ordering: .sequentiallyConsistent).newValue
    if unsafe state.pointee.takeRun.isLong() {
      let horizon = unsafe state.pointee.horizon.load(ordering: .relaxed)
      let filled = Int(bitPattern: BlockPosition(raw: horizon).number &- BlockPosition(raw: head).number)
      unsafe Block<Element>(next).fetch(min(filled, BlockPosition.slots))
    }
  }

  @inlinable @inline(never)
  func tailMoved() -> UInt {
    var backoff = Backoff()
    while true {
      let tail = unsafe state.pointee.tail.load(ordering: .acquiring)
      if tail & QueueState.shutBit != 0 || BlockPosition(raw: tail).index != BlockPosition.slots { return tail }
      backoff.pause()
    }
  }

  @inlinable @inline(never)
  func headMoved() -> UInt {
    var backoff = Backoff()
    while true {
      let head = unsafe state.pointee.head.load(ordering: .acquiring)
      if BlockPosition(raw: head).index != BlockPosition.slots { return head }
      backoff.pause()
    }
  }

  @inlinable @inline(never)
  func slotFilled(_ slot: Slot<Element>) {
    var backoff = Backoff()
    while slot.load() != Self.full { backoff.pause() }
  }
}
