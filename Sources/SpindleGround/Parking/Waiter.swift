import CSpindle
import Synchronization

/// One sleeping thread or task, known to the parking spot it sleeps on.
///
///     waiting ──► suspended ──► woken(code)        the waker chose it
///        │            │
///        └────────────┴───────► gaveUp             time ran out, or its task was cancelled
///
/// `waiting`: not asleep yet, a waker need not call the kernel. `suspended`: asleep on the futex word `state`, or
/// its continuation is stored. Whoever takes it out of the spot's list (under the spot's guard) decides the end.
// SAFETY: the links belong to the guard of the spot that lists it; `continuation` is written before the releasing
// exchange to `suspended` and read only by the one who then takes `suspended` away with an acquiring exchange.
@safe package final class Waiter: @unchecked Sendable {
  let state = Atomic<UInt32>(Waiter.waiting)
  var next: Waiter?
  var previous: Waiter?
  var isListed = false
  private var continuation: UnsafeContinuation<Void, Never>?

  static let waiting: UInt32 = 0
  static let suspended: UInt32 = 1
  static let gaveUp: UInt32 = 2
  /// Woken with code 0; code n is `woken + n`.
  static let woken: UInt32 = 3

  init() {}

  /// The waker's code when it has ended by being woken.
  var wakeCode: UInt32? {
    let now = state.load(ordering: .acquiring)  // pairs with the exchange in end(as:)
    return now >= Waiter.woken ? now - Waiter.woken : nil
  }

  /// Makes it ready to sleep once more. Only for its own thread or task, when it is in no list.
  func reset() { state.store(Waiter.waiting, ordering: .relaxed) }

  /// Ends the sleep. Called once per sleep by whoever took it out of the list, after the guard was released.
  func end(as end: UInt32) {
    // Releasing: what the waker did before is seen by the sleeper. Acquiring: reads the stored continuation.
    guard state.exchange(end, ordering: .acquiringAndReleasing) == Waiter.suspended else { return }
    if let continuation = unsafe self.continuation {
      unsafe continuation.resume()
    } else {
      wake(state)
    }
  }

  /// Sleeps as a thread until ended or until the deadline. True when ended.
  func sleep(until deadline: Deadline, spinning: Bool) -> Bool {
    if spinning {
      var spin = SpinPolicy()
      repeat {
        if state.load(ordering: .acquiring) != Waiter.waiting { return true }
      } while spin.pauseOrYield()
    }
    let (exchanged, seen) = state.compareExchange(
      expected: Waiter.waiting, desired: Waiter.suspended, ordering: .acquiringAndReleasing)
    // Suspended already: the sleep of a waiter whose time ran out, but whom a waker has taken, goes on.
    guard exchanged || seen == Waiter.suspended else { return true }
    while state.load(ordering: .acquiring) == Waiter.suspended {
      if !SpindleGround.sleep(on: state, while: Waiter.suspended, until: deadline) {
        return state.load(ordering: .acquiring) != Waiter.suspended
      }
    }
    return true
  }

  /// Sleeps as a task until ended.
  func suspend() async {
    await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      unsafe self.continuation = continuation
      if !state.compareExchange(expected: Waiter.waiting, desired: Waiter.suspended, ordering: .acquiringAndReleasing).exchanged {
        unsafe continuation.resume()
      }
    }
  }
}

/// Sleeps while `word` holds `value`. False when the deadline has passed; may return true early.
package func sleep(on word: borrowing Atomic<UInt32>, while value: UInt32, until deadline: Deadline) -> Bool {
  unsafe withUnsafePointer(to: word) {
    unsafe spindle_wait(UnsafeRawPointer($0).assumingMemoryBound(to: UInt32.self), value, deadline.nanoseconds) != 0
  }
}

/// Wakes the threads that sleep on `word`.
package func wake(_ word: borrowing Atomic<UInt32>, count: Int32 = 1) {
  unsafe withUnsafePointer(to: word) {
    unsafe spindle_wake(UnsafeRawPointer($0).assumingMemoryBound(to: UInt32.self), count)
  }
}
