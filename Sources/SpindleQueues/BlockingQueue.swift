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

  /// Moves the element into the queue if it can be done at once.
  @inlinable @inline(__always)
  final func attemptPut(_ item: inout Element?) -> Attempt {
    switch unsafe state.pointee.kind {
    case .slots: unsafe Slots(state).put(&item)
    case .blocks: unsafe Blocks(state).put(&item)
    case .locked: unsafe store!.put(&item, state.pointee)
    }
  }

  /// Moves the next element out of the queue if it can be done at once.
  @inlinable @inline(__always)
  final func attemptTake(_ item: inout Element?) -> Attempt {
    switch unsafe state.pointee.kind {
    case .slots: unsafe Slots(state).take(&item)
    case .blocks: unsafe Blocks(state).take(&item)
    case .locked: unsafe store!.take(&item, state.pointee)
    }
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
