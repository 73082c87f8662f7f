import SpindleGround

/// A last-in, first-out queue for threads and tasks: a stack that can be waited for.
///
///     let rooms = LIFOQueue<Directory>()
///     try rooms.put(root)
///     let deepest = try rooms.get()      // what was put last
///
/// Everything else is as with ``Queue``. A put and a get hold a lock for a few instructions.
public final class LIFOQueue<Element: ~Copyable>: BlockingQueue<Element>, @unchecked Sendable {
  /// Makes an empty queue for up to `capacity` elements; 0, as in `LIFOQueue()`, sets no bound.
  @inlinable
  public init(capacity: Int = 0) {
    let stack = Shared(Stack<Element>())
    super.init(
      kind: .locked, capacity: capacity,
      store: LockedStore(insert: { unsafe stack.value.insert($0) }, remove: { unsafe stack.value.remove() }))
  }
}
