import SpindleGround
import Synchronization

/// A bounded queue without a lock: a ring of slots, each with a stamp that says whose turn it is.
///
///     producer                                     consumer
///     P1 load tail; shut: refuse                   C1 load head
///     P2 slot empty in this lap? else full         C2 slot full in this lap? else empty
///     P3 claim: tail += 1 (seq. consistent)        C3 claim: head += 1 (seq. consistent)
///     P4 write the element                         C4 move the element out
///     P5 stamp = full in this lap (releasing)      C5 stamp = empty in the next lap (releasing)
///     P6 wake one who waits for elements           C6 wake one who waits for room
///
/// A position is a lap and an index, so that any capacity will do. A slot's stamp is the lap's position, plus 1 when
/// it is full. Why nothing is lost, and why no fence is needed: PROTOCOL.md beside this file.
/// Source: Dmitry Vyukov, "Bounded MPMC queue".
@usableFromInline
@safe struct Slots<Element: ~Copyable> {
  @usableFromInline let state: UnsafeMutablePointer<QueueState>
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable @inline(__always)
  init(_ state: UnsafeMutablePointer<QueueState>) {
    unsafe self.state = state
    unsafe base = UnsafeMutableRawPointer(state) + Self.start
  }

  /// From the state to the first slot.
  @inlinable @inline(__always)
  static var start: Int {
    let alignment = SlotLayout<Element>.alignment
    return (MemoryLayout<QueueState>.size + alignment - 1) / alignment * alignment
  }

  /// More slots than this many bytes are not made up front.
  @inlinable
  static var limit: Int { 1 << 18 }

  @inlinable
  static func suits(_ capacity: Int) -> Bool {
    capacity > 0 && capacity <= limit / SlotLayout<Element>.stride
  }

  /// The slot at a position, and the lap that the position is in. `lap`, the length of one, is handed in: read once, before the claim.
  @inlinable @inline(__always)
  func place(_ position: UInt, lap: UInt) -> (slot: Slot<Element>, thisLap: UInt) {
    let offset = position & (lap &- 1)
    return unsafe (Slot(base, Int(offset &>> 1)), position &- offset)
  }

  /// The position after that one.
  @inlinable @inline(__always)
  func following(_ position: UInt, in thisLap: UInt, lap: UInt) -> UInt {
    let isLast = unsafe position &- thisLap &+ 2 == UInt(bitPattern: state.pointee.capacity) &<< 1
    return isLast ? thisLap &+ lap : position &+ 2
  }

  /// `mayWait`: the caller waits if it must, and then looks again. So where elements change hands one by one nothing but the slot is
  /// read, and `.mustWait` says no more than that it was not empty: see "Who may wait" in PROTOCOL.md.
  @inlinable @inline(__always)
  func put(_ item: inout Element?, mayWait: Bool = false) -> Attempt {
    let lap = unsafe state.pointee.lap
    var contention = Contention()
    var tail = unsafe state.pointee.tail.load(ordering: .relaxed)  // P1; P3 verifies it
    while tail & QueueState.shutBit == 0 {
      let (slot, thisLap) = place(tail, lap: lap)
      if slot.load() == thisLap {  // P2
        let next = following(tail, in: thisLap, lap: lap)
        let claimed = unsafe state.pointee.tail.weakCompareExchange(
          expected: tail, desired: next, ordering: .sequentiallyConsistent).exchanged  // P3
        guard claimed else {
          contention.stepAside()
          tail = unsafe state.pointee.tail.load(ordering: .relaxed)
          continue
        }
        slot.fill(item.take()!)  // P4
        slot.store(thisLap | 1)  // P5
        unsafe state.pointee.elements.wake()  // P6
        return .done
      }
      if unsafe mayWait && state.pointee.putsPerWait.isSingle { return .mustWait }
      guard let newer = newTail(after: tail) else { return .mustWait }
      tail = newer
    }
    return .shutDown
  }

  /// `mayWait`: as for `put`.
  @inlinable @inline(__always)
  func take(_ item: inout Element?, mayWait: Bool = false) -> Attempt {
    let lap = unsafe state.pointee.lap
    var contention = Contention()
    var head = unsafe state.pointee.head.load(ordering: .relaxed)  // C1; C3 verifies it
    while true {
      let (slot, thisLap) = place(head, lap: lap)
      if slot.load() == thisLap | 1 {  // C2
        let next = following(head, in: thisLap, lap: lap)
        let claimed = unsafe state.pointee.head.weakCompareExchange(
          expected: head, desired: next, ordering: .sequentiallyConsistent).exchanged  // C3
        guard claimed else {
          contention.stepAside()
          head = unsafe state.pointee.head.load(ordering: .relaxed)
          continue
        }
        item = slot.empty()  // C4
        slot.store(thisLap &+ lap)  // C5
        unsafe state.pointee.room.wake()  // C6
        return .done
      }
      if unsafe mayWait && state.pointee.takesPerWait.isSingle && !state.pointee.isClosing.load(ordering: .relaxed) {
        return .mustWait
      }
      let tail = unsafe state.pointee.tail.load(ordering: .sequentiallyConsistent)
      if tail & ~QueueState.shutBit == head { return tail == head ? .mustWait : .shutDown }
      head = newHead(after: head)
    }
  }

  /// Whether the slot at the tail is empty: reads nothing that consumers write but this slot.
  @inlinable @inline(__always)
  var isNextEmpty: Bool {
    let (slot, thisLap) = unsafe place(state.pointee.tail.load(ordering: .relaxed), lap: state.pointee.lap)
    return slot.load() == thisLap
  }

  /// Whether the slot at the head is full: reads nothing that producers write but this slot.
  @inlinable @inline(__always)
  var isNextFull: Bool {
    let (slot, thisLap) = unsafe place(state.pointee.head.load(ordering: .relaxed), lap: state.pointee.lap)
    return slot.load() == thisLap | 1
  }

  /// The slot at the tail was not empty. nil: because the queue is full. Else the tail has moved, or a consumer is
  /// between C3 and C5: the tail once that may have changed.
  @inlinable @inline(never)
  func newTail(after tail: UInt) -> UInt? {
    var backoff = Backoff()
    let (slot, thisLap) = unsafe place(tail, lap: state.pointee.lap)
    while true {
      let head = unsafe state.pointee.head.load(ordering: .sequentiallyConsistent)
      let now = unsafe state.pointee.tail.load(ordering: .relaxed)
      if now != tail || slot.load() == thisLap { return now }
      if unsafe head == tail &- state.pointee.lap { return nil }
      backoff.pause()
    }
  }

  /// The slot at the head was not full, yet the queue not empty: the head has moved, or a producer is between P3 and
  /// P5. The head once that has changed.
  @inlinable @inline(never)
  func newHead(after head: UInt) -> UInt {
    var backoff = Backoff()
    let (slot, thisLap) = unsafe place(head, lap: state.pointee.lap)
    while true {
      let now = unsafe state.pointee.head.load(ordering: .relaxed)
      if now != head || slot.load() == thisLap | 1 { return now }
      backoff.pause()
    }
  }
}
