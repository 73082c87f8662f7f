import Spindle

/// Runs async work from this thread, and blocks until it is done.
func blocking(_ work: @escaping @Sendable () async -> Void) {
  let isDone = Event()
  Task {
    await work()
    isDone.set()
  }
  isDone.wait()
}

/// The async forms: Q1, Q3, E1, B1 between tasks.
func taskRows() -> [Row] {
  var rows = [
    Row("Q3", "queue-tasks", threads: 2, count: 50_000, unit: "round trips/s") { _, count in
      median {
        perSecond(count) {
          blocking {
            let there = Queue<Int>(capacity: 1)
            let back = Queue<Int>(capacity: 1)
            let echo = Task { for _ in 0..<count { try! await back.put(try! await there.get()) } }
            for number in 0..<count {
              try! await there.put(number)
              let reply = try! await back.get()
              check(reply == number, "echo")
            }
            await echo.value
          }
        }
      }
    },
    Row("E1", "event-tasks", threads: 2, count: 50_000, unit: "round trips/s") { _, count in
      median {
        perSecond(count) {
          blocking {
            let events = [Event(), Event()]
            await withDiscardingTaskGroup { group in
              for side in 0..<2 {
                group.addTask {
                  for _ in 0..<count {
                    if side == 0 { events[1].set() }
                    try! await events[side].wait()
                    events[side].clear()
                    if side == 1 { events[0].set() }
                  }
                }
              }
            }
          }
        }
      }
    },
  ]
  for threads in [2, 4] {
    rows.append(
      Row("B1", "barrier-tasks", threads: threads, count: 20_000, unit: "crossings/s") { threads, count in
        median {
          perSecond(count) {
            blocking {
              let barrier = Barrier(threads)
              await withDiscardingTaskGroup { group in
                for _ in 0..<threads { group.addTask { for _ in 0..<count { _ = try! await barrier.wait() } } }
              }
            }
          }
        }
      })
  }
  for (capacity, count) in [(1, 50_000), (64, 400_000), (1024, 1_000_000)] {
    for (shape, producers, consumers) in shapes {
      rows.append(
        Row("Q1/\(capacity)/\(shape)", "queue-tasks", threads: producers + consumers, count: count, unit: "msg/s") { _, wanted in
          median {
            let count = wanted / (producers * consumers) * (producers * consumers)
            return perSecond(count) {
              blocking {
                let queue = Queue<Int>(capacity: capacity)
                let sum = await withTaskGroup(of: Int.self) { group in
                  for _ in 0..<producers {
                    group.addTask {
                      for number in 0..<count / producers { try! await queue.put(number) }
                      return 0
                    }
                  }
                  for _ in 0..<consumers {
                    group.addTask {
                      var sum = 0
                      for _ in 0..<count / consumers { sum += try! await queue.get() }
                      return sum
                    }
                  }
                  return await group.reduce(0, +)
                }
                let each = count / producers
                check(sum == producers * (each * (each - 1) / 2), "the sum of what was received")
              }
            }
          }
        })
    }
  }
  return rows
}
