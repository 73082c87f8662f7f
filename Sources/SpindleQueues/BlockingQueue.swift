import SpindleGround
import Synchronization

/// What every queue can do: the calls of ``Queue``, ``LIFOQueue`` and ``PriorityQueue``.
///
///     func report(_ results: BlockingQueue<Outcome>) {     // takes any of the three
///       for result in results { print(result) }            // until the queue is shut down
///     }
///
/// Threads and tasks may use one queue at the same time. A call that has to wait blocks a thread and suspends a task;
/// who waits longest is served first. A newcomer may be faster than one that is just waking up, but only a few times:
/// nobody waits for ever while others are served. What a thread did before a put is visible to whoever gets that
/// element. A call that does not wait (`putNoWait`, `tryGet`, a time-out of zero) fails only if the queue was full or
/// empty at that time.
///
/// It cannot be subclassed outside of this package: the three kinds are all there are.
// SAFETY: `state` is constant, all in it is atomic; elements in its slots belong to who claimed the slot.
@safe public class BlockingQueue<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline final let state: UnsafeMutablePointer<QueueState>
  @usableFromInline final let store: LockedStore<Element>?

  @inlinable
  init(kind: QueueState.Kind, capacity: Int, store: LockedStore<Element>?) {
    if capacity < 0 { mistake("a queue's capacity is 0 (no bound) or more, not \(capacity)") }
    // What a ring or a chain needs besides follows its state.
    let byteCount =
      switch kind {
      case .slots: Slots<Element>.start + capacity * SlotLayout<Element>.stride
      case .blocks: Blocks<Element>.byteCount
      case .locked: MemoryLayout<QueueState>.size
      }
    let lap = kind == .slots ? UInt(2) << UInt(Int.bitWidth - (capacity - 1).leadingZeroBitCount) : 2
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: SlotLayout<Element>.alignment)
    unsafe state = memory.bindMemory(to: QueueState.self, capacity: 1)
    unsafe state.initialize(to: QueueState(kind: kind, capacity: capacity, lap: lap))
    self.store = store
    switch kind {
    case .slots: unsafe Slot<Element>.prepare(Slots<Element>(state).base, count: capacity)
    case .blocks: unsafe Blocks<Element>(state).begin()
    case .locked: break
    }
  }

  deinit {
    // Elements that nobody took are destroyed.
    discardAll()
    if unsafe state.pointee.kind == .blocks { unsafe Blocks<Element>(state).end() }
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
  }

  /// How many elements fit in; 0 when there is no bound.
  public final var capacity: Int { unsafe state.pointee.capacity }

  /// How many elements are in the queue now. Others may have changed that when this returns.
  public final var count: Int { unsafe state.pointee.count }

  /// Whether there is no element in the queue now.
  public final var isEmpty: Bool { count == 0 }

  /// Whether a put would have to wait now. Never for a queue without bound.
  public final var isFull: Bool { capacity > 0 && count >= capacity }

  /// Whether `shutdown` has been called.
  public final var isShutDown: Bool { unsafe state.pointee.isShutDown }

  // MARK: One attempt

  /// Moves the element into the queue if it can be done at once. With `mayWait` the answer may be `.mustWait` a little too early: for callers
  /// that then wait, and look again.
  @inlinable @inline(__always)
  final func attemptPut(_ item: inout Element?, mayWait: Bool = false) -> Attempt {
    switch unsafe state.pointee.kind {
    case .slots: unsafe Slots(state).put(&item, mayWait: mayWait)
    case .blocks: unsafe Blocks(state).put(&item)
    case .locked: unsafe store!.put(&item, state.pointee)
    }
  }

  /// Moves the next element out of the queue if it can be done at once. `mayWait`: as for `attemptPut`.
  @inlinable @inline(__always)
  final func attemptTake(_ item: inout Element?, mayWait: Bool = false) -> Attempt {
    switch unsafe state.pointee.kind {
    case .slots: unsafe Slots(state).take(&item, mayWait: mayWait)
    case .blocks: unsafe Blocks(state).take(&item)
    case .locked: unsafe store!.take(&item, state.pointee)
    }
  }

  // MARK: What who waits looks at before the next attempt
  //
  // An attempt that fails has read the position that the other side writes with each element, and so takes its line away. Where elements
  // change hands one by one, it then has to come back before the next can: a ring of one element passed on a third as many. So who waits
  // looks at the slot alone. After a batch the attempt finds more than one, and what it reads is worth it.

  /// Whether an attempt to put might succeed.
  @inlinable
  package final func mayPut(after batch: UInt) -> Bool {
    if unsafe state.pointee.isClosing.load(ordering: .relaxed) { return true }
    return switch unsafe state.pointee.kind {
    case .slots: unsafe batch > 1 || Slots<Element>(state).isNextEmpty
    case .blocks: true
    case .locked: unsafe state.pointee.looksPuttable
    }
  }

  /// Whether an attempt to take might succeed.
  @inlinable
  package final func mayTake(after batch: UInt) -> Bool {
    if unsafe state.pointee.isClosing.load(ordering: .relaxed) { return true }
    return switch unsafe state.pointee.kind {
    case .slots: unsafe batch > 1 || Slots<Element>(state).isNextFull
    case .blocks: true
    case .locked: unsafe state.pointee.looksTakeable
    }
  }

  /// An attempt to put that is made as soon as a few glances have seen room; else `.mustWait`.
  @inlinable @inline(__always)
  final func glanceAndPut(_ item: inout Element?, after batch: UInt) -> Attempt {
    guard unsafe state.pointee.kind == .slots && batch <= 1,
      SpinPolicy.glance({ unsafe Slots<Element>(state).isNextEmpty && !state.pointee.room.isReserved })
    else { return .mustWait }
    return attemptPut(&item)
  }

  /// An attempt to take that is made as soon as a few glances have seen an element; else `.mustWait`.
  @inlinable @inline(__always)
  final func glanceAndTake(_ item: inout Element?, after batch: UInt) -> Attempt {
    guard unsafe state.pointee.kind == .slots && batch <= 1,
      SpinPolicy.glance({ unsafe Slots<Element>(state).isNextFull && !state.pointee.elements.isReserved })
    else { return .mustWait }
    return attemptTake(&item)
  }

  /// Destroys what is in the queue, outside of any lock. Returns how many there were.
  @discardableResult
  final func discardAll() -> UInt {
    var dropped: UInt = 0
    var item: Element?
    while attemptTake(&item) == .done {
      item = nil
      dropped += 1
    }
    return dropped
  }
}
