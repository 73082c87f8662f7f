import Synchronization

/// The smallest lock: three states on a futex word, for what the ground floor itself must guard.
///
/// 0 free, 1 held, 2 held and somebody may sleep. Not fair; sections under it are a few lines.
/// Everyone above uses `Lock`.
@usableFromInline
package struct RawLock: ~Copyable, Sendable {
  @usableFromInline let state = Atomic<UInt32>(0)

  @inlinable
  package init() {}

  @inlinable
  package func acquire() {
    if state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return }
    acquireSlowly()
  }

  @inline(never) @usableFromInline
  func acquireSlowly() {
    var spin = SpinPolicy()
    while spin.pauseOrYield() {
      if state.load(ordering: .relaxed) == 0,
        state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
      {
        return
      }
    }
    while state.exchange(2, ordering: .acquiring) != 0 {
      _ = sleep(on: state, while: 2, until: .never)
    }
  }

  @inlinable
  package func release() {
    // Releasing: pairs with the acquiring exchange of the next holder.
    if state.exchange(0, ordering: .releasing) == 2 { wakeNext() }
  }

  @inline(never) @usableFromInline
  func wakeNext() { wake(state) }
}

/// A value behind a `RawLock`.
// SAFETY: `value` is touched only between acquire and release: the lock, which is not recursive, sees to it that no two
// accesses overlap.
@usableFromInline
package final class RawGuarded<Value>: @unchecked Sendable {
  @usableFromInline let lock = RawLock()
  @exclusivity(unchecked) @usableFromInline var value: Value

  @inlinable
  package init(_ value: sending Value) { unsafe self.value = value }

  // Inlined: otherwise each use costs a look for the types at run time, several times the lock.
  @inlinable
  package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
    lock.acquire()
    defer { lock.release() }
    return try unsafe body(&value)
  }
}
