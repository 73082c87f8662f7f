import SpindleGround
import Synchronization

/// Told once when a future ends, before its callbacks, on the thread that ended it: `wait` and `asCompleted`.
class FutureObserver: @unchecked Sendable {
  func futureEnded(_ future: AnyFuture) {}
}

extension AnyFuture {
  /// What only some futures need: who sleeps until the end, who wants to know of it, and the token. Made by the first who asks.
  // SAFETY: the variables belong to `lock`.
  final class Extras: @unchecked Sendable {
    let spot = ParkingSpot()
    let lock = RawLock()
    enum Phase { case collecting, calling, over }
    var phase = Phase.collecting
    var observers: [FutureObserver] = []
    var callbacks: [(AnyFuture) -> Void] = []
    var called = 0
    let token = OnceReference<CancellationToken>()
  }

  final var extras: Extras { extrasWord.existing ?? extrasWord.keep(Extras()) }

  //  listener, holding the lock of the extras      who ends the future
  //  L1 set the bit `listened` if not ended        E1 publish the end, keeping the bits
  //  L2 ended, no bit: nobody will call: call now  E2 no bit set: nobody sleeps, nobody listens
  //  L3 else append, unless all have been called   E3 `awaited`: wake all; `listened`: take the lock, call what was appended
  //
  // The bits and the stage are one word, so either L1 comes before E1 and E2 sees the bit, or L1 sees the end. The same for who
  // sets `awaited` before it sleeps.

  /// L1, under the lock: true when whoever ends the future will look, is looking, or has looked at the listeners. Of who is about
  /// to sleep: true when whoever ends the future will wake it.
  final func mark(_ bit: UInt32) -> Bool {
    var now = state.load(ordering: .acquiring)
    while now & bit == 0 {
      if now & Self.stages >= Self.value { return false }
      let (exchanged, seen) = state.compareExchange(expected: now, desired: now | bit, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      now = seen
    }
    return true
  }

  /// Calls `callback` once, when the future has ended: on the ending thread after all added before, or now and here.
  final func addCallback(_ callback: @escaping (AnyFuture) -> Void) {
    let extras = extras
    extras.lock.acquire()
    let isInTime = mark(Self.listened) && extras.phase != .over
    if isInTime { extras.callbacks.append(callback) }  // L3
    extras.lock.release()
    if !isInTime { callback(self) }  // L2
  }

  /// Adds an observer. False when the future has ended already: then it is never told.
  final func add(_ observer: FutureObserver) -> Bool {
    let extras = extras
    extras.lock.acquire()
    defer { extras.lock.release() }
    guard mark(Self.listened), extras.phase == .collecting else { return false }
    extras.observers.append(observer)
    return true
  }

  final func remove(_ observer: FutureObserver) {
    guard let extras = extrasWord.existing else { return }
    extras.lock.acquire()
    // Taken out of the list under the lock, released after it: its end may run code that comes back here.
    var removed: FutureObserver?
    if let index = extras.observers.firstIndex(where: { $0 === observer }) {
      removed = extras.observers.remove(at: index)
    }
    extras.lock.release()
    _ = consume removed
  }

  /// E3: by the one thread that ended the future. No lock is held while others' code runs.
  @inline(never)
  final func notify() {
    if wakeAndNotifyObservers() { callBack() }
  }

  /// The part of E3 without code of the user. False when there are no callbacks, and whoever adds one now calls it.
  @inline(never)
  final func wakeAndNotifyObservers() -> Bool {
    let extras = extras
    extras.spot.wakeAll()
    guard state.load(ordering: .relaxed) & Self.listened != 0 else { return false }
    extras.lock.acquire()
    let observers = extras.observers
    extras.observers = []
    let hasCallbacks = !extras.callbacks.isEmpty
    extras.phase = hasCallbacks ? .calling : .over
    extras.lock.release()
    for observer in observers { observer.futureEnded(self) }
    return hasCallbacks
  }

  /// The rest of E3: once, after `notifyObservers` was true.
  package final func callBack() {
    let extras = extras
    while let callback = extras.nextCallback() { callback(self) }
  }
}

extension AnyFuture.Extras {
  fileprivate func nextCallback() -> ((AnyFuture) -> Void)? {
    lock.acquire()
    defer { lock.release() }
    if called == callbacks.count {
      callbacks = []
      phase = .over
      return nil
    }
    let callback = callbacks[called]
    // Each is released as soon as it has been called.
    callbacks[called] = { _ in }
    called += 1
    return callback
  }
}
