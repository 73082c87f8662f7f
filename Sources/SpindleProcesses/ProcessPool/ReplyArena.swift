internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Where a worker puts replies that are too large for a slot: memory of its own, which its parent reads.
///
///     0        one word for each block: whose it is
///     4096     blocks, each a power of two long
///
/// The worker alone makes blocks; it sets a block's word to `unread` when it writes a reply there, the parent resets
/// it when it has read the reply. So neither waits for the other: while all blocks are unread the worker sends a
/// message instead.
// SAFETY: words are atomic. A block belongs to the parent while its word is `unread`, to the worker otherwise.
@safe final class ReplyArena: @unchecked Sendable {
  static let firstBlock = 4096
  private static let most = 128
  private static let readAndKept: UInt32 = 0
  private static let unread: UInt32 = 1
  /// Read, and its memory was given back.
  private static let readAndGone: UInt32 = 2
  /// The parent gives memory beyond this back to the system as soon as it has read it.
  private static let kept: UInt64 = 32 << 20

  let file: SharedFile
  private let head: SharedMapping

  convenience init() throws(SharedMemoryError) {
    try self.init(SharedFile(label: "spindle-replies", byteCount: Self.firstBlock))
  }

  init(_ file: SharedFile) throws(SharedMemoryError) {
    self.file = file
    head = try SharedMapping(file, 0..<Self.firstBlock)
    window = ArenaWindow(file)
  }

  private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt32>> { unsafe head.word32(at: index * 4) }

  // MARK: The worker

  private struct Block {
    var offset: UInt64
    var mapping: SharedMapping
  }
  private var blocks: [Block] = []
  private var end = UInt64(ReplyArena.firstBlock)

  /// Copies a reply to a block that the parent has read; its offset, which says which block it is. Nil when there is
  /// none and none can be made.
  func write(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
    guard let index = free(for: bytes.count), let target = unsafe blocks[index].mapping.base as UnsafeMutableRawPointer?
    else { return nil }
    let offset = blocks[index].offset
    // Without memory behind it writing would fail where no error can be thrown.
    if unsafe word(index).pointee.load(ordering: .relaxed) == Self.readAndGone {
      guard (try? file.commit(Int(offset)..<Int(offset) + blocks[index].mapping.count)) != nil else { return nil }
    }
    unsafe target.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    // Ordered before the parent's reading by the slot of the reply.
    unsafe word(index).pointee.store(Self.unread, ordering: .relaxed)
    FaultPoint.largeReplyWritten.reach()
    return offset | UInt64(index)
  }

  private func free(for count: Int) -> Int? {
    var best: Int?
    for (index, block) in blocks.enumerated() where block.mapping.count >= count {
      // Acquiring: pairs with `release`, so that the parent's reading is over.
      if best == nil || block.mapping.count < blocks[best!].mapping.count,
        unsafe word(index).pointee.load(ordering: .acquiring) != Self.unread
      {
        best = index
      }
    }
    if let best, blocks[best].mapping.count <= 4 * count { return best }
    var size = Int(PoolMemory.leastSize)
    while size < count { size *= 2 }
    guard blocks.count < Self.most, (try? file.grow(to: Int(end) + size)) != nil,
      let mapping = try? SharedMapping(file, Int(end)..<Int(end) + size)
    else { return best }
    unsafe word(blocks.count).pointee.store(Self.readAndGone, ordering: .relaxed)
    blocks.append(Block(offset: end, mapping: mapping))
    end += UInt64(size)
    return blocks.count - 1
  }

  // MARK: The parent

  private let window: ArenaWindow
  private let space = RawGuarded<(kept: UInt64, sizes: [Int: UInt64])>((0, [:]))

  /// A reply that the worker wrote, until `release`. Under the pool's lock.
  func read(_ place: UInt64, _ count: Int) -> LargeReply? {
    let index = Int(place & UInt64(PoolMemory.leastSize - 1))
    let offset = place - UInt64(index)
    guard index < Self.most, offset >= UInt64(Self.firstBlock), let mapping = window.map(offset, count) else { return nil }
    space.withLock { space in
      if let size = space.sizes.removeValue(forKey: index) { space.kept -= size }
    }
    return LargeReply(self, index: index, offset: offset, mapping: mapping, count: count)
  }

  fileprivate func release(_ reply: borrowing LargeReply) {
    let size = UInt64(reply.mapping.count)
    let isKept = space.withLock { space in
      guard space.kept + size <= Self.kept else { return false }
      space.kept += size
      space.sizes[reply.index] = size
      return true
    }
    if !isKept { file.release(Int(reply.offset)..<Int(reply.offset) + reply.mapping.count) }
    // Releasing: the worker writes there next.
    unsafe word(reply.index).pointee.store(isKept ? Self.readAndKept : Self.readAndGone, ordering: .releasing)
  }
}

/// A reply in a worker's arena; its block is the worker's again when this object goes.
final class LargeReply: Sendable {
  private let arena: ReplyArena
  let index: Int
  let offset: UInt64
  let mapping: SharedMapping
  let count: Int

  init(_ arena: ReplyArena, index: Int, offset: UInt64, mapping: SharedMapping, count: Int) {
    self.arena = arena
    self.index = index
    self.offset = offset
    self.mapping = mapping
    self.count = count
  }

  deinit { arena.release(self) }

  // SAFETY: the worker does not write there before the object goes.
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: mapping.base, count: count) }
}
