/// A ring buffer: first in, first out. Knows the order and no threads.
// SAFETY: `base` has room for `room` elements, of which the `count` from `head` on, round the end, are initialised.
@usableFromInline
@safe struct Ring<Element: ~Copyable>: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<Element>
  @usableFromInline var room: Int
  @usableFromInline var head = 0
  @usableFromInline var count = 0

  @inlinable
  init(room: Int = 16) {
    unsafe base = .allocate(capacity: room)
    self.room = room
  }

  @inlinable
  mutating func insert(_ item: consuming Element) {
    if count == room { grow() }
    var tail = head + count
    if tail >= room { tail -= room }
    unsafe (base + tail).initialize(to: item)
    count += 1
  }

  @inlinable
  mutating func remove() -> Element {
    let item = unsafe (base + head).move()
    head += 1
    if head == room { head = 0 }
    count -= 1
    return item
  }

  @inlinable
  mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: room * 2)
    unsafe larger.moveInitialize(from: base + head, count: room - head)
    unsafe (larger + (room - head)).moveInitialize(from: base, count: head)
    unsafe base.deallocate()
    unsafe base = larger
    head = 0
    room *= 2
  }

  @inlinable
  deinit {
    for index in 0..<count { unsafe (base + (head + index) % room).deinitialize(count: 1) }
    unsafe base.deallocate()
  }
}
