internal import SpindleGround

/// An array of fixed length in memory that processes share, with a lock: Python's `multiprocessing.Array`.
///
///     func fill(_ squares: SharedArray<Double>, _ from: Int) {
///       for i in from..<from + 500 { squares[i] = Double(i * i) }
///     }
///     let squares = SharedArray<Double>(count: 1000)
///     // hand it to two children; when they have ended, squares[999] == 998001
///
/// The elements are of a type that is copied by its bits, as for ``SharedValue``. It is sent to other processes as
/// ``SharedLock`` is; nothing of it is copied. It is seen through ``span`` and ``mutableSpan``, or element by element: an index
/// out of bounds is a mistake and ends the program.
///
/// Reading and writing elements takes no lock: those who write what others use at the same time agree by `withLock`, by
/// another shared lock, or by taking different elements. A process that dies while it writes leaves elements written and
/// not written; ``lock`` says then that its holder died.
// SAFETY: base and count are constant; what lies there is shared, and its users guard it as the documentation says.
@safe public final class SharedArray<Element: BitwiseCopyable & Sendable>: Codable, @unchecked Sendable {
  private let block: SharedBlock
  private let core: SharedRLockCore
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// How many elements it has.
  public let count: Int

  private static var lockOffset: Int { SharedBlock.headSize }
  /// A multiple of every alignment a type may have here.
  private static var elementsOffset: Int { 4096 }

  private init(_ block: SharedBlock, count: Int) {
    self.block = block
    self.count = count
    core = SharedRLockCore(in: block.mapping, at: Self.lockOffset)
    unsafe base = (block.mapping.base + Self.elementsOffset).assumingMemoryBound(to: Element.self)
  }

  private static func byteCount(_ count: Int) -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    if count < 0 || overflow {
      mistake("a SharedArray of \(count) elements; the count must be 0 or more, and fit in memory")
    }
    return bytes &+ elementsOffset &- SharedBlock.headSize
  }

  private static var numbers: [Int] { [MemoryLayout<Element>.size, MemoryLayout<Element>.stride] }

  private convenience init(uninitialized count: Int) {
    self.init(
      SharedBlock(.array, label: "spindle-array", byteCount: Self.byteCount(count), [count] + Self.numbers),
      count: count)
  }

  /// Makes an array of `count` elements, all `element`.
  public convenience init(repeating element: Element, count: Int) {
    self.init(uninitialized: count)
    // SAFETY: room for `count` elements; nobody else has it yet.
    unsafe base.initialize(repeating: element, count: count)
  }

  /// Makes an array with these elements.
  public convenience init(_ elements: some Collection<Element>) {
    self.init(uninitialized: elements.count)
    for (index, element) in elements.enumerated() { self[index] = element }
  }

  /// Makes an array of `count` zeros, whose memory is taken only as it is used.
  public convenience init(count: Int) where Element: Numeric { self.init(uninitialized: count) }

  /// Makes an array of `count` zeros and takes all of its memory from the system, or throws why there is none.
  public convenience init(committing count: Int) throws(SharedMemoryError) where Element: Numeric {
    let block = try SharedBlock(
      committing: .array, label: "spindle-array", byteCount: Self.byteCount(count), [count] + Self.numbers)
    self.init(block, count: count)
  }

  // MARK: Elements

  /// One element. An index outside of `0..<count` is a mistake and ends the program.
  @inlinable
  public subscript(index: Int) -> Element {
    get {
      check(index)
      return unsafe base[index]
    }
    set {
      check(index)
      unsafe base[index] = newValue
    }
  }

  @inlinable
  func check(_ index: Int) {
    // Both at once: a negative index is a very large number.
    if UInt(bitPattern: index) >= UInt(bitPattern: count) { outOfBounds(index) }
  }

  @inline(never) @usableFromInline
  func outOfBounds(_ index: Int) -> Never {
    mistake("index \(index) of a SharedArray of \(count) elements; it must be 0 or more, and less than the count")
  }

  /// The elements, to read; bounds checked. Others may write them meanwhile.
  @inlinable
  public var span: Span<Element> {
    @_lifetime(borrow self)
    get {
      // SAFETY: `count` elements, mapped as long as this object lives, on which the span depends.
      let span = unsafe Span(_unsafeStart: base, count: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The elements, to read and to write; bounds checked. Others may read and write them meanwhile.
  @inlinable
  public var mutableSpan: MutableSpan<Element> {
    @_lifetime(borrow self)
    get {
      // SAFETY: as for `span`.
      let span = unsafe MutableSpan(_unsafeStart: base, count: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Runs `body` with the elements while this thread holds the array's lock.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquire(until: .never)
    defer { core.release() }
    var span = mutableSpan
    return try body(&span)
  }

  /// The array's lock: Python's `get_lock()`. Recursive, so `withLock` may be used while it is held.
  public var lock: SharedRLock { SharedRLock(in: block, at: Self.lockOffset) }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(block.attachment())
  }

  /// The array that another process sent.
  public convenience init(from decoder: any Decoder) throws {
    let descriptor = try decoder.singleValueContainer().decode(AttachedDescriptor.self).descriptor
    let block = try SharedBlock(received: descriptor, .array)
    let most = (block.mapping.count - Self.elementsOffset) / MemoryLayout<Element>.stride
    guard most >= 0 else { throw SharedBlock.isOther(.array) }
    let count = try block.number(0, in: 0...most, .array)
    for (index, number) in Self.numbers.enumerated() { _ = try block.number(1 + index, in: number...number, .array) }
    self.init(block, count: count)
  }
}

extension SharedArray: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }

  public func withContiguousStorageIfAvailable<Result>(
    _ body: (UnsafeBufferPointer<Element>) throws -> Result
  ) rethrows -> Result? {
    try unsafe body(UnsafeBufferPointer(start: base, count: count))
  }
}
