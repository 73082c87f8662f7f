import Spindle

/// Queues of all three orders.
let queueStops: [Stop] = [
  Stop(
    "q = queue.Queue(maxsize=2): put, get",
    swift: #"""
      let q = Queue<String>(capacity: 2)
      let reader = OSThread.spawn { [try q.get(), try q.get(), try q.get()] }
      for word in ["one", "two", "three"] { try q.put(word) }
      print(try reader.join())
      """#,
    prints: ["[\"one\", \"two\", \"three\"]"]
  ) { print in
    let q = Queue<String>(capacity: 2)
    let reader = OSThread.spawn { [try q.get(), try q.get(), try q.get()] }
    for word in ["one", "two", "three"] { try q.put(word) }
    print(try reader.join())
  },
  Stop(
    "put_nowait(x), put(x, timeout=1) of a full queue: queue.Full",
    swift: #"""
      let q = Queue<Int>(capacity: 1)
      try q.putNoWait(1)
      do { try q.putNoWait(2) } catch { print(error) }
      do { try q.put(2, timeout: .milliseconds(1)) } catch { print(error) }
      """#,
    prints: ["the queue is full", "the queue is full"]
  ) { print in
    let q = Queue<Int>(capacity: 1)
    try q.putNoWait(1)
    do { try q.putNoWait(2) } catch { print(error) }
    do { try q.put(2, timeout: .milliseconds(1)) } catch { print(error) }
  },
  Stop(
    "get_nowait(), get(timeout=1) of an empty queue: queue.Empty",
    swift: #"""
      let q = Queue<Int>()
      do { print(try q.getNoWait()) } catch { print(error) }
      do { print(try q.get(timeout: .milliseconds(1))) } catch { print(error) }
      """#,
    prints: ["the queue is empty", "the queue is empty"]
  ) { print in
    let q = Queue<Int>()
    do { print(try q.getNoWait()) } catch { print(error) }
    do { print(try q.get(timeout: .milliseconds(1))) } catch { print(error) }
  },
  Stop(
    "q.qsize(), q.empty(), q.full()",
    swift: #"""
      let q = Queue<Int>(capacity: 2)
      print(q.count, q.isEmpty, q.isFull)
      try q.put(1)
      try q.put(2)
      print(q.count, q.isEmpty, q.isFull, q.capacity)
      """#,
    prints: ["0 true false", "2 false true 2"]
  ) { print in
    let q = Queue<Int>(capacity: 2)
    print(q.count, q.isEmpty, q.isFull)
    try q.put(1)
    try q.put(2)
    print(q.count, q.isEmpty, q.isFull, q.capacity)
  },
  Stop(
    "q.task_done(), q.join()",
    swift: #"""
      let q = Queue<Int>()
      let done = Guarded(0)
      let worker = OSThread.spawn {
        for n in q {
          done.withLock { $0 += n }
          q.taskDone()
        }
      }
      for n in 1...4 { try q.put(n) }
      q.join()
      print(done.withLock { $0 })
      q.shutdown()
      worker.join()
      """#,
    prints: ["10"]
  ) { print in
    let q = Queue<Int>()
    let done = Guarded(0)
    let worker = OSThread.spawn {
      for n in q {
        done.withLock { $0 += n }
        q.taskDone()
      }
    }
    for n in 1...4 { try q.put(n) }
    q.join()
    print(done.withLock { $0 })
    q.shutdown()
    worker.join()
  },
  Stop(
    "q.shutdown(): puts are refused, gets go on until it is empty",
    swift: #"""
      let q = Queue<Int>()
      try q.put(1)
      q.shutdown()
      do { try q.put(2) } catch { print(error) }
      print(try q.get())
      do { print(try q.get()) } catch { print(error) }
      """#,
    prints: ["the queue is shut down", "1", "the queue is shut down"]
  ) { print in
    let q = Queue<Int>()
    try q.put(1)
    q.shutdown()
    do { try q.put(2) } catch { print(error) }
    print(try q.get())
    do { print(try q.get()) } catch { print(error) }
  },
  Stop(
    "q.shutdown(immediate=True)",
    swift: #"""
      let q = Queue<Int>()
      try q.put(1)
      q.shutdown(immediate: true)
      do { print(try q.get()) } catch { print(error) }
      """#,
    prints: ["the queue is shut down"]
  ) { print in
    let q = Queue<Int>()
    try q.put(1)
    q.shutdown(immediate: true)
    do { print(try q.get()) } catch { print(error) }
  },
  Stop(
    "iterate until shut down, in a thread",
    swift: #"""
      let q = Queue<Int>()
      for n in 1...3 { try q.put(n) }
      q.shutdown()
      for n in q { print(n) }
      """#,
    prints: ["1", "2", "3"]
  ) { print in
    let q = Queue<Int>()
    for n in 1...3 { try q.put(n) }
    q.shutdown()
    for n in q { print(n) }
  },
  Stop(
    "async for: iterate in a task, while a thread puts",
    swift: #"""
      let q = Queue<Int>(capacity: 1)
      let end = Event()
      Task {
        for await n in q { print(n) }
        end.set()
      }
      for n in 1...3 { try q.put(n) }
      q.shutdown()
      end.wait()
      """#,
    prints: ["1", "2", "3"]
  ) { print in
    let q = Queue<Int>(capacity: 1)
    let end = Event()
    Task {
      for await n in q { print(n) }
      end.set()
    }
    for n in 1...3 { try q.put(n) }
    q.shutdown()
    end.wait()
  },
  Stop(
    "queue.LifoQueue()",
    swift: #"""
      let q = LIFOQueue<Int>()
      for n in 1...3 { try q.put(n) }
      print(try q.get(), try q.get(), try q.get())
      """#,
    prints: ["3 2 1"]
  ) { print in
    let q = LIFOQueue<Int>()
    for n in 1...3 { try q.put(n) }
    print(try q.get(), try q.get(), try q.get())
  },
  Stop(
    "queue.PriorityQueue()",
    swift: #"""
      let q = PriorityQueue<Int>()
      for n in [2, 3, 1] { try q.put(n) }
      print(try q.get(), try q.get(), try q.get())
      let largest = PriorityQueue<Int>(by: >)
      for n in [2, 3, 1] { try largest.put(n) }
      print(try largest.get())
      """#,
    prints: ["1 2 3", "3"]
  ) { print in
    let q = PriorityQueue<Int>()
    for n in [2, 3, 1] { try q.put(n) }
    print(try q.get(), try q.get(), try q.get())
    let largest = PriorityQueue<Int>(by: >)
    for n in [2, 3, 1] { try largest.put(n) }
    print(try largest.get())
  },
  Stop(
    "queue.SimpleQueue()",
    swift: #"""
      let q = Queue<Int>()
      try q.put(1)
      print(try q.get())
      """#,
    prints: ["1"]
  ) { print in
    let q = Queue<Int>()
    try q.put(1)
    print(try q.get())
  },
]
