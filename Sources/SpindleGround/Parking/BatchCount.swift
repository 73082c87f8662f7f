import Synchronization

/// How much of what some wait for was used between one wait and the next, in a place that many use: `SpinPolicy` says what for.
@usableFromInline
package struct BatchCount: ~Copyable, Sendable {
  private let last = Atomic<UInt>(0)
  private let size = Atomic<UInt>(0)

  package init() {}

  /// Whether one was used between the last two waits, or none: it changes hands one by one.
  @usableFromInline
  package var isSingle: Bool { size.load(ordering: .relaxed) <= 1 }

  /// For who has to wait; `now` counts all that was used so far.
  ///
  /// Nothing is exchanged, which would wait for the line: when two ask at once, one may be told of too many or too few.
  package func next(_ now: UInt) -> UInt {
    let before = last.load(ordering: .relaxed)
    last.store(now, ordering: .relaxed)
    let size = now > before ? now - before : 0
    self.size.store(size, ordering: .relaxed)
    return size
  }
}
