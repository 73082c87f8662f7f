import SpindleGround
import Synchronization

/// Told once when a future ends, before its callbacks, on the thread that ended it: `wait` and `asCompleted`.
class FutureObserver: @unchecked Sendable {
  func futureEnded(_ future: AnyFuture) {}
}

extension AnyFuture {
  /// Who wants to know of the end. Made by the first who does; belongs to `listenersLock`.
  final class Listeners {
    enum Phase { case collecting, calling, over }
    var phase = Phase.collecting
    var observers: [FutureObserver] = []
    var callbacks: [(AnyFuture) -> Void] = []
    var called = 0
  }

  //  listener, holding listenersLock               who ends the future
  //  L1 set the bit `listened` if not ended        E1 publish the end, keeping the bit
  //  L2 ended, no bit: nobody will call: call now  E2 bit not set: nobody listens
  //  L3 else append, unless all have been called   E3 take the lock, call what was appended
  //
  // The bit and the stage are one word, so either L1 comes before E1 and E2 sees the bit, or L1 sees the end.

  /// L1, under the lock. True when whoever ends the future will look, is looking, or has looked at the listeners.
  private final func markListened() -> Bool {
    var now = state.load(ordering: .acquiring)
    while now & Self.listened == 0 {
      if now & Self.stages >= Self.value { return false }
      let (exchanged, seen) = state.compareExchange(
        expected: now, desired: now | Self.listened, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      now = seen
    }
    return true
  }

  private final func madeListeners() -> Listeners {
    if let listeners { return listeners }
    let made = Listeners()
    listeners = made
    return made
  }

  /// Calls `callback` once, when the future has ended: on the ending thread after all added before, or now and here.
  final func addCallback(_ callback: @escaping (AnyFuture) -> Void) {
    listenersLock.acquire()
    if markListened() {
      let listeners = madeListeners()
      let mustCall = listeners.phase == .over
      if !mustCall { listeners.callbacks.append(callback) }  // L3
      listenersLock.release()
      if !mustCall { return }
    } else {
      listenersLock.release()
    }
    callback(self)  // L2
  }

  /// Adds an observer. False when the future has ended already: then it is never told.
  final func add(_ observer: FutureObserver) -> Bool {
    listenersLock.acquire()
    defer { listenersLock.release() }
    guard markListened() else { return false }
    let listeners = madeListeners()
    let isInTime = listeners.phase == .collecting
    if isInTime { listeners.observers.append(observer) }
    return isInTime
  }

  final func remove(_ observer: FutureObserver) {
    listenersLock.acquire()
    // Taken out of the list under the lock, released after it: its end may run code that comes back here.
    var removed: FutureObserver?
    if let index = listeners?.observers.firstIndex(where: { $0 === observer }) {
      removed = listeners?.observers.remove(at: index)
    }
    listenersLock.release()
    _ = consume removed
  }

  /// E3: by the one thread that ended the future. No lock is held while others' code runs.
  @inline(never)
  final func notifyListeners() {
    if notifyObservers() { callBack() }
  }

  /// The part of E3 without code of the user. False when there are no callbacks, and whoever adds one now calls it.
  final func notifyObservers() -> Bool {
    listenersLock.acquire()
    let observers = listeners?.observers ?? []
    listeners?.observers = []
    let hasCallbacks = listeners?.callbacks.isEmpty == false
    listeners?.phase = hasCallbacks ? .calling : .over
    listenersLock.release()
    for observer in observers { observer.futureEnded(self) }
    return hasCallbacks
  }

  /// The rest of E3: once, after `notifyObservers` was true.
  package final func callBack() {
    while let callback = nextCallback() { callback(self) }
  }

  private final func nextCallback() -> ((AnyFuture) -> Void)? {
    listenersLock.acquire()
    defer { listenersLock.release() }
    guard let listeners else { return nil }
    if listeners.called == listeners.callbacks.count {
      listeners.callbacks = []
      listeners.phase = .over
      return nil
    }
    let callback = listeners.callbacks[listeners.called]
    // Each is released as soon as it has been called.
    listeners.callbacks[listeners.called] = { _ in }
    listeners.called += 1
    return callback
  }
}
