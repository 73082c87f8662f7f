import Spindle

/// A value that the rows protect themselves.
final class Cell: @unchecked Sendable { var value: UInt64 = 0 }

/// L1, L2, L3, R1, S1, S2: a lock alone, contended, recursive, read-mostly; a semaphore.
func lockRows() -> [Row] {
  var rows = [
    Row("L1", "lock", threads: 1, count: 10_000_000, unit: "ns/op") { _, count in
      let lock = Lock()
      let cell = Cell()
      return median {
        nanosecondsPer(count) {
          for _ in 0..<count {
            lock.acquire()
            cell.value &+= 1
            lock.release()
          }
        }
      }
    },
    Row("L1", "guarded", threads: 1, count: 10_000_000, unit: "ns/op") { _, count in
      let value = Guarded(0)
      return median { nanosecondsPer(count) { for _ in 0..<count { value.withLock { $0 &+= 1 } } } }
    },
    Row("L3", "rlock", threads: 1, count: 5_000_000, unit: "ns/op") { _, count in
      let lock = RLock()
      return median {
        nanosecondsPer(count) {
          for _ in 0..<count {
            lock.acquire()
            lock.acquire()
            lock.release()
            lock.release()
          }
        }
      }
    },
    Row("R1", "rwlock", threads: 4, unit: "ops/s") { threads, _ in
      readMostly(threads, writing: 20, reading: 12, apart: 64)
    },
    Row("R2", "rwlock", threads: 4, unit: "ops/s") { threads, _ in
      readMostly(threads, writing: 1000, reading: 2, apart: 4)
    },
    Row("S1", "semaphore", threads: 1, count: 5_000_000, unit: "ns/op") { _, count in
      let semaphore = Semaphore(1)
      return median {
        nanosecondsPer(count) {
          for _ in 0..<count {
            semaphore.acquire()
            semaphore.release()
          }
        }
      }
    },
    Row("S2", "semaphore", threads: 4, unit: "ops/s") { threads, _ in
      let semaphore = Semaphore(2)
      return median { contended(threads) { x in spin(semaphore.withPermit { spin(x, 12) }, 64) } }
    },
  ]
  for threads in [2, 4, 8] {
    rows.append(
      Row("L2", "guarded", threads: threads, unit: "ops/s") { threads, _ in
        let value = Guarded(UInt64(0))
        return median {
          contended(threads) { x in
            spin(
              value.withLock {
                $0 &+= 1
                return spin(x, 12)
              }, 64)
          }
        }
      })
  }
  return rows
}

/// Every so-manieth is a write.
private func readMostly(_ threads: Int, writing: UInt64, reading: Int, apart: Int) -> Figure {
  let lock = ReadWriteLock()
  let cell = Cell()
  return median {
    contended(threads) { x in
      var y = x
      if x % writing == 0 {
        lock.withWriteLock { cell.value &+= 1 }
      } else {
        y = lock.withReadLock { spin(x ^ (cell.value & 1), reading) }
      }
      return spin(y, apart)
    }
  }
}
