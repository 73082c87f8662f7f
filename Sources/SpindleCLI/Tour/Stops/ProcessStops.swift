import Glibc
import Spindle

/// Child processes and pools of them.
let processStops: [Stop] = [
  Stop(
    "os.getpid(), os.process_cpu_count()",
    swift: #"""
      let here = ChildProcess.currentID
      print(here > 0, Processors.available >= 1)
      """#,
    prints: ["true true"]
  ) { print in
    let here = ChildProcess.currentID
    print(here > 0, Processors.available >= 1)
  },
  Stop(
    "p = mp.Process(target=f, args=(6, 7)); p.start(); p.join(): the result is a value",
    swift: #"""
      let p = ChildProcess(target: { (a: Int, b: Int) in a * b }, 6, 7)
      p.start()
      print(try p.join())
      """#,
    prints: ["42"]
  ) { print in
    let p = ChildProcess(target: { (a: Int, b: Int) in a * b }, 6, 7)
    p.start()
    print(try p.join())
  },
  Stop(
    "the child has memory and a process id of its own",
    swift: #"""
      let p = ChildProcess(target: { ChildProcess.currentID })
      p.start()
      let id = try p.join()
      print(id == p.pid, id != ChildProcess.currentID)
      """#,
    prints: ["true true"]
  ) { print in
    let p = ChildProcess(target: { ChildProcess.currentID })
    p.start()
    let id = try p.join()
    print(id == p.pid, id != ChildProcess.currentID)
  },
  Stop(
    "what the function throws, join throws",
    swift: #"""
      struct Refused: Error, Codable { var reason: String }
      let p = ChildProcess(target: { (n: Int) throws -> Int in throw Refused(reason: "\(n) is odd") }, 3)
      p.start()
      do { print(try p.join()) } catch { print((error as? Refused)?.reason ?? "\(error)") }
      """#,
    prints: ["3 is odd"]
  ) { print in
    struct Refused: Error, Codable { var reason: String }
    let p = ChildProcess(target: { (n: Int) throws -> Int in throw Refused(reason: "\(n) is odd") }, 3)
    p.start()
    do { print(try p.join()) } catch { print((error as? Refused)?.reason ?? "\(error)") }
  },
  Stop(
    "p.pid, p.exitcode, p.is_alive(), p.name, p.daemon",
    swift: #"""
      let p = ChildProcess(target: { true }, name: "helper", isDaemon: true)
      print(p.name, p.isDaemon, p.isAlive)
      p.start()
      print(p.pid != nil, try p.join())
      print(p.isAlive, p.exitStatus == .exited(0))
      """#,
    prints: ["helper true false", "true true", "false true"]
  ) { print in
    let p = ChildProcess(target: { true }, name: "helper", isDaemon: true)
    print(p.name, p.isDaemon, p.isAlive)
    p.start()
    print(p.pid != nil, try p.join())
    print(p.isAlive, p.exitStatus == .exited(0))
  },
  Stop(
    "mp.set_start_method('forkserver'): for one child, or for one pool",
    swift: #"""
      try ForkServer.start()
      let p = ChildProcess(target: { (n: Int) in n * n }, 9, startMethod: .forkServer)
      p.start()
      print(try p.join(), ForkServer.pid != nil)
      """#,
    prints: ["81 true"]
  ) { print in
    try ForkServer.start()
    let p = ChildProcess(target: { (n: Int) in n * n }, 9, startMethod: .forkServer)
    p.start()
    print(try p.join(), ForkServer.pid != nil)
  },
  Stop(
    "os.setpgrp() in the child, os.killpg(p.pid, 9): the programs it has started end with it",
    swift: #"""
      let p = ChildProcess(target: { while true { pause() } }, processGroup: .own)
      p.start()
      p.kill()
      do { try p.join() } catch { print((error as? WorkerDiedError)?.exitStatus == .signalled(9)) }
      """#,
    prints: ["true"]
  ) { print in
    let p = ChildProcess(target: { while true { pause() } }, processGroup: .own)
    p.start()
    p.kill()
    do { try p.join() } catch { print((error as? WorkerDiedError)?.exitStatus == .signalled(9)) }
  },
  Stop(
    "p.terminate(), p.kill()",
    swift: #"""
      let p = ChildProcess(target: { OSThread.sleep(for: .seconds(3600)) })
      p.start()
      p.kill()
      do { try p.join() } catch { print(error is WorkerDiedError) }
      print(p.exitStatus == .signalled(9))
      """#,
    prints: ["true", "true"]
  ) { print in
    let p = ChildProcess(target: { OSThread.sleep(for: .seconds(3600)) })
    p.start()
    p.kill()
    do { try p.join() } catch { print(error is WorkerDiedError) }
    print(p.exitStatus == .signalled(9))
  },
  Stop(
    "a crash of the child is an error, and nothing else",
    swift: #"""
      let p = ChildProcess(target: { (number: Int) in _exit(Int32(number)) }, 3)
      p.start()
      do { try p.join() } catch let error as WorkerDiedError { print(error.exitStatus == .exited(3)) }
      """#,
    prints: ["true"]
  ) { print in
    let p = ChildProcess(target: { (number: Int) in _exit(Int32(number)) }, 3)
    p.start()
    do { try p.join() } catch let error as WorkerDiedError { print(error.exitStatus == .exited(3)) }
  },
  Stop(
    "a closure that captured something cannot travel: it is refused, with the reason",
    swift: #"""
      let captured = [1, 2, 3]
      let p = ChildProcess(target: { captured.count })
      p.start()
      do { print(try p.join()) } catch { print("\(error)".contains("Array<Int>")) }
      """#,
    prints: ["true"]
  ) { print in
    let captured = [1, 2, 3]
    let p = ChildProcess(target: { captured.count })
    p.start()
    do { print(try p.join()) } catch { print("\(error)".contains("Array<Int>")) }
  },
  Stop(
    "mp.active_children(), mp.current_process(), mp.parent_process()",
    swift: #"""
      let p = ChildProcess(target: { "\(ChildProcess.current.name) of \(ChildProcess.parentID ?? 0)" }, name: "child")
      p.start()
      print(ChildProcess.active.contains { $0.name == "child" })
      print(try p.join() == "child of \(ChildProcess.currentID)")
      print(ChildProcess.parentID == nil)
      """#,
    prints: ["true", "true", "true"]
  ) { print in
    let p = ChildProcess(target: { "\(ChildProcess.current.name) of \(ChildProcess.parentID ?? 0)" }, name: "child")
    p.start()
    print(ChildProcess.active.contains { $0.name == "child" })
    print(try p.join() == "child of \(ChildProcess.currentID)")
    print(ChildProcess.parentID == nil)
  },
  Stop(
    "pool = ProcessPoolExecutor(max_workers=2); pool.submit(f, arg); pool.shutdown()",
    swift: #"""
      let pool = ProcessPool(maxWorkers: 2)
      let square = pool.submit({ (n: Int) in n * n }, 12)
      let there = pool.submit { ChildProcess.currentID }
      print(try square.result(), try there.result() != ChildProcess.currentID)
      pool.shutdown()
      """#,
    prints: ["144 true"]
  ) { print in
    let pool = ProcessPool(maxWorkers: 2)
    let square = pool.submit({ (n: Int) in n * n }, 12)
    let there = pool.submit { ChildProcess.currentID }
    print(try square.result(), try there.result() != ChildProcess.currentID)
    pool.shutdown()
  },
  Stop(
    "with ProcessPoolExecutor(2) as pool: pool.map(f, items, chunksize=3)",
    swift: #"""
      try withProcessPool(maxWorkers: 2) { pool in
        print(try pool.map(1...5, chunkSize: 3) { $0 * $0 }.collect())
      }
      """#,
    prints: ["[1, 4, 9, 16, 25]"]
  ) { print in
    try withProcessPool(maxWorkers: 2) { pool in
      print(try pool.map(1...5, chunkSize: 3) { $0 * $0 }.collect())
    }
  },
  Stop(
    "BrokenProcessPool: a crash ends the call that crashed, and the pool goes on",
    swift: #"""
      try withProcessPool(maxWorkers: 1) { pool in
        let crash = pool.submit({ (code: Int32) -> Int in _exit(code) }, 3)
        let next = pool.submit { "still here" }
        do { print(try crash.result()) } catch { print((error as? WorkerDiedError)?.exitStatus == .exited(3)) }
        print(try next.result())
      }
      """#,
    prints: ["true", "still here"]
  ) { print in
    try withProcessPool(maxWorkers: 1) { pool in
      let crash = pool.submit({ (code: Int32) -> Int in _exit(code) }, 3)
      let next = pool.submit { "still here" }
      do { print(try crash.result()) } catch { print((error as? WorkerDiedError)?.exitStatus == .exited(3)) }
      print(try next.result())
    }
  },
  Stop(
    "ProcessPoolExecutor(initializer=f, max_tasks_per_child=1)",
    swift: #"""
      let getReady = { @Sendable in OSThread.current.name = "ready" }
      try withProcessPool(maxWorkers: 1, initializer: getReady, maxTasksPerChild: 1) { pool in
        let calls = (1...2).map { _ in pool.submit { "\(OSThread.current.name) in \(ChildProcess.currentID)" } }
        let (first, second) = (try calls[0].result(), try calls[1].result())
        print(first.hasPrefix("ready"), second.hasPrefix("ready"), first != second)
      }
      """#,
    prints: ["true true true"]
  ) { print in
    let getReady = { @Sendable in OSThread.current.name = "ready" }
    try withProcessPool(maxWorkers: 1, initializer: getReady, maxTasksPerChild: 1) { pool in
      let calls = (1...2).map { _ in pool.submit { "\(OSThread.current.name) in \(ChildProcess.currentID)" } }
      let (first, second) = (try calls[0].result(), try calls[1].result())
      print(first.hasPrefix("ready"), second.hasPrefix("ready"), first != second)
    }
  },
  Stop(
    "mp.Pool.imap_unordered(f, items, chunksize=2)",
    swift: #"""
      try withProcessPool(maxWorkers: 2) { pool in
        print(try pool.mapUnordered(1...5, chunkSize: 2) { $0 * $0 }.collect().sorted())
      }
      """#,
    prints: ["[1, 4, 9, 16, 25]"]
  ) { print in
    try withProcessPool(maxWorkers: 2) { pool in
      print(try pool.mapUnordered(1...5, chunkSize: 2) { $0 * $0 }.collect().sorted())
    }
  },
  Stop(
    "a deadline for a call, and whether it may be repeated: neither is in Python",
    swift: #"""
      try withProcessPool(maxWorkers: 1) { pool in
        let stuck = pool.submit(options: CallOptions(deadline: .milliseconds(100))) { while !Cancellation.isRequested {} }
        do { try stuck.result() } catch { print(error is TimeoutError) }
        let again = pool.submit({ (n: Int) in n + 1 }, 1, options: CallOptions(retries: 2))
        print(try again.result())
      }
      """#,
    prints: ["true", "2"]
  ) { print in
    try withProcessPool(maxWorkers: 1) { pool in
      let stuck = pool.submit(options: CallOptions(deadline: .milliseconds(100))) { while !Cancellation.isRequested {} }
      do { try stuck.result() } catch { print(error is TimeoutError) }
      let again = pool.submit({ (n: Int) in n + 1 }, 1, options: CallOptions(retries: 2))
      print(try again.result())
    }
  },
  Stop(
    "p.kill() for one call: future.cancel() only asks a running call to stop",
    swift: #"""
      withProcessPool(maxWorkers: 1) { pool in
        let stuck = pool.submit { while true { OSThread.sleep(for: .seconds(1)) } }
        while !stuck.isRunning { OSThread.yield() }
        print(pool.kill(stuck))
        do { try stuck.result() } catch { print((error as? WorkerDiedError)?.exitStatus == .signalled(9)) }
      }
      """#,
    prints: ["true", "true"]
  ) { print in
    withProcessPool(maxWorkers: 1) { pool in
      let stuck = pool.submit { while true { OSThread.sleep(for: .seconds(1)) } }
      while !stuck.isRunning { OSThread.yield() }
      print(pool.kill(stuck))
      do { try stuck.result() } catch { print((error as? WorkerDiedError)?.exitStatus == .signalled(9)) }
    }
  },
  Stop(
    "pool.kill_workers(), pool.terminate_workers()",
    swift: #"""
      let pool = ProcessPool(maxWorkers: 2)
      let calls = (1...20).map { pool.submit({ (n: Int) in n }, $0) }
      pool.killWorkers()
      pool.shutdown()
      print(calls.allSatisfy { $0.isDone })
      """#,
    prints: ["true"]
  ) { print in
    let pool = ProcessPool(maxWorkers: 2)
    let calls = (1...20).map { pool.submit({ (n: Int) in n }, $0) }
    pool.killWorkers()
    pool.shutdown()
    print(calls.allSatisfy { $0.isDone })
  },
  Stop(
    "q = mp.Queue(5): handed to a child, the calls of queue.Queue",
    swift: #"""
      let q = SharedQueue<String>(capacity: 5)
      let p = ChildProcess(target: { (q: SharedQueue<String>) in for word in ["one", "two"] { try q.put(word) } }, q)
      p.start()
      print(try q.get(), try q.get())
      try p.join()
      do { print(try q.getNoWait()) } catch { print(error) }
      """#,
    prints: ["one two", "the queue is empty"]
  ) { print in
    let q = SharedQueue<String>(capacity: 5)
    let p = ChildProcess(target: { (q: SharedQueue<String>) in for word in ["one", "two"] { try q.put(word) } }, q)
    p.start()
    print(try q.get(), try q.get())
    try p.join()
    do { print(try q.getNoWait()) } catch { print(error) }
  },
]
