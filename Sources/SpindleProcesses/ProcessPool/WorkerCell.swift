internal import CSpindle

/// A few numbers that a worker and its parent share, so that the parent knows them also when the worker has died.
///
///     worker                                   parent
///     C1 receives its n-th call                D1 the worker has ended: nothing is written any more
///     C2 begun = n                             D2 begun == number of calls handed to it?
///     C3 runs user code                           yes: the last call was running, and is lost with the worker
///     C4 sends the reply                          no: it was not begun, and another worker runs it
///
/// A reply that was sent is delivered before the end of its worker is, so D2 is asked only for calls without one.
// SAFETY: the memory is mapped as long as this object lives; its words are read and written atomically.
@safe final class WorkerCell: @unchecked Sendable {
  private static let byteCount = 4096

  private let words: UnsafeMutablePointer<UInt64>
  /// The parent's, until the worker has its own.
  let descriptor: OwnedDescriptor

  /// New memory; nil when the system has none, or no descriptor.
  convenience init?() {
    let number = unsafe spindle_memory_create("spindle-worker", Self.byteCount)
    guard number >= 0 else { return nil }
    self.init(OwnedDescriptor(owning: number))
  }

  /// The memory behind a descriptor that the parent sent.
  init?(_ descriptor: OwnedDescriptor) {
    guard let memory = unsafe spindle_memory_map(descriptor.number, Self.byteCount) else { return nil }
    unsafe words = memory.bindMemory(to: UInt64.self, capacity: Self.byteCount / 8)
    self.descriptor = descriptor
  }

  deinit { unsafe spindle_memory_unmap(words, Self.byteCount) }

  /// How many calls the worker has begun.
  var begun: UInt64 {
    get { unsafe spindle_word_load(words) }
    set { unsafe spindle_word_store(words, newValue) }
  }

  /// The number of the last call that was asked to stop. On a cache line of its own, for the worker reads it often.
  var stopped: UInt64 {
    get { unsafe spindle_word_load(words + 8) }
    set { unsafe spindle_word_store(words + 8, newValue) }
  }
}
