import CSpindle

/// What a future holds: in turn its work, nothing, and the value or the error.
///
/// Four words and no enum with a `Value` in it: the compiler would destroy that by way of run-time metadata, which costs more than
/// all else at a future's end. The future's stage says what they are:
///
///     pending     the work's closure, and the one that does it; or, when somebody else does it, zeros
///     running     nothing
///     value       the value; or, if it needs more room, the address of memory of its own
///     failed      the error
///     cancelled   nothing
// SAFETY: the stage says what is initialized. Whoever moved it out of `pending` owns the words until an end is published; from then
// on they are constant.
@usableFromInline
@safe struct FutureContent {
  @usableFromInline var words: (UInt, UInt, UInt, UInt) = (0, 0, 0, 0)

  @inlinable
  init() {}

  /// A closure alone would be wrapped once more before it is laid into memory.
  @usableFromInline
  struct Runner {
    @usableFromInline let body: (AnyFuture) -> Void

    @inlinable @inline(__always)
    init(_ body: __owned @escaping (AnyFuture) -> Void) { self.body = body }
  }
}

extension AnyFuture {
  /// Where the content lies: in a stored property, which stays where it is. Everything is written by way of this address, behind
  /// which the compiler sees no words. For who owns it: those who read an ended future may be several, and this counts as a
  /// modification.
  @inlinable @inline(__always)
  final var place: UnsafeMutableRawPointer {
    unsafe spindle_untyped(withUnsafeMutablePointer(to: &content.words) { UnsafeMutableRawPointer($0) })
  }

  /// Where the closure lies that does the work of a pending future.
  @inlinable @inline(__always)
  final var runnerPlace: UnsafeMutablePointer<FutureContent.Runner> {
    unsafe (place + MemoryLayout<(UInt, UInt)>.size).assumingMemoryBound(to: FutureContent.Runner.self)
  }

  /// Releases the work of a future that has not begun, if it has some.
  final func dropWork() {
    let words = unsafe place.assumingMemoryBound(to: UInt.self)
    // The first word of a closure is its code. The second is the object with what it captured, 0 for nothing.
    if unsafe words[0] == 0 { return }
    for context in unsafe [words[1], words[3]] where context != 0 {
      unsafe Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(bitPattern: context)!).release()
    }
  }

  /// Nothing lies here before.
  @usableFromInline
  final func put(failure: any Error) {
    unsafe place.initializeMemory(as: (any Error).self, to: failure)
  }

  /// The error of a future that has failed.
  @usableFromInline
  final var failure: any Error {
    // A pointer keeps nothing alive: a future that is a mere temporary could end before the error is copied.
    defer { extendLifetime(self) }
    return unsafe withUnsafePointer(to: content.words) { unsafe UnsafeRawPointer($0).assumingMemoryBound(to: (any Error).self).pointee }
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
    MemoryLayout<Value>.size <= MemoryLayout<FutureContent>.size && MemoryLayout<Value>.alignment <= MemoryLayout<UInt>.alignment
  }

  /// Where the value lies, or is to lie.
  @inlinable @inline(__always)
  final var valuePlace: UnsafeMutablePointer<Value> {
    if Self.fits { return unsafe place.assumingMemoryBound(to: Value.self) }
    return unsafe place.assumingMemoryBound(to: UnsafeMutablePointer<Value>.self).pointee
  }

  /// Nothing lies here before.
  @inlinable @inline(__always)
  final func put(_ value: __owned Value) {
    if !Self.fits { unsafe place.initializeMemory(as: UnsafeMutablePointer<Value>.self, to: .allocate(capacity: 1)) }
    unsafe valuePlace.initialize(to: value)
  }

  /// The value of a future that has one.
  @inlinable @inline(__always)
  final var value: Value {
    // As for `failure`.
    defer { extendLifetime(self) }
    if !Self.fits { return unsafe UnsafePointer<Value>(bitPattern: content.words.0).unsafelyUnwrapped.pointee }
    return unsafe withUnsafePointer(to: content.words) { unsafe UnsafeRawPointer($0).assumingMemoryBound(to: Value.self).pointee }
  }

  /// At the end of a future that has a value.
  @inline(never)
  final func destroyValue() {
    unsafe valuePlace.deinitialize(count: 1)
    if !Self.fits { unsafe valuePlace.deallocate() }
  }
}
