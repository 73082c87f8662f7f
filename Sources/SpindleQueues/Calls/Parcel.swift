/// An element on its way in or out of a queue, or nothing.
// SAFETY: the element was sent into the queue: nobody else has a reference into it, and it is in one parcel at a time.
@usableFromInline
struct Parcel<Element: ~Copyable>: ~Copyable, @unchecked Sendable {
  @usableFromInline var element: Element?

  @inlinable
  init() { element = nil }

  @inlinable
  init(_ element: consuming sending Element) { self.element = consume element }

  @inlinable
  mutating func open() -> sending Element { element.take()! }
}
