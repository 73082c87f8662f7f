import Glibc
import Spindle

/// What processes share.
let sharedStops: [Stop] = [
  Stop(
    "lock = mp.Lock(), v = mp.Value('i', 0); with v.get_lock(): v.value += 1",
    swift: #"""
      let lock = SharedLock()
      let total = SharedValue(0)
      let work = { @Sendable (lock: SharedLock, total: SharedValue<Int>) in
        lock.withLock { total.value += 1 }
        total.withLock { $0 += 1 }
      }
      let children = (0..<2).map { _ in ChildProcess(target: work, lock, total) }
      for child in children { child.start() }
      for child in children { try child.join() }
      print(total.value, lock.isLocked)
      """#,
    prints: ["4 false"]
  ) { print in
    let lock = SharedLock()
    let total = SharedValue(0)
    let work = { @Sendable (lock: SharedLock, total: SharedValue<Int>) in
      lock.withLock { total.value += 1 }
      total.withLock { $0 += 1 }
    }
    let children = (0..<2).map { _ in ChildProcess(target: work, lock, total) }
    for child in children { child.start() }
    for child in children { try child.join() }
    print(total.value, lock.isLocked)
  },
  Stop(
    "(none in Python, which waits for ever: a holder that died is reported, never waited for)",
    swift: #"""
      let lock = SharedLock()
      let p = ChildProcess(
        target: { (lock: SharedLock) in
          lock.acquire()
          _exit(1)
        }, lock)
      p.start()
      _ = try? p.join()
      let death = lock.acquire()
      print(death?.pid == p.pid)
      lock.recover()
      lock.release()
      print(lock.acquire() == nil)
      """#,
    prints: ["true", "true"]
  ) { print in
    let lock = SharedLock()
    let p = ChildProcess(
      target: { (lock: SharedLock) in
        lock.acquire()
        _exit(1)
      }, lock)
    p.start()
    _ = try? p.join()
    let death = lock.acquire()
    print(death?.pid == p.pid)
    lock.recover()
    lock.release()
    print(lock.acquire() == nil)
  },
  Stop(
    "mp.RLock(), mp.Condition(); cv.wait_for(p), cv.notify()",
    swift: #"""
      let changed = SharedCondition(SharedRLock())
      let count = SharedValue(0)
      let add = { @Sendable (changed: SharedCondition, count: SharedValue<Int>) in
        changed.withLock {
          count.value = 3
          changed.notify()
        }
      }
      let p = ChildProcess(target: add, changed, count)
      p.start()
      changed.withLock { changed.wait { count.value == 3 } }
      print(count.value)
      try p.join()
      """#,
    prints: ["3"]
  ) { print in
    let changed = SharedCondition(SharedRLock())
    let count = SharedValue(0)
    let add = { @Sendable (changed: SharedCondition, count: SharedValue<Int>) in
      changed.withLock {
        count.value = 3
        changed.notify()
      }
    }
    let p = ChildProcess(target: add, changed, count)
    p.start()
    changed.withLock { changed.wait { count.value == 3 } }
    print(count.value)
    try p.join()
  },
  Stop(
    "mp.Semaphore(2), mp.BoundedSemaphore(2), mp.Event(): the calls of threading",
    swift: #"""
      let permits = SharedBoundedSemaphore(2)
      let ready = SharedEvent()
      let p = ChildProcess(
        target: { (s: SharedBoundedSemaphore, e: SharedEvent) in s.withPermit { e.set() } }, permits, ready)
      p.start()
      print(ready.wait(timeout: .seconds(60)))
      try p.join()
      print(permits.available, permits.tryAcquire(), permits.tryAcquire(), permits.tryAcquire())
      """#,
    prints: ["true", "2 true true false"]
  ) { print in
    let permits = SharedBoundedSemaphore(2)
    let ready = SharedEvent()
    let p = ChildProcess(
      target: { (s: SharedBoundedSemaphore, e: SharedEvent) in s.withPermit { e.set() } }, permits, ready)
    p.start()
    print(ready.wait(timeout: .seconds(60)))
    try p.join()
    print(permits.available, permits.tryAcquire(), permits.tryAcquire(), permits.tryAcquire())
  },
  Stop(
    "b = mp.Barrier(2); b.wait()",
    swift: #"""
      let barrier = SharedBarrier(2)
      let p = ChildProcess(target: { (b: SharedBarrier) in try b.wait() }, barrier)
      p.start()
      let here = try barrier.wait()
      print([here, try p.join()].sorted())
      """#,
    prints: ["[0, 1]"]
  ) { print in
    let barrier = SharedBarrier(2)
    let p = ChildProcess(target: { (b: SharedBarrier) in try b.wait() }, barrier)
    p.start()
    let here = try barrier.wait()
    print([here, try p.join()].sorted())
  },
  Stop(
    "a = mp.Array('d', 4); numpy-like views",
    swift: #"""
      let squares = SharedArray<Double>(count: 4)
      let p = ChildProcess(target: { (a: SharedArray<Double>) in for i in a.indices { a[i] = Double(i * i) } }, squares)
      p.start()
      try p.join()
      print(Array(squares), squares.span[3])
      """#,
    prints: ["[0.0, 1.0, 4.0, 9.0] 9.0"]
  ) { print in
    let squares = SharedArray<Double>(count: 4)
    let p = ChildProcess(target: { (a: SharedArray<Double>) in for i in a.indices { a[i] = Double(i * i) } }, squares)
    p.start()
    try p.join()
    print(Array(squares), squares.span[3])
  },
  Stop(
    "shm = SharedMemory(create=True, size=1 << 20); shm.buf[0] = 7; no name, no close, no unlink",
    swift: #"""
      let memory = SharedMemory(byteCount: 1 << 20)
      memory[0] = 7
      let p = ChildProcess(target: { (m: SharedMemory) in Int(m[0]) + m.byteCount }, memory)
      p.start()
      print(try p.join())
      """#,
    prints: ["1048583"]
  ) { print in
    let memory = SharedMemory(byteCount: 1 << 20)
    memory[0] = 7
    let p = ChildProcess(target: { (m: SharedMemory) in Int(m[0]) + m.byteCount }, memory)
    p.start()
    print(try p.join())
  },
  Stop(
    "here, there = mp.Pipe(): send, recv, poll, close; wait([here, p.sentinel])",
    swift: #"""
      let (here, there) = Connection<String>.pair()
      print(here.poll(timeout: .milliseconds(1)))
      let p = ChildProcess(target: { (line: Connection<String>) in try line.send("[\(try line.receive())]") }, there)
      p.start()
      there.close()
      try here.send("hello")
      print(try here.receive())
      try p.join()
      print(here.poll(), wait(for: [p], timeout: .seconds(60)).count)
      do { print(try here.receive()) } catch { print(error) }
      """#,
    prints: ["false", "[hello]", "true 1", "the other end of the connection is gone"]
  ) { print in
    let (here, there) = Connection<String>.pair()
    print(here.poll(timeout: .milliseconds(1)))
    let p = ChildProcess(target: { (line: Connection<String>) in try line.send("[\(try line.receive())]") }, there)
    p.start()
    there.close()
    try here.send("hello")
    print(try here.receive())
    try p.join()
    print(here.poll(), wait(for: [p], timeout: .seconds(60)).count)
    do { print(try here.receive()) } catch { print(error) }
  },
  Stop(
    "q.put(lock): shared objects travel through queues and connections to processes already running",
    swift: #"""
      let jobs = SharedQueue<SharedValue<Int>>()
      let p = ChildProcess(
        target: { (jobs: SharedQueue<SharedValue<Int>>) in
          for total in jobs {
            total.withLock { $0 += 2 }
            jobs.taskDone()
          }
        }, jobs)
      p.start()
      let total = SharedValue(40)
      try jobs.put(total)
      jobs.join()
      print(total.value)
      jobs.shutdown()
      try p.join()
      """#,
    prints: ["42"]
  ) { print in
    let jobs = SharedQueue<SharedValue<Int>>()
    let p = ChildProcess(
      target: { (jobs: SharedQueue<SharedValue<Int>>) in
        for total in jobs {
          total.withLock { $0 += 2 }
          jobs.taskDone()
        }
      }, jobs)
    p.start()
    let total = SharedValue(40)
    try jobs.put(total)
    jobs.join()
    print(total.value)
    jobs.shutdown()
    try p.join()
  },
  Stop(
    "(in Python join() hangs) a consumer that dies: what it had taken is counted, and not waited for",
    swift: #"""
      let jobs = SharedQueue<Int>()
      try jobs.put(1)
      let p = ChildProcess(
        target: { (jobs: SharedQueue<Int>) in
          _ = try jobs.get()
          _exit(1)
        }, jobs)
      p.start()
      jobs.join()
      print(jobs.lostCount, jobs.count)
      _ = try? p.join()
      """#,
    prints: ["1 0"]
  ) { print in
    let jobs = SharedQueue<Int>()
    try jobs.put(1)
    let p = ChildProcess(
      target: { (jobs: SharedQueue<Int>) in
        _ = try jobs.get()
        _exit(1)
      }, jobs)
    p.start()
    jobs.join()
    print(jobs.lostCount, jobs.count)
    _ = try? p.join()
  },
]
