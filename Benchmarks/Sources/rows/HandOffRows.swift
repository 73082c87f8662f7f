import Spindle

/// C1, B1, E1, Q3: rows decided by how a wait begins and ends.
func handOffRows() -> [Row] {
  var rows = [
    Row("C1", "condition", threads: 2, count: 100_000, unit: "round trips/s") { _, count in
      median {
        let lock = Lock()
        let conditions = [Condition(lock), Condition(lock)]
        let turn = Cell()
        return perSecond(count) {
          team(2) { side in
            for _ in 0..<count {
              lock.withLock {
                while turn.value != UInt64(side) { conditions[side].wait() }
                turn.value = UInt64(1 - side)
                conditions[1 - side].notify()
              }
            }
          }
        }
      }
    },
    Row("E1", "event", threads: 2, count: 100_000, unit: "round trips/s") { _, count in
      median {
        let events = [Event(), Event()]
        return perSecond(count) {
          team(2) { side in
            for _ in 0..<count {
              if side == 0 { events[1].set() }
              events[side].wait()
              events[side].clear()
              if side == 1 { events[0].set() }
            }
          }
        }
      }
    },
    Row("E1", "semaphore", threads: 2, count: 100_000, unit: "round trips/s") { _, count in
      median {
        let semaphores = [Semaphore(0), Semaphore(0)]
        return perSecond(count) {
          team(2) { side in
            for _ in 0..<count {
              if side == 0 { semaphores[1].release() }
              semaphores[side].acquire()
              if side == 1 { semaphores[0].release() }
            }
          }
        }
      }
    },
    Row("Q3", "queue", threads: 2, count: 100_000, unit: "round trips/s") { _, count in
      median {
        let there = Queue<Int>(capacity: 1)
        let back = Queue<Int>(capacity: 1)
        return perSecond(count) {
          team(2) { side in
            for number in 0..<count {
              if side == 0 {
                try! there.put(number)
                check(try! back.get() == number, "echo")
              } else {
                try! back.put(try! there.get())
              }
            }
          }
        }
      }
    },
  ]
  for threads in [2, 4] {
    rows.append(
      Row("B1", "barrier", threads: threads, count: 50_000, unit: "crossings/s") { threads, count in
        median {
          let barrier = Barrier(threads)
          return perSecond(count) { team(threads) { _ in for _ in 0..<count { _ = try! barrier.wait() } } }
        }
      })
  }
  return rows
}
