// How the cost of an operation grows: with threads, with what is in line, with how many jobs there are.
//
//     growth list
//     growth SERIES SIZE         prints nanoseconds per operation, the median of five
//
// No series may have a cliff, and none may be quadratic: a line that rises with its size on the plot says so.
import Glibc
import Spindle

struct Series {
  let name: String
  /// What grows.
  let axis: String
  let sizes: [Int]
  /// Does it once at a size, and returns nanoseconds per operation.
  let measure: (_ size: Int) -> Double

  init(_ name: String, _ axis: String, _ sizes: [Int], _ measure: @escaping (_ size: Int) -> Double) {
    self.name = name
    self.axis = axis
    self.sizes = sizes
    self.measure = measure
  }
}

func nanoseconds(_ body: () -> Void) -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  body()
  return (clock.now - start) / .nanoseconds(1)
}

/// `body` on so many threads at once.
func team(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  for thread in (0..<count).map({ index in OSThread.spawn { body(index) } }) { thread.join() }
}

let threads = [1, 2, 4, 8, 16, 64]
let lengths = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]

let series = [
  Series("Lock", "threads", threads) { size in
    let value = Guarded(0), each = 2_000_000 / size
    return nanoseconds { team(size) { _ in for _ in 0..<each { value.withLock { $0 &+= 1 } } } } / Double(each * size)
  },
  Series("Semaphore(2)", "threads", threads) { size in
    let semaphore = Semaphore(2), each = 1_000_000 / size
    return nanoseconds { team(size) { _ in for _ in 0..<each { semaphore.withPermit {} } } } / Double(each * size)
  },
  Series("Queue(capacity: 1024), half put, half get", "threads", threads.filter { $0 > 1 }) { size in
    let queue = Queue<Int>(capacity: 1024), each = 4_000_000 / size
    return nanoseconds {
      team(size) { index in
        if index % 2 == 0 {
          for number in 0..<each { try! queue.put(number) }
        } else {
          for _ in 0..<each { _ = try! queue.get() }
        }
      }
    } / Double(each * size / 2)
  },
  Series("Barrier", "threads", threads) { size in
    let barrier = Barrier(size), each = 20_000 / size
    return nanoseconds { team(size) { _ in for _ in 0..<each { _ = try! barrier.wait() } } } / Double(each)
  },
  Series("Queue(): all put, then all got", "elements in line", lengths) { size in
    let queue = Queue<Int>(), rounds = max(1, 100_000 / size)
    return nanoseconds {
      for _ in 0..<rounds {
        for number in 0..<size { try! queue.put(number) }
        for _ in 0..<size { _ = try! queue.get() }
      }
    } / Double(rounds * size)
  },
  Series("LIFOQueue(): all put, then all got", "elements in line", lengths) { size in
    let queue = LIFOQueue<Int>(), rounds = max(1, 100_000 / size)
    return nanoseconds {
      for _ in 0..<rounds {
        for number in 0..<size { try! queue.put(number) }
        for _ in 0..<size { _ = try! queue.get() }
      }
    } / Double(rounds * size)
  },
  Series("PriorityQueue(): all put, then all got", "elements in line", lengths.filter { $0 <= 1_000_000 }) { size in
    let queue = PriorityQueue<UInt64>(), rounds = max(1, 100_000 / size)
    return nanoseconds {
      for _ in 0..<rounds {
        var x: UInt64 = 88_172_645_463_325_252
        for _ in 0..<size {
          x ^= x << 13
          x ^= x >> 7
          x ^= x << 17
          try! queue.put(x)
        }
        for _ in 0..<size { _ = try! queue.get() }
      }
    } / Double(rounds * size)
  },
  Series("ThreadPool: submit, then shut down", "jobs", lengths) { size in
    let rounds = max(1, 10_000 / size)
    return nanoseconds {
      for _ in 0..<rounds {
        let pool = ThreadPool(maxWorkers: 2)
        for _ in 0..<size { pool.submit {} }
        pool.shutdown()
      }
    } / Double(rounds * size)
  },
  Series("ThreadPool: submit, then read the results", "jobs", lengths.filter { $0 <= 1_000_000 }) { size in
    withThreadPool(maxWorkers: 2) { pool in
      let rounds = max(1, 10_000 / size)
      return nanoseconds {
        for _ in 0..<rounds {
          let futures = (0..<size).map { number in pool.submit { number } }
          for future in futures { _ = try! future.result() }
        }
      } / Double(rounds * size)
    }
  },
  Series("ThreadPool: map", "jobs", lengths.filter { $0 <= 1_000_000 }) { size in
    withThreadPool(maxWorkers: 2) { pool in
      let rounds = max(1, 10_000 / size)
      return nanoseconds { for _ in 0..<rounds { for _ in pool.map(0..<size, { $0 }) {} } } / Double(rounds * size)
    }
  },
  Series("asCompleted", "futures", lengths.filter { $0 <= 100_000 }) { size in
    withThreadPool(maxWorkers: 2) { pool in
      let rounds = max(1, 10_000 / size)
      return nanoseconds {
        for _ in 0..<rounds {
          for future in asCompleted((0..<size).map { number in pool.submit { number } }) { _ = try! future.result() }
        }
      } / Double(rounds * size)
    }
  },
  Series("OSThread: all started, then all joined", "threads", [1, 10, 100, 1000, 5000]) { size in
    let rounds = max(1, 1000 / size)
    return nanoseconds { for _ in 0..<rounds { team(size) { _ in } } } / Double(rounds * size)
  },
  Series("Event: set with so many asleep", "threads", [1, 4, 16, 64, 256]) { size in
    let rounds = max(1, 500 / size)
    return nanoseconds {
      for _ in 0..<rounds {
        let event = Event(), ready = Latch(size)
        let sleepers = (0..<size).map { _ in
          OSThread.spawn {
            ready.countDown()
            event.wait()
          }
        }
        ready.wait()
        event.set()
        for sleeper in sleepers { sleeper.join() }
      }
    } / Double(rounds * size)
  },
]

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 2, let chosen = series.first(where: { $0.name == arguments[0] }), let size = Int(arguments[1]) else {
  for one in series { print(one.name, one.axis, one.sizes.map(String.init).joined(separator: " "), separator: "\t") }
  exit(arguments.first == "list" ? 0 : 64)
}
_ = chosen.measure(size)
// What takes long is steady by itself.
let repetitions = size >= 1_000_000 ? 3 : 5
print((0..<repetitions).map { _ in chosen.measure(size) }.sorted()[repetitions / 2])
