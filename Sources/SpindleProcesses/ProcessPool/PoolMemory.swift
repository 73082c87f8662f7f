internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// The memory that a pool shares with all its workers: the bell that wakes the pool, and the arena for calls too
/// large for a slot.
///
///     0        the bell: a word that changes when somebody rings
///     4096     blocks, each a power of two long
///
/// The parent alone hands out blocks and takes them back; a worker only reads a block of the call that it runs. What
/// has been used is kept for the next call, up to `kept` bytes: memory that is mapped and there costs a copy, new
/// memory several.
// SAFETY: the bell is atomic; a block belongs to whoever it was handed to.
@safe final class PoolMemory: @unchecked Sendable {
  static let firstBlock: UInt64 = 4096
  static let leastSize: UInt64 = 4096
  /// So much is kept for later calls when it is not in use; the rest goes back to the system.
  static let kept: UInt64 = 64 << 20

  /// A part of the arena, with the memory behind it.
  final class Block: Sendable {
    let offset: UInt64
    let size: UInt64
    fileprivate let mapping: SharedMapping
    fileprivate init(offset: UInt64, size: UInt64, mapping: SharedMapping) {
      self.offset = offset
      self.size = size
      self.mapping = mapping
    }

    // SAFETY: belongs to whoever has the block.
    func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
      unsafe UnsafeMutableRawBufferPointer(start: mapping.base, count: min(count, mapping.count))
    }
  }

  private struct Arena {
    var end = PoolMemory.firstBlock
    /// By size: the blocks that nobody has, and whether there is memory behind them.
    var free: [UInt64: [(block: Block, hasMemory: Bool)]] = [:]
    var unused: UInt64 = 0
  }

  let file: SharedFile
  private let head: SharedMapping
  private let arena = RawGuarded(Arena())
  private let bell: UnsafeMutablePointer<Atomic<UInt32>>
  private var word: UnsafePointer<UInt32> { unsafe UnsafeRawPointer(bell).assumingMemoryBound(to: UInt32.self) }

  convenience init() throws(SharedMemoryError) {
    try self.init(SharedFile(label: "spindle-pool", byteCount: Int(Self.firstBlock)))
  }

  init(_ file: SharedFile) throws(SharedMemoryError) {
    self.file = file
    head = try SharedMapping(file, 0..<Int(Self.firstBlock))
    unsafe bell = unsafe head.word32(at: 0)
  }

  // MARK: The bell

  var rings: UInt32 { unsafe bell.pointee.load(ordering: .acquiring) }

  /// W5. Whoever sleeps wakes up.
  func ring() {
    unsafe bell.pointee.wrappingAdd(1, ordering: .releasing)
    unsafe spindle_shared_wake(word, 1)
  }

  /// Sleeps until somebody rings after `heard`, or until the deadline. May return early.
  func sleep(after heard: UInt32, until deadline: Deadline) {
    unsafe spindle_shared_wait(word, heard, deadline.nanoseconds)
  }

  // MARK: The arena

  /// A block for so many bytes, with memory behind them.
  func take(_ count: Int) throws(SharedMemoryError) -> Block {
    var size = Self.leastSize
    while size < UInt64(count) { size *= 2 }
    if let found = arena.withLock({ arena -> (block: Block, hasMemory: Bool)? in
      guard let found = arena.free[size]?.popLast() else { return nil }
      if found.hasMemory { arena.unused -= size }
      return found
    }) {
      if !found.hasMemory {
        do throws(SharedMemoryError) { try commit(found.block) } catch {
          arena.withLock { $0.free[size]!.append((found.block, false)) }
          throw error
        }
      }
      return found.block
    }
    let offset = try arena.withLock { (arena) throws(SharedMemoryError) in
      try file.grow(to: Int(arena.end + size))
      defer { arena.end += size }
      return arena.end
    }
    let range = Int(offset)..<Int(offset + size)
    let block = Block(offset: offset, size: size, mapping: try SharedMapping(file, range))
    try commit(block)
    return block
  }

  private func commit(_ block: Block) throws(SharedMemoryError) {
    try file.commit(Int(block.offset)..<Int(block.offset + block.size))
  }

  /// No worker reads the block any more.
  func giveBack(_ block: Block) {
    let isKept = arena.withLock { arena in
      guard arena.unused + block.size <= Self.kept else { return false }
      arena.unused += block.size
      arena.free[block.size, default: []].append((block, true))
      return true
    }
    if isKept { return }
    file.release(Int(block.offset)..<Int(block.offset + block.size))
    arena.withLock { $0.free[block.size, default: []].append((block, false)) }
  }
}

/// Parts of somebody else's arena, mapped when they are first read, and then kept.
///
/// For one thread at a time.
final class ArenaWindow {
  private static let most = 128
  private let file: SharedFile
  private var mappings: [UInt64: SharedMapping] = [:]

  init(_ file: SharedFile) { self.file = file }

  /// `count` bytes at `offset`; nil when they are not there. What is lent stays mapped while the mapping is held.
  func map(_ offset: UInt64, _ count: Int) -> SharedMapping? {
    if let known = mappings[offset], known.count >= count { return known }
    if mappings.count >= Self.most { mappings = [:] }
    var size = Int(PoolMemory.leastSize)
    while size < count { size *= 2 }
    guard offset % PoolMemory.leastSize == 0, let start = Int(exactly: offset), let total = try? file.byteCount(),
      start <= total, size <= total - start, let mapping = try? SharedMapping(file, start..<start + size)
    else { return nil }
    mappings[offset] = mapping
    return mapping
  }
}
