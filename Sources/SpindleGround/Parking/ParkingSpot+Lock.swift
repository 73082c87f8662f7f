import Synchronization

/// A spot that is a lock: "held" is a bit of the word that says who waits.
///
/// So taking a free lock for which nobody waits is one exchange, from 0; and the one that gives it back tells whether anybody waits: W1
/// and W2 of the protocol are one step. Were they two words, even in one line, the second look would often find the line with
/// another processor, and wait for it to cross once more for each turn of a contended lock.
extension ParkingSpot {
  @inlinable
  package var isHeld: Bool { word.load(ordering: .relaxed) & Self.heldBit != 0 }

  /// Takes the lock if it is free and nobody waits for it. Fails also while somebody has the guard: then try `hold()`.
  @inlinable
  package func holdAlone() -> Bool {
    // Acquiring: pairs with release().
    word.compareExchange(expected: 0, desired: Self.heldBit, ordering: .acquiring).exchanged
  }

  /// Takes the lock if it is free: an attempt for `wait`. Whoever waits is overtaken.
  @inlinable
  package func hold() -> Bool {
    // Look before the exchange: a failed one would take the cache line away from the holder.
    !isHeld && word.bitwiseOr(Self.heldBit, ordering: .acquiring).oldValue & Self.heldBit == 0
  }

  /// Gives the lock back, and wakes the one that has waited longest. False when nobody held it: a mistake that ends the program, because
  /// the word is spoilt by then.
  @inlinable
  package func release() -> Bool {
    // Releasing, for the next holder. Whether it comes before or after the step of a sleeper that lists itself (S2) is settled by the
    // order of changes of this one word: before, and its try (S4) finds the lock free; after, and it is found here.
    let before = word.wrappingSubtract(Self.heldBit, ordering: .releasing).oldValue
    return before == Self.heldBit || releasedTo(before)
  }

  @inline(never) @usableFromInline
  func releasedTo(_ waiters: UInt) -> Bool {
    if waiters & Self.heldBit == 0 { return false }
    _ = end(1, code: 0)
    return true
  }
}
