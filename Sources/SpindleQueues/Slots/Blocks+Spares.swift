import Synchronization

/// Where a queue's blocks come from and where they go.
///
/// A queue keeps empty blocks, up to 64 KB of them. So much may come in while nothing is taken out, again and again, and nothing is
/// allocated. It is not memory that is saved by that: who frees a block has not allocated it more often than not, and then takes the
/// allocator's lock away from a thread that does nothing but allocate. (What it costs: PROTOCOL.md.)
///
///     producer: freshBlock                        consumer: keepSpare
///     F1 what is in the place                     K1 exchange for what is in the place; nothing: done
///     F2 else the surplus:                        K2 that one goes to the surplus, if there are not enough:
///        a become its only taker, or give up         a load first
///        b load first and its link                   b link it before that one
///        c first: the same => its link, else b       c first: the same => it, else a
///        d be its taker no more                    K3 there are: free it
///     F3 else allocate
///
/// Places come first, because each costs one exchange that hardly anybody else makes. Why only one may take from the surplus: PROTOCOL.md.
extension Blocks where Element: ~Copyable {
  /// The places for empty blocks lie behind the state.
  @inlinable
  package static var byteCount: Int { MemoryLayout<QueueState>.size + places * MemoryLayout<Atomic<UInt>>.stride }

  /// How many places there are, a power of two: for 32 KB. A thread that puts and gets in turn needs one.
  @inlinable @inline(__always)
  static var places: Int {
    let most = max(1, min(64, (1 << 15) / Block<Element>.byteCount))
    return 1 << (Int.bitWidth - 1 - most.leadingZeroBitCount)
  }

  /// How many empty blocks are kept for which there is no place, about.
  @inlinable @inline(__always)
  static var mostSurplus: Int { places }

  @inlinable @inline(__always)
  var firstPlace: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(state) + MemoryLayout<QueueState>.size }

  @inlinable @inline(__always)
  func place(_ number: UInt) -> UnsafeMutablePointer<Atomic<UInt>> {
    unsafe firstPlace.assumingMemoryBound(to: Atomic<UInt>.self) + Int(number & UInt(Self.places - 1))
  }

  /// A block that is empty, for the part of the chain with that number.
  @inlinable @inline(never)
  func freshBlock(_ number: UInt) -> UInt {
    // Acquiring: pairs with the exchange in keepSpare(); the block's slots are empty again.
    var spare = unsafe place(number).pointee.exchange(0, ordering: .acquiring)  // F1
    if spare == 0 { spare = takeSurplus() }
    if spare == 0 { return Block<Element>.make().word }  // F3
    if unsafe state.pointee.putRun.isLong() { unsafe Block<Element>(spare).fetch(BlockPosition.slots) }
    return spare
  }

  /// Keeps an empty block for the part of the chain with that number, or one as many parts later as there are places.
  @inlinable @inline(never)
  func keepSpare(_ block: Block<Element>, _ number: UInt) {
    // Releasing: whoever takes it sees it empty.
    let displaced = unsafe place(number).pointee.exchange(block.word, ordering: .acquiringAndReleasing)  // K1
    if displaced != 0 { keepSurplus(unsafe Block<Element>(displaced)) }
  }

  @inlinable
  func keepSurplus(_ block: Block<Element>) {
    // Relaxed: of those that come at once one too many may be kept.
    if unsafe state.pointee.surplusCount.load(ordering: .relaxed) >= Self.mostSurplus { return block.free() }  // K3
    unsafe state.pointee.surplusCount.wrappingAdd(1, ordering: .relaxed)
    unsafe push(block, onto: state.pointee.surplus)  // K2
  }

  /// 0 when there is none, or another thread is about to take one.
  @inlinable
  func takeSurplus() -> UInt {
    if unsafe state.pointee.surplus.load(ordering: .relaxed) == 0 { return 0 }
    if unsafe state.pointee.surplusHasTaker.exchange(true, ordering: .acquiring) { return 0 }  // F2a
    // Releasing, and acquiring at F2a: the next taker sees all that this one did.
    defer { unsafe state.pointee.surplusHasTaker.store(false, ordering: .releasing) }  // F2d
    var first = unsafe state.pointee.surplus.load(ordering: .acquiring)  // F2b; pairs with push()
    while first != 0 {
      let block = unsafe Block<Element>(first)
      let next = unsafe block.next.pointee.load(ordering: .relaxed)
      let (exchanged, seen) = unsafe state.pointee.surplus.weakCompareExchange(
        expected: first, desired: next, ordering: .acquiring)  // F2c
      if exchanged {
        unsafe state.pointee.surplusCount.wrappingSubtract(1, ordering: .relaxed)
        unsafe block.next.pointee.store(0, ordering: .relaxed)
        return first
      }
      first = seen
    }
    return 0
  }

  /// Takes back a block and all those retired before it, as far as all their elements have been read.
  @inlinable @inline(never)
  func retire(_ block: Block<Element>, number: UInt) {
    // Nobody else has what this exchange returns: no other thread takes single blocks out of the chain.
    let older = unsafe state.pointee.retired.exchange(0, ordering: .acquiring)
    unsafe block.next.pointee.store(older, ordering: .relaxed)
    var word = block.word
    // Where elements are in line, by its own number: the places fill up in the order in which producers will come by. Where none are,
    // by that of the next block that producers need: two or three go round, and all other places stay empty.
    // Relaxed: from an old horizon comes a worse place, not a wrong one.
    let horizon = unsafe BlockPosition(raw: state.pointee.horizon.load(ordering: .relaxed)).block
    var place = horizon <= number &+ 1 ? number &+ 2 : number
    while word != 0 {
      let block = unsafe Block<Element>(word)
      word = unsafe block.next.pointee.load(ordering: .relaxed)
      if !block.isRead {
        unsafe push(block, onto: state.pointee.retired)
        continue
      }
      block.reset()
      keepSpare(block, place)
      place &-= 1  // for an older one, whose number nobody knows any more
    }
  }

  /// Lays a block on a stack of blocks. Releasing: whoever takes it off sees what was done with it before.
  @inlinable @inline(__always)
  func push(_ block: Block<Element>, onto stack: borrowing Atomic<UInt>) {
    var first = stack.load(ordering: .relaxed)
    while true {
      unsafe block.next.pointee.store(first, ordering: .relaxed)
      let (exchanged, seen) = stack.weakCompareExchange(expected: first, desired: block.word, ordering: .releasing)
      if exchanged { return }
      first = seen
    }
  }

  /// The places for empty blocks, with nothing in them, and the first block of an empty queue.
  @inlinable
  package func begin() {
    let first = unsafe firstPlace.bindMemory(to: Atomic<UInt>.self, capacity: Self.places)
    for index in 0..<Self.places { unsafe (first + index).initialize(to: Atomic(0)) }
    let block = Block<Element>.make()
    unsafe state.pointee.headBlock.store(block.word, ordering: .relaxed)
    unsafe state.pointee.tailBlock.store(block.word, ordering: .relaxed)
  }

  /// Frees the blocks of a queue that nobody uses any more and in which there is no element.
  @inlinable
  package func end() {
    // The head's block is also the tail's: the queue is empty, and whoever claimed a last slot moved on.
    unsafe Block<Element>(state.pointee.headBlock.load(ordering: .acquiring)).free()
    for number in 0..<UInt(Self.places) {
      let spare = unsafe place(number).pointee.load(ordering: .acquiring)
      if spare != 0 { unsafe Block<Element>(spare).free() }
    }
    unsafe freeAll(of: state.pointee.surplus)
    unsafe freeAll(of: state.pointee.retired)
  }

  @inlinable
  func freeAll(of stack: borrowing Atomic<UInt>) {
    var word = stack.load(ordering: .acquiring)
    while word != 0 {
      let block = unsafe Block<Element>(word)
      word = unsafe block.next.pointee.load(ordering: .relaxed)
      block.free()
    }
  }
}
