/// What a future holds: in turn its work, nothing, and the value or the error.
///
/// Two words and what they are, and no enum with a `Value` in it: the compiler would destroy that by way of run-time metadata,
/// which costs more than all else at a future's end. A value of up to two words lies in them, any other in memory of its own.
// SAFETY: `kind` says what the words are, and that it is initialized.
@usableFromInline
@safe struct FutureContent {
  @usableFromInline
  enum Kind: UInt8 {
    case empty, work, failure
    /// A value that is mere bits, in the words.
    case bits
    /// Any other value, in the words or, if it does not fit, where the first word says.
    case value
  }

  @usableFromInline var words: (UInt, UInt) = (0, 0)
  @usableFromInline var kind = Kind.empty

  @inlinable
  init() {}

  /// Releases what lies here, except a value, whose type is not known here.
  mutating func clear() {
    var old = self
    kind = .empty
    switch old.kind {
    case .work:
      // The second word of a closure is the object with what it captured; 0 for nothing.
      if let context = unsafe UnsafeRawPointer(bitPattern: old.words.1) { unsafe Unmanaged<AnyObject>.fromOpaque(context).release() }
    case .failure:
      unsafe withUnsafeMutablePointer(to: &old.words) {
        _ = unsafe UnsafeMutableRawPointer($0).assumingMemoryBound(to: (any Error).self).move()
      }
    case .empty, .bits, .value: break
    }
  }
}

extension Future {
  /// A closure alone would be wrapped once more before it is laid into memory.
  @usableFromInline
  struct Work {
    @usableFromInline let body: () throws -> Value

    @inlinable @inline(__always)
    init(_ body: __owned @escaping () throws -> Value) { self.body = body }
  }

  @inlinable @inline(__always)
  static var fits: Bool {
    MemoryLayout<Value>.size <= MemoryLayout<(UInt, UInt)>.size && MemoryLayout<Value>.alignment <= MemoryLayout<UInt>.alignment
  }

  /// Where the value lies, or is to lie: for who owns the content.
  @inlinable @inline(__always)
  var valuePlace: UnsafeMutablePointer<Value> {
    if Self.fits { return unsafe place.assumingMemoryBound(to: Value.self) }
    return unsafe UnsafeMutablePointer(bitPattern: content.words.0).unsafelyUnwrapped
  }

  @inlinable @inline(__always)
  func put(_ work: __owned Work) {
    unsafe place.initializeMemory(as: Work.self, to: work)
    unsafe content.kind = .work
  }

  /// Nothing lies here before.
  @inlinable @inline(__always)
  func put(_ value: __owned Value) {
    if !Self.fits { unsafe content.words.0 = UInt(bitPattern: UnsafeMutablePointer<Value>.allocate(capacity: 1)) }
    unsafe valuePlace.initialize(to: value)
    unsafe content.kind = Self.fits && _isPOD(Value.self) ? .bits : .value
  }

  /// At the end of a future whose value is more than bits.
  @inline(never)
  func destroyValue() {
    unsafe valuePlace.deinitialize(count: 1)
    if !Self.fits { unsafe valuePlace.deallocate() }
  }

  @inlinable @inline(__always)
  var value: Value? {
    // A pointer keeps nothing alive: a future that is a mere temporary could end before the value is copied.
    defer { extendLifetime(self) }
    let kind = unsafe content.kind
    if kind != .bits, kind != .value { return nil }
    if !Self.fits { return unsafe UnsafePointer<Value>(bitPattern: content.words.0).unsafelyUnwrapped.pointee }
    return unsafe withUnsafePointer(to: content.words) { unsafe UnsafeRawPointer($0).assumingMemoryBound(to: Value.self).pointee }
  }
}

extension AnyFuture {
  /// Where the content lies: in a stored property, which stays where it is. For who owns it: those who read an ended future may
  /// be several, and this counts as a modification.
  @inlinable @inline(__always)
  final var place: UnsafeMutableRawPointer {
    unsafe withUnsafeMutablePointer(to: &content.words) { UnsafeMutableRawPointer($0) }
  }

  /// Nothing lies here before.
  @usableFromInline
  final func put(failure: any Error) {
    unsafe place.initializeMemory(as: (any Error).self, to: failure)
    unsafe content.kind = .failure
  }

  @usableFromInline
  final var failure: (any Error)? {
    defer { extendLifetime(self) }
    if unsafe content.kind != .failure { return nil }
    return unsafe withUnsafePointer(to: content.words) { unsafe UnsafeRawPointer($0).assumingMemoryBound(to: (any Error).self).pointee }
  }
}
