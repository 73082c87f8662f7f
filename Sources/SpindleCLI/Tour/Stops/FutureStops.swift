import Spindle

/// Thread pools and their futures.
let futureStops: [Stop] = [
  Stop(
    "pool = ThreadPoolExecutor(max_workers=2); pool.submit(f, arg); pool.shutdown(wait=True)",
    swift: #"""
      let pool = ThreadPool(maxWorkers: 2)
      let a = pool.submit({ (n: Int) in n * n }, 12)
      let b = pool.submit { "from a thread" }
      print(try a.result(), try b.result())
      pool.shutdown(wait: true)
      """#,
    prints: ["144 from a thread"]
  ) { print in
    let pool = ThreadPool(maxWorkers: 2)
    let a = pool.submit({ (n: Int) in n * n }, 12)
    let b = pool.submit { "from a thread" }
    print(try a.result(), try b.result())
    pool.shutdown(wait: true)
  },
  Stop(
    "with ThreadPoolExecutor(2) as pool: pool.map(f, items)",
    swift: #"""
      withThreadPool(maxWorkers: 2) { pool in
        for square in pool.map(1...4, { $0 * $0 }) { print(square) }
      }
      """#,
    prints: ["1", "4", "9", "16"]
  ) { print in
    withThreadPool(maxWorkers: 2) { pool in
      for square in pool.map(1...4, { $0 * $0 }) { print(square) }
    }
  },
  Stop(
    "pool.map(f, items, buffersize=2): lazy, so many calls ahead and no more",
    swift: #"""
      let taken = Guarded(0)
      let endless = sequence(first: 1) { n in
        taken.withLock { $0 = n }
        return n + 1
      }
      withThreadPool(maxWorkers: 2) { pool in
        let squares = pool.map(endless, bufferSize: 2) { $0 * $0 }
        print(squares.prefix(3).map { $0 })
      }
      print(taken.withLock { $0 } < 10)
      """#,
    prints: ["[1, 4, 9]", "true"]
  ) { print in
    let taken = Guarded(0)
    let endless = sequence(first: 1) { n in
      taken.withLock { $0 = n }
      return n + 1
    }
    withThreadPool(maxWorkers: 2) { pool in
      let squares = pool.map(endless, bufferSize: 2) { $0 * $0 }
      print(squares.prefix(3).map { $0 })
    }
    print(taken.withLock { $0 } < 10)
  },
  Stop(
    "future.exception(), future.result() of a call that failed",
    swift: #"""
      struct Oops: Error {}
      try withThreadPool(maxWorkers: 1) { pool in
        let future = pool.submit { throw Oops() }
        print(try future.error() is Oops)
        do { try future.result() } catch { print("caught", error) }
      }
      """#,
    prints: ["true", "caught Oops()"]
  ) { print in
    struct Oops: Error {}
    try withThreadPool(maxWorkers: 1) { pool in
      let future = pool.submit { throw Oops() }
      print(try future.error() is Oops)
      do { try future.result() } catch { print("caught", error) }
    }
  },
  Stop(
    "future.result(timeout): TimeoutError; running(), done()",
    swift: #"""
      let gate = Event()
      try withThreadPool(maxWorkers: 1) { pool in
        let future = pool.submit { gate.wait() }
        do { try future.result(timeout: .milliseconds(1)) } catch { print(error is TimeoutError) }
        print(future.isDone)
        gate.set()
        try future.result()
        print(future.isDone, future.isRunning)
      }
      """#,
    prints: ["true", "false", "true false"]
  ) { print in
    let gate = Event()
    try withThreadPool(maxWorkers: 1) { pool in
      let future = pool.submit { gate.wait() }
      do { try future.result(timeout: .milliseconds(1)) } catch { print(error is TimeoutError) }
      print(future.isDone)
      gate.set()
      try future.result()
      print(future.isDone, future.isRunning)
    }
  },
  Stop(
    "future.cancel(), cancelled(), CancelledError",
    swift: #"""
      let gate = Event()
      withThreadPool(maxWorkers: 1) { pool in
        pool.submit { gate.wait() }
        let waiting = pool.submit { "never" }
        print(waiting.cancel(), waiting.isCancelled)
        do { print(try waiting.result()) } catch { print(error is CancellationError) }
        gate.set()
      }
      """#,
    prints: ["true true", "true"]
  ) { print in
    let gate = Event()
    withThreadPool(maxWorkers: 1) { pool in
      pool.submit { gate.wait() }
      let waiting = pool.submit { "never" }
      print(waiting.cancel(), waiting.isCancelled)
      do { print(try waiting.result()) } catch { print(error is CancellationError) }
      gate.set()
    }
  },
  Stop(
    "(none in Python: a call that runs can see that it is to stop)",
    swift: #"""
      let started = Event()
      try withThreadPool(maxWorkers: 1) { pool in
        let future = pool.submit {
          started.set()
          while !Cancellation.isRequested { OSThread.yield() }
          return "stopped by itself"
        }
        started.wait()
        print(future.cancel())
        future.requestCancellation()
        print(try future.result())
      }
      """#,
    prints: ["false", "stopped by itself"]
  ) { print in
    let started = Event()
    try withThreadPool(maxWorkers: 1) { pool in
      let future = pool.submit {
        started.set()
        while !Cancellation.isRequested { OSThread.yield() }
        return "stopped by itself"
      }
      started.wait()
      print(future.cancel())
      future.requestCancellation()
      print(try future.result())
    }
  },
  Stop(
    "future.add_done_callback(f)",
    swift: #"""
      withThreadPool(maxWorkers: 1) { pool in
        let future = pool.submit { 42 }
        future.onDone { print("done:", (try? $0.result()) ?? 0) }
      }
      """#,
    prints: ["done: 42"]
  ) { print in
    withThreadPool(maxWorkers: 1) { pool in
      let future = pool.submit { 42 }
      future.onDone { print("done:", (try? $0.result()) ?? 0) }
    }
  },
  Stop(
    "wait(fs, timeout, return_when=FIRST_COMPLETED)",
    swift: #"""
      let gate = Event()
      withThreadPool(maxWorkers: 2) { pool in
        let slow = pool.submit { gate.wait() }
        let quick = pool.submit {}
        let (done, notDone) = wait(for: [slow, quick], timeout: .seconds(20), until: .firstCompleted)
        print(done.first === quick, notDone.first === slow)
        gate.set()
        print(wait(for: [slow, quick]).notDone.isEmpty)
      }
      """#,
    prints: ["true true", "true"]
  ) { print in
    let gate = Event()
    withThreadPool(maxWorkers: 2) { pool in
      let slow = pool.submit { gate.wait() }
      let quick = pool.submit {}
      let (done, notDone) = wait(for: [slow, quick], timeout: .seconds(20), until: .firstCompleted)
      print(done.first === quick, notDone.first === slow)
      gate.set()
      print(wait(for: [slow, quick]).notDone.isEmpty)
    }
  },
  Stop(
    "as_completed(fs)",
    swift: #"""
      let first = Event()
      try withThreadPool(maxWorkers: 2) { pool in
        let second = pool.submit { () -> String in
          first.wait()
          return "second"
        }
        let quick = pool.submit { "first" }
        for future in asCompleted([second, quick]) {
          print(try future.result())
          first.set()
        }
      }
      """#,
    prints: ["first", "second"]
  ) { print in
    let first = Event()
    try withThreadPool(maxWorkers: 2) { pool in
      let second = pool.submit { () -> String in
        first.wait()
        return "second"
      }
      let quick = pool.submit { "first" }
      for future in asCompleted([second, quick]) {
        print(try future.result())
        first.set()
      }
    }
  },
  Stop(
    "pool.shutdown(wait=False, cancel_futures=True)",
    swift: #"""
      let gate = Event()
      let pool = ThreadPool(maxWorkers: 1)
      let started = Event()
      let running = pool.submit {
        started.set()
        gate.wait()
      }
      started.wait()
      let waiting = pool.submit {}
      pool.shutdown(wait: false, cancelFutures: true)
      print(running.isCancelled, waiting.isCancelled)
      gate.set()
      pool.shutdown()
      print(running.isDone)
      """#,
    prints: ["false true", "true"]
  ) { print in
    let gate = Event()
    let pool = ThreadPool(maxWorkers: 1)
    let started = Event()
    let running = pool.submit {
      started.set()
      gate.wait()
    }
    started.wait()
    let waiting = pool.submit {}
    pool.shutdown(wait: false, cancelFutures: true)
    print(running.isCancelled, waiting.isCancelled)
    gate.set()
    pool.shutdown()
    print(running.isDone)
  },
  Stop(
    "await future.result(), in a task",
    swift: #"""
      let end = Event()
      let pool = ThreadPool(maxWorkers: 1)
      Task {
        let future = pool.submit { 6 * 7 }
        print(try await future.result())
        await pool.shutdown()
        end.set()
      }
      end.wait()
      """#,
    prints: ["42"]
  ) { print in
    let end = Event()
    let pool = ThreadPool(maxWorkers: 1)
    Task {
      let future = pool.submit { 6 * 7 }
      print(try await future.result())
      await pool.shutdown()
      end.set()
    }
    end.wait()
  },
]
