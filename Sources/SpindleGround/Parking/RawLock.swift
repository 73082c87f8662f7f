import Synchronization

/// The smallest lock: three states on a futex word, for what the ground floor itself must guard.
///
/// 0 free, 1 held, 2 held and somebody may sleep. Not fair; sections under it are a few lines.
/// Everyone above uses `Lock`.
package struct RawLock: ~Copyable, Sendable {
  private let state = Atomic<UInt32>(0)

  package init() {}

  package func acquire() {
    if state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return }
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

  package func release() {
    // Releasing: pairs with the acquiring exchange of the next holder.
    if state.exchange(0, ordering: .releasing) == 2 { wake(state) }
  }
}

/// A value behind a `RawLock`.
// SAFETY: `value` is touched only between acquire and release.
package final class RawGuarded<Value>: @unchecked Sendable {
  private let lock = RawLock()
  private var value: Value

  package init(_ value: sending Value) { self.value = value }

  package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
    lock.acquire()
    defer { lock.release() }
    return try body(&value)
  }
}
