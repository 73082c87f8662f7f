import CSpindle
import Synchronization

/// One of two closures of a `join`, for any worker to call: it lies on the stack of the thread that forked it, whose
/// frame waits until the job is taken back or done.
// SAFETY: the words are called while the frame that made them waits.
@usableFromInline
@safe struct ForkJob: ~Copyable {
  @usableFromInline let closure: spindle_closure
  @usableFromInline let stage = Atomic<UInt32>(0)

  @usableFromInline static var pending: UInt32 { 0 }
  /// The thread that forked it is about to sleep until it is done.
  static var awaited: UInt32 { 1 }
  static var done: UInt32 { 2 }

  @inlinable @inline(__always)
  init(_ closure: spindle_closure) { unsafe self.closure = closure }
}

/// The two words of a closure that does not escape. They are valid until `keepClosure` is called with it.
@_silgen_name("spindle_words_of_closure")
@usableFromInline
func wordsOfClosure(_ body: () -> Void) -> spindle_closure

/// Keeps a closure and what it captured alive up to here: the optimiser must assume that this calls it.
@_silgen_name("spindle_keep_closure")
@usableFromInline
func keepClosure(_ body: () -> Void)

/// A forked job as one word: the address of a `ForkJob`, or, with the lowest bit set, of a `ScopeJob` that it retains.
@usableFromInline
struct ForkItem: Equatable {
  @usableFromInline let word: UInt

  @inlinable @inline(__always)
  init(word: UInt) { self.word = word }

  @inlinable @inline(__always)
  init(_ job: UnsafeMutablePointer<ForkJob>) { word = UInt(bitPattern: job) }

  init(_ job: ScopeJob) { unsafe word = UInt(bitPattern: Unmanaged.passRetained(job).toOpaque()) | 1 }
}
