import CSpindle

/// What a future holds: in turn its work, nothing, and the value or the error.
///
/// Three words and no enum with a `Value` in it: the compiler would destroy that by way of run-time metadata, which costs more than
/// all else at a future's end. The future's stage says what the first two are:
///
///     pending     the code of the work's closure or function, and the code of the one that does it; or, when somebody else does it, zeros
///     running     nothing
///     value       the value; or, if it needs more room, the address of memory of its own
///     failed      the error
///     cancelled   nothing
///
/// The third is the same in all stages: the address of what the work captured, 0 for nothing. Its lowest bit says that the memory in which
/// the captures lie, or lay, is freed with the future, by the thread that submitted the work more often than not. A worker that freed it would
/// write what the allocator of that thread reads with each call, and give it memory that lies in another processor's cache: two hundred
/// thousand futures took 1.3 times as long. What was captured is not kept: it is released when the work has been done.
// SAFETY: the stage says what is initialized. Whoever moved it out of `pending` owns the words until an end is published; from then
// on they are constant. The third is constant from the making on.
@usableFromInline
@safe struct FutureContent {
  @usableFromInline var words: (UInt, UInt, UInt) = (0, 0, 0)

  /// Objects lie at multiples of 16.
  @usableFromInline static var keptBit: UInt { 1 }

  @inlinable
  init() {}

  /// A closure alone would be wrapped once more before it is laid into memory.
  @usableFromInline
  struct Runner {
    @usableFromInline let body: (AnyFuture) -> Void

    @inlinable @inline(__always)
    init(_ body: consuming @escaping (AnyFuture) -> Void) { self.body = consume body }
  }

  /// At the end of making a future with work, whose closure or function lies in the first two words: keeps the closure that does it, and the
  /// memory of its captures. Not a method of the future, which the compiler would retain meanwhile.
  @inlinable @inline(__always)
  static func keep(_ runner: Runner, in words: UnsafeMutablePointer<UInt>) {
    let captures = unsafe words[1]
    let isKept = captures != 0 && spindle_keep_memory(captures) != 0
    unsafe words[2] = isKept ? captures | keptBit : captures
    let (code, context) = unsafe withUnsafePointer(to: runner) { unsafe UnsafeRawPointer($0).load(as: (UInt, UInt).self) }
    // It captures something only where the compiler did not know the value's type. `doWork` does the same then.
    unsafe words[1] = context == 0 ? code : 0
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

  /// The same as words.
  @inlinable @inline(__always)
  final var words: UnsafeMutablePointer<UInt> { unsafe place.assumingMemoryBound(to: UInt.self) }

  /// The address of what the work captured, 0 for nothing.
  @inlinable @inline(__always)
  final var captures: UInt { unsafe words[2] & ~FutureContent.keptBit }

  /// The closure or function of a future that has just left `pending`, as what was laid there.
  @inlinable @inline(__always)
  final func take<Closure>(_: Closure.Type) -> Closure {
    var closure = unsafe (words[0], captures)
    return unsafe withUnsafeMutablePointer(to: &closure) { unsafe spindle_untyped($0).assumingMemoryBound(to: Closure.self).move() }
  }

  /// Does the work of a future that has just left `pending`.
  @inline(__always)
  final func run() {
    if unsafe words[1] == 0 { return doWork() }
    unsafe withUnsafePointer(to: (words[1], 0 as UInt)) {
      unsafe UnsafeRawPointer($0).assumingMemoryBound(to: FutureContent.Runner.self).pointee.body(self)
    }
  }

  /// Releases the work of a future that has not begun, if it has some.
  final func dropWork() {
    if unsafe words[0] == 0 { return }
    dropArgument()
    guard let captures = unsafe UnsafeRawPointer(bitPattern: captures) else { return }
    unsafe Unmanaged<AnyObject>.fromOpaque(captures).release()
  }

  /// At the end of the future.
  final func freeCaptures() {
    if unsafe words[2] & FutureContent.keptBit != 0 { spindle_free_memory(captures) }
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
    init(_ body: consuming @escaping () throws -> Value) { self.body = consume body }
  }

  @inlinable @inline(__always)
  static var fits: Bool {
    MemoryLayout<Value>.size <= MemoryLayout<(UInt, UInt)>.size && MemoryLayout<Value>.alignment <= MemoryLayout<UInt>.alignment
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
