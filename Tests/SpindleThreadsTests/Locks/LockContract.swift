import Spindle
import SpindleTestSupport
import Synchronization
import Testing

/// What every lock-like thing promises, whatever it is made of. A kind joins by one line in `kinds`.
struct LockKind: Sendable, CustomTestStringConvertible {
  let name: String
  let acquire: @Sendable () -> Void
  let tryAcquire: @Sendable () -> Bool
  let timed: @Sendable (Duration) -> Bool
  let release: @Sendable () -> Void
  let isLocked: @Sendable () -> Bool
  var testDescription: String { name }

  /// Made anew for each test.
  static var kinds: [LockKind] {
    let lock = Lock()
    let rlock = RLock()
    let semaphore = Semaphore(1)
    let bounded = BoundedSemaphore(1)
    let writing = ReadWriteLock()
    let condition = Condition(Lock())
    return [
      LockKind(
        name: "Lock", acquire: { lock.acquire() }, tryAcquire: { lock.tryAcquire() },
        timed: { lock.acquire(timeout: $0) }, release: { lock.release() }, isLocked: { lock.isLocked }),
      LockKind(
        name: "RLock", acquire: { rlock.acquire() }, tryAcquire: { rlock.tryAcquire() },
        timed: { rlock.acquire(timeout: $0) }, release: { rlock.release() }, isLocked: { rlock.isLocked }),
      LockKind(
        name: "Semaphore(1)", acquire: { semaphore.acquire() }, tryAcquire: { semaphore.tryAcquire() },
        timed: { semaphore.acquire(timeout: $0) }, release: { semaphore.release() },
        isLocked: { semaphore.available == 0 }),
      LockKind(
        name: "BoundedSemaphore(1)", acquire: { bounded.acquire() }, tryAcquire: { bounded.tryAcquire() },
        timed: { bounded.acquire(timeout: $0) }, release: { bounded.release() },
        isLocked: { bounded.available == 0 }),
      LockKind(
        name: "ReadWriteLock, to write", acquire: { writing.acquireWrite() }, tryAcquire: { writing.tryAcquireWrite() },
        timed: { writing.acquireWrite(timeout: $0) }, release: { writing.releaseWrite() },
        isLocked: { !writing.tryAcquireRead() || { writing.releaseRead(); return false }() }),
      LockKind(
        name: "Condition(Lock())", acquire: { condition.acquire() }, tryAcquire: { condition.tryAcquire() },
        timed: { condition.acquire(timeout: $0) }, release: { condition.release() },
        isLocked: { !condition.tryAcquire() || { condition.release(); return false }() }),
    ]
  }
}

@Suite("Every lock", .watchdog()) struct LockContract {
  @Test("is free when made, held after acquire, free after release", arguments: LockKind.kinds)
  func states(lock: LockKind) {
    #expect(!lock.isLocked())
    lock.acquire()
    #expect(race(threads: 1) { _ in lock.isLocked() } == [true])
    lock.release()
    #expect(!lock.isLocked())
  }

  @Test("is not had by a second thread that tries", arguments: LockKind.kinds)
  func secondTry(lock: LockKind) {
    lock.acquire()
    #expect(race(threads: 1) { _ in lock.tryAcquire() } == [false])
    lock.release()
    #expect(lock.tryAcquire())
    lock.release()
  }

  @Test("ends a timed wait without it when time runs out", arguments: LockKind.kinds)
  func timeOut(lock: LockKind) {
    lock.acquire()
    #expect(race(threads: 1) { _ in lock.timed(.milliseconds(5)) } == [false])
    lock.release()
    #expect(lock.timed(.milliseconds(5)))
    lock.release()
  }

  @Test("tries once when the time-out is zero or less", arguments: LockKind.kinds)
  func zeroTimeOut(lock: LockKind) {
    #expect(lock.timed(.zero))
    #expect(race(threads: 1) { _ in lock.timed(.zero) || lock.timed(.seconds(-1)) } == [false])
    lock.release()
  }

  @Test("accepts the longest time-out there is", arguments: LockKind.kinds)
  func longestTimeOut(lock: LockKind) {
    #expect(lock.timed(Duration(secondsComponent: .max, attosecondsComponent: 0)))
    lock.release()
  }

  @Test("lets one thread in at a time", arguments: LockKind.kinds)
  func exclusion(lock: LockKind) {
    let ledger = PermitLedger(permits: 1)
    let count = Unguarded(0)
    race(threads: 6) { _ in
      for _ in 0..<2000 {
        lock.acquire()
        ledger.hold { count.value += 1 }
        lock.release()
      }
    }
    #expect(ledger.complaints == [])
    #expect(count.value == 12_000)
  }

  @Test("survives a storm of tries, time-outs and waits", arguments: LockKind.kinds)
  func storm(lock: LockKind) {
    let ledger = PermitLedger(permits: 1)
    let count = Unguarded(0)
    let taken = race(threads: 6) { index in
      var random = SplitMix64(seed: UInt64(index) + 1)
      var taken = 0
      for _ in 0..<1500 {
        let got =
          switch random.next() % 4 {
          case 0: lock.tryAcquire()
          case 1: lock.timed(.microseconds(Int(random.next() % 50)))
          case 2: lock.timed(.seconds(60))
          default: { lock.acquire(); return true }()
          }
        guard got else { continue }
        ledger.hold { count.value += 1 }
        lock.release()
        taken += 1
      }
      return taken
    }
    #expect(ledger.complaints == [])
    #expect(count.value == taken.reduce(0, +))
    #expect(!lock.isLocked())
  }

  @Test("passes on what was written under it", arguments: LockKind.kinds)
  func visibility(lock: LockKind) {
    let pair = Unguarded((0, 0))
    let torn = race(threads: 4) { _ in
      var torn = 0
      for _ in 0..<2000 {
        lock.acquire()
        if pair.value.0 != pair.value.1 { torn += 1 }
        pair.value.0 += 1
        pair.value.1 += 1
        lock.release()
      }
      return torn
    }
    #expect(torn == [0, 0, 0, 0])
  }
}

/// A variable that only the lock under test protects.
// SAFETY: that is what the tests test, and what ThreadSanitizer watches.
final class Unguarded<Value>: @unchecked Sendable {
  var value: Value
  init(_ value: Value) { self.value = value }
}
