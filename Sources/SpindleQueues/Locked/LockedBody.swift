import SpindleGround
import Synchronization

/// How an attempt to put or take ended.
@usableFromInline
enum Attempt { case done, mustWait, shutDown }

/// A queue's inside behind one lock.
// SAFETY: `ring`, `unfinished` and `isOver` belong to `lock`; counts are mirrored in atomics for those who look.
@usableFromInline
final class LockedBody<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline let capacity: Int
  private let lock = RawLock()
  private var ring = Ring<Element>()
  private var unfinished = 0
  private let down = Atomic<Bool>(false)
  private let size = Atomic<Int>(0)

  /// Those who wait for an element, for room, and for the last task to be done.
  @usableFromInline let elements = ParkingSpot()
  @usableFromInline let room = ParkingSpot()
  @usableFromInline let allDone = ParkingSpot()

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { size.load(ordering: .sequentiallyConsistent) }
  var isShutDown: Bool { down.load(ordering: .sequentiallyConsistent) }

  @usableFromInline
  func put(_ item: inout Element?) -> Attempt {
    lock.acquire()
    if down.load(ordering: .relaxed) {
      lock.release()
      return .shutDown
    }
    if capacity > 0, ring.count >= capacity {
      lock.release()
      return .mustWait
    }
    ring.insert(item.take()!)
    unfinished += 1
    // W1, sequentially consistent: pairs with S2/S3 of the spot.
    size.store(ring.count, ordering: .sequentiallyConsistent)
    lock.release()
    elements.wake()
    return .done
  }

  @usableFromInline
  func take(_ item: inout Element?) -> Attempt {
    lock.acquire()
    if ring.count == 0 {
      let isDown = down.load(ordering: .relaxed)
      lock.release()
      return isDown ? .shutDown : .mustWait
    }
    item = ring.remove()
    size.store(ring.count, ordering: .sequentiallyConsistent)
    lock.release()
    room.wake()
    return .done
  }

  func taskDone() {
    lock.acquire()
    unfinished -= 1
    let left = unfinished
    lock.release()
    if left < 0 { mistake("taskDone() called more often than elements were put") }
    if left == 0 {
      atomicMemoryFence(ordering: .sequentiallyConsistent)
      allDone.wakeAll()
    }
  }

  func isAllDone() -> Bool {
    lock.acquire()
    defer { lock.release() }
    return unfinished == 0
  }

  func shutdown(immediate: Bool) {
    var dropped = Ring<Element>(room: 1)
    lock.acquire()
    down.store(true, ordering: .sequentiallyConsistent)
    if immediate {
      unfinished -= min(unfinished, ring.count)
      swap(&dropped, &ring)
      size.store(0, ordering: .sequentiallyConsistent)
    }
    lock.release()
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    allDone.wakeAll()
    elements.wakeAll()
    room.wakeAll()
  }
}
