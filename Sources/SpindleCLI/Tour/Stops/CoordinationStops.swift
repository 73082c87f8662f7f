import Spindle

/// Semaphores, events, barriers, latches.
let coordinationStops: [Stop] = [
  Stop(
    "s = threading.Semaphore(2): acquire(), acquire(blocking=False), acquire(timeout=1), release(n)",
    swift: #"""
      let s = Semaphore(2)
      s.acquire()
      print(s.tryAcquire(), s.tryAcquire())
      print(s.acquire(timeout: .milliseconds(1)))
      s.release(2)
      print(s.tryAcquire())
      """#,
    prints: ["true false", "false", "true"]
  ) { print in
    let s = Semaphore(2)
    s.acquire()
    print(s.tryAcquire(), s.tryAcquire())
    print(s.acquire(timeout: .milliseconds(1)))
    s.release(2)
    print(s.tryAcquire())
  },
  Stop(
    "threading.BoundedSemaphore(1)",
    swift: #"""
      let s = BoundedSemaphore(1)
      s.acquire()
      s.release()  // once more would be a mistake, and trap
      print(s.tryAcquire())
      """#,
    prints: ["true"]
  ) { print in
    let s = BoundedSemaphore(1)
    s.acquire()
    s.release()  // once more would be a mistake, and trap
    print(s.tryAcquire())
  },
  Stop(
    "with semaphore:",
    swift: #"""
      let s = Semaphore(1)
      print(s.withPermit { s.tryAcquire() })
      print(s.tryAcquire())
      """#,
    prints: ["false", "true"]
  ) { print in
    let s = Semaphore(1)
    print(s.withPermit { s.tryAcquire() })
    print(s.tryAcquire())
  },
  Stop(
    "e = threading.Event(): set(), clear(), is_set(), wait(), wait(timeout)",
    swift: #"""
      let e = Event()
      print(e.isSet, e.wait(timeout: .milliseconds(1)))
      let waiter = OSThread.spawn { e.wait() }
      e.set()
      waiter.join()
      print(e.isSet, e.wait(timeout: .zero))
      e.clear()
      print(e.isSet)
      """#,
    prints: ["false false", "true true", "false"]
  ) { print in
    let e = Event()
    print(e.isSet, e.wait(timeout: .milliseconds(1)))
    let waiter = OSThread.spawn { e.wait() }
    e.set()
    waiter.join()
    print(e.isSet, e.wait(timeout: .zero))
    e.clear()
    print(e.isSet)
  },
  Stop(
    "b = threading.Barrier(3, action): b.wait() gives the arrival index",
    swift: #"""
      let b = Barrier(3, action: { print("all are here") })
      let threads = (1...3).map { _ in OSThread.spawn { try b.wait() } }
      print(try threads.map { try $0.join() }.sorted())
      """#,
    prints: ["all are here", "[0, 1, 2]"]
  ) { print in
    let b = Barrier(3, action: { print("all are here") })
    let threads = (1...3).map { _ in OSThread.spawn { try b.wait() } }
    print(try threads.map { try $0.join() }.sorted())
  },
  Stop(
    "b.abort(), b.reset(), b.parties, b.n_waiting, b.broken, threading.BrokenBarrierError",
    swift: #"""
      let b = Barrier(2)
      b.abort()
      print(b.parties, b.waiting, b.isBroken)
      do {
        _ = try b.wait()
      } catch {
        print(error as? BarrierError == .broken)
      }
      b.reset()
      print(b.isBroken)
      """#,
    prints: ["2 0 true", "true", "false"]
  ) { print in
    let b = Barrier(2)
    b.abort()
    print(b.parties, b.waiting, b.isBroken)
    do {
      _ = try b.wait()
    } catch {
      print(error as? BarrierError == .broken)
    }
    b.reset()
    print(b.isBroken)
  },
  Stop(
    "(none in Python: a count that ends waiting when it reaches zero)",
    swift: #"""
      let latch = Latch(3)
      let threads = (1...3).map { _ in OSThread.spawn { latch.countDown() } }
      latch.wait()
      print(latch.count)
      for thread in threads { thread.join() }
      """#,
    prints: ["0"]
  ) { print in
    let latch = Latch(3)
    let threads = (1...3).map { _ in OSThread.spawn { latch.countDown() } }
    latch.wait()
    print(latch.count)
    for thread in threads { thread.join() }
  },
  Stop(
    "await in a task: the same calls",
    swift: #"""
      let s = Semaphore(0)
      let e = Event()
      Task {
        try await s.acquire()
        e.set()
      }
      s.release()
      e.wait()
      print(e.isSet)
      """#,
    prints: ["true"]
  ) { print in
    let s = Semaphore(0)
    let e = Event()
    Task {
      try await s.acquire()
      e.set()
    }
    s.release()
    e.wait()
    print(e.isSet)
  },
]
