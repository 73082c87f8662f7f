import Spindle

/// T1, P1, P1b, P2, P6: threads, and jobs of thread pools.
func poolRows() -> [Row] {
  [
    Row("T1", "osthread", threads: 1, count: 2_000, unit: "threads/s") { _, count in
      median { perSecond(count) { for _ in 0..<count { OSThread.spawn {}.join() } } }
    },
    Row("P1", "threadpool", threads: 2, count: 500_000, unit: "tasks/s") { threads, count in
      median {
        let pool = ThreadPool(maxWorkers: threads)
        return perSecond(count) {
          for _ in 0..<count { pool.submit {} }
          pool.shutdown()
        }
      }
    },
    Row("P1", "threadpool-capture", threads: 2, count: 500_000, unit: "tasks/s") { threads, count in
      median {
        let pool = ThreadPool(maxWorkers: threads)
        let latch = Latch(count)
        let figure = perSecond(count) {
          for _ in 0..<count { pool.submit { latch.countDown() } }
          latch.wait()
        }
        pool.shutdown()
        return figure
      }
    },
    Row("P1", "threadpool-execute", threads: 2, count: 500_000, unit: "tasks/s") { threads, count in
      median {
        let pool = ThreadPool(maxWorkers: threads)
        return perSecond(count) {
          for _ in 0..<count { pool.execute {} }
          pool.shutdown()
        }
      }
    },
    Row("P1", "threadpool-execute-capture", threads: 2, count: 500_000, unit: "tasks/s") { threads, count in
      median {
        let pool = ThreadPool(maxWorkers: threads)
        let latch = Latch(count)
        let figure = perSecond(count) {
          for _ in 0..<count { pool.execute { latch.countDown() } }
          latch.wait()
        }
        pool.shutdown()
        return figure
      }
    },
    Row("P1b", "threadpool", threads: 2, count: 200_000, unit: "tasks/s") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in keptFutures(count) { index in pool.submit { index } } }
    },
    Row("P1b", "threadpool-call", threads: 2, count: 200_000, unit: "tasks/s") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in keptFutures(count) { pool.submit(identity, $0) } }
    },
    Row("P2", "threadpool", threads: 2, count: 20_000, unit: "us p50") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in
        medianTime(ofCalls: count) { index in check(try! pool.submit { index }.result() == index, "result") }
      }
    },
    Row("P6", "threadpool", threads: 8, count: 1000, unit: "ms") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in
        median { milliseconds { for _ in pool.map(0..<count, { _ in OSThread.sleep(for: .milliseconds(1)) }) {} } }
      }
    },
  ]
}

/// So many futures of their numbers, which are all kept, then read in order.
func keptFutures(_ count: Int, _ submit: (Int) -> Future<Int>) -> Figure {
  median {
    perSecond(count) {
      let futures = (0..<count).map { submit($0) }
      check(futures.reduce(0) { try! $0 + $1.result() } == count * (count - 1) / 2, "futures")
    }
  }
}
