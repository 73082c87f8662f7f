import Spindle

/// Locks and conditions.
let lockStops: [Stop] = [
  Stop(
    "lock.acquire(), acquire(blocking=False), acquire(timeout=1), release(), locked()",
    swift: #"""
      let lock = Lock()
      lock.acquire()
      print(lock.isLocked, lock.tryAcquire(), lock.acquire(blocking: false))
      print(lock.acquire(timeout: .milliseconds(1)))
      lock.release()
      print(lock.isLocked)
      """#,
    prints: ["true false false", "false", "false"]
  ) { print in
    let lock = Lock()
    lock.acquire()
    print(lock.isLocked, lock.tryAcquire(), lock.acquire(blocking: false))
    print(lock.acquire(timeout: .milliseconds(1)))
    lock.release()
    print(lock.isLocked)
  },
  Stop(
    "with lock:",
    swift: #"""
      let lock = Lock()
      let answer = lock.withLock { 6 * 7 }
      print(answer, lock.isLocked)
      """#,
    prints: ["42 false"]
  ) { print in
    let lock = Lock()
    let answer = lock.withLock { 6 * 7 }
    print(answer, lock.isLocked)
  },
  Stop(
    "(none in Python: a value and its lock)",
    swift: #"""
      let sum = Guarded(0)
      let threads = (1...4).map { n in
        OSThread.spawn { for _ in 0..<100 { sum.withLock { $0 += n } } }
      }
      for thread in threads { thread.join() }
      print(sum.withLock { $0 })
      """#,
    prints: ["1000"]
  ) { print in
    let sum = Guarded(0)
    let threads = (1...4).map { n in
      OSThread.spawn { for _ in 0..<100 { sum.withLock { $0 += n } } }
    }
    for thread in threads { thread.join() }
    print(sum.withLock { $0 })
  },
  Stop(
    "threading.RLock()",
    swift: #"""
      let lock = RLock()
      lock.acquire()
      print(lock.tryAcquire(), lock.isHeldByCurrentThread)
      let other = OSThread.spawn { lock.tryAcquire() }
      print(other.join())
      lock.release()
      lock.release()
      print(lock.isHeldByCurrentThread)
      """#,
    prints: ["true true", "false", "false"]
  ) { print in
    let lock = RLock()
    lock.acquire()
    print(lock.tryAcquire(), lock.isHeldByCurrentThread)
    let other = OSThread.spawn { lock.tryAcquire() }
    print(other.join())
    lock.release()
    lock.release()
    print(lock.isHeldByCurrentThread)
  },
  Stop(
    "(none in Python: many readers or one writer)",
    swift: #"""
      let lock = ReadWriteLock()
      let other = lock.withReadLock {
        OSThread.spawn { (lock.tryAcquireRead(), lock.tryAcquireWrite()) }.join()
      }
      print(other)
      """#,
    prints: ["(true, false)"]
  ) { print in
    let lock = ReadWriteLock()
    let other = lock.withReadLock {
      OSThread.spawn { (lock.tryAcquireRead(), lock.tryAcquireWrite()) }.join()
    }
    print(other)
  },
  Stop(
    "cv = threading.Condition(lock); with cv: while not p: cv.wait(); cv.notify()",
    swift: #"""
      let cv = Condition(Lock())
      let isReady = Guarded(false)
      let waiter = OSThread.spawn {
        cv.withLock { while !isReady.withLock({ $0 }) { cv.wait() } }
        return "woken"
      }
      cv.withLock {
        isReady.withLock { $0 = true }
        cv.notify()
      }
      print(waiter.join())
      """#,
    prints: ["woken"]
  ) { print in
    let cv = Condition(Lock())
    let isReady = Guarded(false)
    let waiter = OSThread.spawn {
      cv.withLock { while !isReady.withLock({ $0 }) { cv.wait() } }
      return "woken"
    }
    cv.withLock {
      isReady.withLock { $0 = true }
      cv.notify()
    }
    print(waiter.join())
  },
  Stop(
    "cv.wait(timeout=0.001), cv.wait_for(p, timeout=0.001)",
    swift: #"""
      let cv = Condition()
      cv.withLock {
        print(cv.wait(timeout: .milliseconds(1)))
        print(cv.wait(timeout: .milliseconds(1), until: { false }))
        print(cv.wait(timeout: .milliseconds(1), until: { true }))
      }
      """#,
    prints: ["false", "false", "true"]
  ) { print in
    let cv = Condition()
    cv.withLock {
      print(cv.wait(timeout: .milliseconds(1)))
      print(cv.wait(timeout: .milliseconds(1), until: { false }))
      print(cv.wait(timeout: .milliseconds(1), until: { true }))
    }
  },
  Stop(
    "cv.notify(2), cv.notify_all()",
    swift: #"""
      let cv = Condition()
      let tickets = Guarded(0)
      let waiters = (1...5).map { _ in
        OSThread.spawn {
          cv.withLock {
            while tickets.withLock({ $0 }) == 0 { cv.wait() }
            tickets.withLock { $0 -= 1 }
          }
        }
      }
      cv.withLock {
        tickets.withLock { $0 = 2 }
        cv.notify(2)
      }
      cv.withLock {
        tickets.withLock { $0 += 3 }
        cv.notifyAll()
      }
      for waiter in waiters { waiter.join() }
      print(tickets.withLock { $0 })
      """#,
    prints: ["0"]
  ) { print in
    let cv = Condition()
    let tickets = Guarded(0)
    let waiters = (1...5).map { _ in
      OSThread.spawn {
        cv.withLock {
          while tickets.withLock({ $0 }) == 0 { cv.wait() }
          tickets.withLock { $0 -= 1 }
        }
      }
    }
    cv.withLock {
      tickets.withLock { $0 = 2 }
      cv.notify(2)
    }
    cv.withLock {
      tickets.withLock { $0 += 3 }
      cv.notifyAll()
    }
    for waiter in waiters { waiter.join() }
    print(tickets.withLock { $0 })
  },
]
