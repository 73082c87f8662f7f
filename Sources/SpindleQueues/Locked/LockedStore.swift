import SpindleGround
import Synchronization

/// A queue's inside behind one lock, for orders that need one.
///
/// The order itself is a value that knows no threads, reached through two closures: they are made where the element's
/// type is known, so that what runs under the lock is compiled for it.
// SAFETY: the closures and what they capture are used only with `lock` held.
@usableFromInline
final class LockedStore<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline let lock = RawLock()
  @usableFromInline let insert: (consuming Element) -> Void
  @usableFromInline let remove: () -> Element

  @inlinable
  init(insert: @escaping (consuming Element) -> Void, remove: @escaping () -> Element) {
    self.insert = insert
    self.remove = remove
  }

  @inlinable
  func put(_ item: inout Element?, _ state: borrowing QueueState) -> Attempt {
    lock.acquire()
    let tail = state.tail.load(ordering: .relaxed)
    let result: Attempt
    if tail & QueueState.shutBit != 0 {
      result = .shutDown
    } else if state.capacity > 0, Int((tail &- state.head.load(ordering: .relaxed)) &>> 1) >= state.capacity {
      result = .mustWait
    } else {
      insert(item.take()!)
      state.tail.wrappingAdd(2, ordering: .sequentiallyConsistent)  // W1
      result = .done
    }
    lock.release()
    if result == .done { state.elements.wake() }
    return result
  }

  @inlinable
  func take(_ item: inout Element?, _ state: borrowing QueueState) -> Attempt {
    lock.acquire()
    let head = state.head.load(ordering: .relaxed)
    let tail = state.tail.load(ordering: .sequentiallyConsistent)
    if tail & ~QueueState.shutBit == head {
      lock.release()
      return tail == head ? .mustWait : .shutDown
    }
    item = remove()
    state.head.wrappingAdd(2, ordering: .sequentiallyConsistent)  // W1
    lock.release()
    if state.capacity > 0 { state.room.wake() }
    return .done
  }
}

/// A value that several closures share.
// SAFETY: they run with a lock held, and none of them inside another.
@usableFromInline
final class Shared<Value: ~Copyable> {
  @exclusivity(unchecked) @usableFromInline var value: Value

  @inlinable
  init(_ value: consuming Value) { unsafe self.value = value }
}
