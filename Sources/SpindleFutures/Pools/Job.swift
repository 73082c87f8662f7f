import CSpindle

/// What a pool's line holds: a future, or a closure whose end nobody asks for. Two words.
///
/// It owns what it names: it is run or dropped, once.
// SAFETY: the words are those of a closure, or 0 and a retained future; only `run` and `drop` give them back.
@usableFromInline
@safe struct Job: @unchecked Sendable {
  private var code: UInt = 0
  private var context: UInt = 0

  /// A closure alone would be wrapped once more before it is laid into memory.
  private struct Closure { let body: @Sendable () -> Void }

  /// A future that no other thread knows yet.
  init(new future: AnyFuture) {
    let reference = unsafe Unmanaged.passUnretained(future).toOpaque()
    unsafe spindle_retain_unshared(reference)
    context = UInt(bitPattern: reference)
  }

  @usableFromInline
  init(_ body: consuming @escaping @Sendable () -> Void) {
    let closure = Closure(body: body)
    unsafe withUnsafeMutablePointer(to: &self) {
      _ = unsafe spindle_untyped($0).initializeMemory(as: Closure.self, to: closure)
    }
  }

  private var future: Unmanaged<AnyFuture>? {
    code == 0 ? unsafe Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: context)!) : nil
  }

  private consuming func closure() -> Closure {
    var words = self
    return unsafe withUnsafeMutablePointer(to: &words) {
      unsafe spindle_untyped($0).assumingMemoryBound(to: Closure.self).move()
    }
  }

  /// Does it on this thread. What it captured is released before this returns.
  @inline(__always)
  consuming func run() {
    if let future = unsafe future {
      unsafe future.takeRetainedValue().execute()
    } else {
      closure().body()
    }
  }

  /// It is not to run: releases a closure; gives back a future, to be ended in some other way.
  consuming func drop() -> AnyFuture? {
    if let future = unsafe future { return unsafe future.takeRetainedValue() }
    _ = closure()
    return nil
  }
}
