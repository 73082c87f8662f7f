import CSpindle

/// A future for a function and its argument, which lies in the future itself.
///
/// A closure that captures the argument has memory of its own, to be had from the allocator and given back: as much work again
/// as all else that is done for a short job.
// SAFETY: as for all futures; who owns the content's words owns the argument.
@usableFromInline
final class CallFuture<Argument: Sendable, Value: Sendable>: Future<Value>, @unchecked Sendable {
  /// Words, for the reason that `FutureContent` gives. With one or three the C library would give as much memory, or more.
  @exclusivity(unchecked) @usableFromInline final var room: (UInt, UInt) = (0, 0)

  @inlinable @inline(__always)
  static var fitsArgument: Bool {
    MemoryLayout<Argument>.size <= MemoryLayout<(UInt, UInt)>.size
      && MemoryLayout<Argument>.alignment <= MemoryLayout<UInt>.alignment
  }

  /// A closure alone would be wrapped once more before it is laid into memory.
  @usableFromInline
  struct Function {
    @usableFromInline let body: (Argument) throws -> Value

    @inlinable @inline(__always)
    init(_ body: consuming @escaping (Argument) throws -> Value) { self.body = consume body }
  }

  /// A future for `function(argument)`, which `execute` will do. The argument fits.
  @inlinable
  init(home: UInt32, _ function: consuming @escaping (Argument) throws -> Value, _ argument: consuming Argument) {
    super.init(state: AnyFuture.pending, home: home)
    unsafe argumentPlace.initialize(to: argument)
    let place = unsafe self.place
    unsafe place.initializeMemory(as: Function.self, to: Function(consume function))
    // Made here, where the types are known, so that it is specialised.
    let runner = FutureContent.Runner { future in
      // SAFETY: the closure is stored in an object of this very class, and called with that object.
      unsafe unsafeDowncast(future, to: CallFuture<Argument, Value>.self).doWork()
    }
    unsafe FutureContent.keep(runner, in: place.assumingMemoryBound(to: UInt.self))
  }

  @inlinable @inline(__always)
  final var argumentPlace: UnsafeMutablePointer<Argument> {
    let address = unsafe withUnsafeMutablePointer(to: &room) { UnsafeMutableRawPointer($0) }
    return unsafe spindle_untyped(address).assumingMemoryBound(to: Argument.self)
  }

  @inlinable
  override func doWork() {
    publish(outcome { try unsafe take(Function.self).body(argumentPlace.move()) })
  }

  override func dropArgument() { unsafe argumentPlace.deinitialize(count: 1) }
}
