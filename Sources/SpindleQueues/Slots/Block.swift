import CSpindle
import Synchronization

/// 31 slots and the address of the block after them.
// SAFETY: see Blocks for who may touch it when.
@usableFromInline
@safe struct Block<Element: ~Copyable> {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable @inline(__always)
  @unsafe init(_ word: UInt) { unsafe base = UnsafeMutableRawPointer(bitPattern: word)! }

  @inlinable @inline(__always)
  var word: UInt { unsafe UInt(bitPattern: base) }

  /// The link comes first. Not in a line of its own: a block of numbers is 504 bytes, and when many wait, memory decides.
  @inlinable @inline(__always)
  static var header: Int { SlotLayout<Element>.offset }

  @inlinable @inline(__always)
  static var byteCount: Int { header + BlockPosition.slots * SlotLayout<Element>.stride }

  @inlinable @inline(__always)
  var next: UnsafeMutablePointer<Atomic<UInt>> { unsafe base.assumingMemoryBound(to: Atomic<UInt>.self) }

  @inlinable @inline(__always)
  func slot(_ index: Int) -> Slot<Element> { unsafe Slot(base + Self.header, index) }

  @inlinable @inline(never)
  static func make() -> Block {
    // Not at a multiple of 128: asked for that, glibc gathers all small blocks that were freed since, each time.
    let base = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: max(16, MemoryLayout<Element>.alignment))
    unsafe base.bindMemory(to: Atomic<UInt>.self, capacity: 1).initialize(to: Atomic(0))
    unsafe Slot<Element>.prepare(base + header, count: BlockPosition.slots)
    return unsafe Block(UInt(bitPattern: base))
  }

  /// Has the block's first so many slots come, all at once. The other side wrote them last, so they lie in another processor's cache,
  /// and each line would be waited for by itself: half the time of a put and a take by two threads.
  @inlinable
  func fetch(_ slots: Int) {
    if slots > 0 { unsafe spindle_fetch_for_writing(base, min(Self.header + slots * SlotLayout<Element>.stride, Self.mostFetched)) }
  }

  /// About as much as a processor can wait for at a time.
  @inlinable
  static var mostFetched: Int { 1024 }

  @inlinable
  var isRead: Bool {
    for index in 0..<BlockPosition.slots where slot(index).load() != Blocks<Element>.read { return false }
    return true
  }

  @inlinable
  func reset() {
    for index in 0..<BlockPosition.slots { slot(index).store(0) }
    unsafe next.pointee.store(0, ordering: .relaxed)
  }

  @inlinable
  func free() { unsafe base.deallocate() }
}
