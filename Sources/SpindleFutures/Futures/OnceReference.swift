import Synchronization

/// An object that is made when somebody first wants it, and then stays: one word, with which it is retained.
///
/// Not an `AtomicLazyReference`, whose code lies in the standard library: not specialised, and invisible to ThreadSanitizer.
// SAFETY: the word is 0 or names an object that it retains, and is set once.
struct OnceReference<Object: AnyObject & Sendable>: ~Copyable, Sendable {
  private let word = Atomic<UInt>(0)

  deinit {
    if let pointer = unsafe UnsafeRawPointer(bitPattern: word.load(ordering: .acquiring)) {
      unsafe Unmanaged<Object>.fromOpaque(pointer).release()
    }
  }

  /// The object, if there is one already.
  var existing: Object? {
    // Acquiring: pairs with keep().
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: word.load(ordering: .acquiring)) else { return nil }
    return unsafe Unmanaged<Object>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// Keeps `new`, unless there is an object already; returns the one that there is.
  @discardableResult
  func keep(_ new: Object) -> Object {
    let reference = unsafe Unmanaged.passRetained(new)
    let word = unsafe UInt(bitPattern: reference.toOpaque())
    if self.word.compareExchange(expected: 0, desired: word, ordering: .acquiringAndReleasing).exchanged { return new }
    unsafe reference.release()
    return existing!
  }
}
