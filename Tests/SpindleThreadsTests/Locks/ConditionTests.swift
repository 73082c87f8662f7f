import Spindle
import SpindleTestSupport
import Testing

/// A condition on each kind of lock.
enum ConditionKind: CaseIterable, Sendable {
  case lock, rlock, own
  func make() -> Condition {
    switch self {
    case .lock: Condition(Lock())
    case .rlock: Condition(RLock())
    case .own: Condition()
    }
  }
}

@Suite("Condition", .watchdog()) struct ConditionTests {
  /// Starts `count` threads that wait on `condition`; `body` runs when all wait. Returns how many were woken by it.
  private func waking(_ count: Int, on condition: Condition, body: @escaping @Sendable () -> Void) -> Int {
    let waiting = Guarded(0)
    let woken = Guarded(0)
    race(threads: count + 1) { index in
      if index < count {
        condition.withLock {
          waiting.withLock { $0 += 1 }
          condition.wait()
          woken.withLock { $0 += 1 }
        }
        return
      }
      // Who has counted itself holds the lock until it waits: with the lock in hand and all counted, all wait.
      while condition.withLock({ waiting.withLock { $0 } }) < count { OSThread.yield() }
      body()
    }
    return woken.withLock { $0 }
  }

  @Test("notifyAll wakes all who wait", arguments: ConditionKind.allCases)
  func notifyAll(kind: ConditionKind) {
    let condition = kind.make()
    #expect(waking(4, on: condition) { condition.withLock { condition.notifyAll() } } == 4)
  }

  @Test("notify(n) wakes exactly n of those who wait", arguments: ConditionKind.allCases)
  func notifyExactly(kind: ConditionKind) {
    let condition = kind.make()
    let waiting = Guarded(0)
    let woken = Semaphore(0)
    race(threads: 6) { index in
      if index < 5 {
        condition.withLock {
          waiting.withLock { $0 += 1 }
          condition.wait()
        }
        woken.release()
        return
      }
      while condition.withLock({ waiting.withLock { $0 } }) < 5 { OSThread.yield() }
      for (notified, expected) in [(2, 2), (0, 0), (1, 1), (9, 2)] {
        condition.withLock { condition.notify(notified) }
        for _ in 0..<expected { woken.acquire() }
        #expect(!woken.tryAcquire(), "notify(\(notified)) woke more than \(expected)")
      }
    }
  }

  @Test("a notification that nobody waits for is not remembered", arguments: ConditionKind.allCases)
  func notRemembered(kind: ConditionKind) {
    let condition = kind.make()
    condition.withLock {
      condition.notify(3)
      #expect(!condition.wait(timeout: .milliseconds(2)))
    }
  }

  @Test("wait holds the lock again when it returns, as often as before") func depth() {
    let lock = RLock()
    let condition = Condition(lock)
    lock.acquire()
    lock.acquire()
    #expect(!condition.wait(timeout: .milliseconds(1)))
    lock.release()
    #expect(lock.isHeldByCurrentThread)
    lock.release()
    #expect(!lock.isLocked)
  }

  @Test("wait(until:) returns when the predicate is true, and looks at it with the lock held") func predicate() {
    let lock = Lock()
    let condition = Condition(lock)
    let value = Unguarded(0)
    race(threads: 2) { index in
      if index == 0 {
        condition.withLock {
          condition.wait(until: { lock.isLocked && value.value == 5 })
          #expect(value.value == 5)
        }
      } else {
        for _ in 0..<5 {
          condition.withLock {
            value.value += 1
            condition.notify()
          }
        }
      }
    }
  }

  @Test("wait(timeout:until:) returns the predicate's last value when time runs out") func predicateTimeOut() {
    let condition = Condition()
    condition.withLock {
      #expect(!condition.wait(timeout: .milliseconds(2), until: { false }))
      #expect(!condition.wait(timeout: .zero, until: { false }))
      #expect(condition.wait(timeout: .zero, until: { true }))
    }
  }

  @Test("several conditions on one lock do not wake each other's waiters") func shared() {
    let lock = Lock()
    let (full, empty) = (Condition(lock), Condition(lock))
    let slot = Unguarded<Int?>(nil)
    let sums = race(threads: 4) { index in
      var sum = 0
      for number in 0..<1000 {
        lock.withLock {
          if index % 2 == 0 {
            while slot.value != nil { empty.wait() }
            slot.value = number
            full.notify()
          } else {
            while slot.value == nil { full.wait() }
            sum += slot.value!
            slot.value = nil
            empty.notify()
          }
        }
      }
      return sum
    }
    let sum: Int = sums.reduce(0, +)
    #expect(sum == 999_000)
  }

  @Test("no notification is lost on a wait whose time runs out", arguments: ConditionKind.allCases)
  func storm(kind: ConditionKind) {
    // Each token is announced by one notify(). If a wait that timed out swallowed one, a patient waiter would hang.
    let condition = kind.make()
    let tokens = Unguarded(0)
    let taken = race(threads: 6) { index in
      var random = SplitMix64(seed: UInt64(index) + 3)
      var taken = 0
      for _ in 0..<600 {
        condition.withLock {
          if index < 3 {
            tokens.value += 1
            condition.notify()
          } else {
            while tokens.value == 0 {
              if random.next() % 2 == 0 { condition.wait() } else { condition.wait(timeout: .microseconds(Int(random.next() % 30))) }
            }
            tokens.value -= 1
            taken += 1
          }
        }
      }
      return taken
    }
    #expect(taken == [0, 0, 0, 600, 600, 600])
    #expect(tokens.value == 0)
  }

  @Test("waiting or notifying without the lock ends the program") func withoutTheLock() async {
    let wait = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { waitWithoutLock() }
    #expect(message(of: wait).contains("wait() of a Condition without its lock"))
    let notify = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { Condition().notify() }
    #expect(message(of: notify).contains("notify() of a Condition without its lock"))
    let all = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { Condition(Lock()).notifyAll() }
    #expect(message(of: all).contains("notifyAll() of a Condition without its lock"))
    // Also when there is nothing to wait for: the mistake is told whenever it is made.
    let until = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { waitWithoutLock { true } }
    #expect(message(of: until).contains("wait(until:) of a Condition without its lock"))
    let timed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      waitWithoutLock(timeout: .zero) { false }
    }
    #expect(message(of: timed).contains("wait(timeout:until:) of a Condition without its lock"))
  }
}

private func waitWithoutLock() { Condition().wait() }
private func waitWithoutLock(until predicate: () -> Bool) { Condition().wait(until: predicate) }
private func waitWithoutLock(timeout: Duration, until predicate: () -> Bool) {
  Condition(Lock()).wait(timeout: timeout, until: predicate)
}
