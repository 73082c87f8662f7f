import Synchronization

/// Where in raw memory slots lie: a stamp, and beside it, in the same cache line if it fits, the element.
@usableFromInline
@safe struct SlotLayout<Element: ~Copyable> {
  /// From the stamp to the element.
  @inlinable @inline(__always)
  static var offset: Int { max(MemoryLayout<UInt>.size, MemoryLayout<Element>.alignment) }

  /// From one stamp to the next.
  @inlinable @inline(__always)
  static var stride: Int {
    let alignment = max(MemoryLayout<UInt>.alignment, MemoryLayout<Element>.alignment)
    return (offset + MemoryLayout<Element>.size + alignment - 1) / alignment * alignment
  }

  @inlinable @inline(__always)
  static var alignment: Int { max(QueueState.alignment, MemoryLayout<Element>.alignment) }
}

/// One place for an element. Only who claimed the place touches the element; the stamp says whose turn it is.
// SAFETY: the memory lives as long as the queue (or, for a block, until all its readers are done).
@usableFromInline
@safe struct Slot<Element: ~Copyable> {
  @usableFromInline let address: UnsafeMutableRawPointer

  @inlinable @inline(__always)
  init(_ base: UnsafeMutableRawPointer, _ index: Int) {
    unsafe address = base + index &* SlotLayout<Element>.stride
  }

  @inlinable @inline(__always)
  func load() -> UInt {
    // Acquiring: pairs with store(), and makes the element (or its absence) visible.
    unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee.load(ordering: .acquiring)
  }

  @inlinable @inline(__always)
  func store(_ stamp: UInt) {
    // Releasing: publishes the element (or its absence).
    unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee.store(stamp, ordering: .releasing)
  }

  @inlinable @inline(__always)
  func fill(_ element: consuming Element) {
    unsafe (address + SlotLayout<Element>.offset).assumingMemoryBound(to: Element.self).initialize(to: element)
  }

  @inlinable @inline(__always)
  func empty() -> Element {
    unsafe (address + SlotLayout<Element>.offset).assumingMemoryBound(to: Element.self).move()
  }

  /// Prepares `count` slots in fresh memory, all with stamp 0.
  @inlinable
  static func prepare(_ base: UnsafeMutableRawPointer, count: Int) {
    for index in 0..<count {
      unsafe Slot(base, index).address.bindMemory(to: Atomic<UInt>.self, capacity: 1).initialize(to: Atomic(0))
    }
  }
}
