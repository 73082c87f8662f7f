internal import SpindleGround

/// Bytes that processes share: Python's `multiprocessing.shared_memory.SharedMemory`, without a name.
///
///     func count(_ image: SharedMemory) -> Int { (0..<image.byteCount).count { image[$0] == 0xFF } }
///     let image = SharedMemory(byteCount: 64 << 20)
///     load(into: image)
///     let n = try pool.submit(count, image).result()      // nothing of it is copied
///
/// All zero at first; its memory is taken as it is used. It is sent to other processes as ``SharedLock`` is, has no name in any
/// file system, needs neither `close` nor `unlink`, and is gone with the last process that has it. Nobody can make it
/// smaller: what is mapped stays readable whatever others do.
///
/// It is seen through ``bytes`` and ``mutableBytes``, byte by byte, or as values of a type that is copied by its bits. A place
/// out of bounds is a mistake and ends the program. There is no lock: those who write what others use at the same
/// time agree by a ``SharedLock``, a ``SharedEvent`` or a message.
// SAFETY: base and count are constant; what lies there is shared, and its users guard it as the documentation says.
@safe public final class SharedMemory: Codable, @unchecked Sendable {
  private let block: SharedBlock
  @usableFromInline let base: UnsafeMutableRawPointer
  /// How many bytes it has.
  public let byteCount: Int

  private static var offset: Int { 4096 }

  private init(_ block: SharedBlock, byteCount: Int) {
    self.block = block
    self.byteCount = byteCount
    unsafe base = unsafe block.mapping.base + Self.offset
  }

  /// Makes `byteCount` zero bytes, whose memory is taken only as it is used. A count below 0 is a mistake.
  public convenience init(byteCount: Int) {
    self.init(
      SharedBlock(.memory, label: "spindle-memory", byteCount: Self.total(byteCount), [byteCount]), byteCount: byteCount
    )
  }

  /// Makes `byteCount` zero bytes and takes all of the memory from the system, or throws why there is none.
  public convenience init(committing byteCount: Int) throws(SharedMemoryError) {
    let block = try SharedBlock(
      committing: .memory, label: "spindle-memory", byteCount: Self.total(byteCount), [byteCount])
    self.init(block, byteCount: byteCount)
  }

  private static func total(_ byteCount: Int) -> Int {
    if byteCount < 0 { mistake("a SharedMemory of \(byteCount) bytes; the count must be 0 or more") }
    return byteCount.addingReportingOverflow(offset - SharedBlock.headSize).partialValue
  }

  // MARK: Bytes

  /// One byte. A place outside of `0..<byteCount` is a mistake and ends the program.
  @inlinable
  public subscript(offset: Int) -> UInt8 {
    get {
      check(offset, 1)
      return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
    }
    set {
      check(offset, 1)
      unsafe base.storeBytes(of: newValue, toByteOffset: offset, as: UInt8.self)
    }
  }

  /// The bytes, to read; bounds checked. Others may write them meanwhile.
  @inlinable
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // SAFETY: so many bytes, mapped as long as this object lives, on which the span depends.
      let span = unsafe RawSpan(_unsafeStart: base, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes, to read and to write; bounds checked. Others may read and write them meanwhile.
  @inlinable
  public var mutableBytes: MutableRawSpan {
    @_lifetime(borrow self)
    get {
      // SAFETY: as for `bytes`.
      let span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The value whose bits begin at `offset`, which need not be aligned.
  @inlinable
  public func load<Value: BitwiseCopyable>(fromByteOffset offset: Int = 0, as type: Value.Type) -> Value {
    check(offset, MemoryLayout<Value>.size)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// Writes the bits of a value at `offset`, which need not be aligned.
  @inlinable
  public func store<Value: BitwiseCopyable>(_ value: Value, toByteOffset offset: Int = 0) {
    check(offset, MemoryLayout<Value>.size)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  /// Copies bytes into the memory, beginning at `offset`.
  public func copy(_ bytes: some Collection<UInt8>, toByteOffset offset: Int = 0) {
    check(offset, bytes.count)
    // SAFETY: there is room for so many bytes, as was just checked.
    unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: bytes.count).copyBytes(from: bytes)
  }

  @inlinable
  func check(_ offset: Int, _ count: Int) {
    if offset < 0 || count > byteCount || offset > byteCount - count { outOfBounds(offset, count) }
  }

  @inline(never) @usableFromInline
  func outOfBounds(_ offset: Int, _ count: Int) -> Never {
    mistake("\(count) bytes at \(offset) of a SharedMemory of \(byteCount) bytes")
  }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(block.attachment())
  }

  /// The memory that another process sent.
  public convenience init(from decoder: any Decoder) throws {
    let descriptor = try decoder.singleValueContainer().decode(AttachedDescriptor.self).descriptor
    let block = try SharedBlock(received: descriptor, .memory)
    let most = block.mapping.count - Self.offset
    guard most >= 0 else { throw SharedBlock.isOther(.memory) }
    self.init(block, byteCount: try block.number(0, in: 0...most, .memory))
  }
}
