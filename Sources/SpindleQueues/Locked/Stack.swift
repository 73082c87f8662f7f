/// Last in, first out. Knows the order and no threads.
// SAFETY: `base` has room for `room` elements, of which the first `count` are initialised.
@usableFromInline
@safe package struct Stack<Element: ~Copyable>: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<Element>
  @usableFromInline var room: Int
  @usableFromInline package var count = 0

  @inlinable
  package init(room: Int = 16) {
    unsafe base = .allocate(capacity: room)
    self.room = room
  }

  @inlinable
  package mutating func insert(_ element: consuming Element) {
    if count == room { grow() }
    unsafe (base + count).initialize(to: element)
    count += 1
  }

  /// There must be one.
  @inlinable
  package mutating func remove() -> Element {
    precondition(count > 0)
    count -= 1
    return unsafe (base + count).move()
  }

  @inlinable @inline(never)
  mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: room * 2)
    unsafe larger.moveInitialize(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = larger
    room *= 2
  }

  @inlinable
  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }
}
