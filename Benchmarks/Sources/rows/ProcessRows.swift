import Glibc
import Spindle

/// M1 to M7: process pools, queues between processes, starting a process, what an idle worker costs.
func processRows() -> [Row] {
  var rows = [
    Row("M1/submit", "processpool", threads: 2, count: 200_000, unit: "calls/s") { workers, count in
      withProcessPool(maxWorkers: workers) { pool in keptFutures(count) { pool.submit(identity, $0) } }
    },
    Row("M2", "processpool", threads: 2, count: 5_000, unit: "us p50") { workers, count in
      withProcessPool(maxWorkers: workers) { pool in
        medianTime(ofCalls: count) { index in check(try! pool.submit(identity, index).result() == index, "result") }
      }
    },
    Row("M3", "processpool", threads: 2, count: 10, unit: "ms") { workers, count in
      let numbers = (0..<1_000_000).map(Double.init)
      return withProcessPool(maxWorkers: workers) { pool in
        median {
          let all = milliseconds {
            for _ in 0..<count { check(try! pool.submit(sameNumbers, numbers).result().count == numbers.count, "numbers") }
          }
          return Figure(value: all.value / Double(count))
        }
      }
    },
    Row("M5", "sharedqueue", threads: 2, count: 50_000, unit: "round trips/s") { _, count in
      let there = SharedQueue<Int>(capacity: 1)
      let back = SharedQueue<Int>(capacity: 1)
      let rounds = 6  // a warm-up and five
      let child = ChildProcess(target: echo, there, back, rounds * count)
      child.start()
      let figure = median {
        perSecond(count) {
          for number in 0..<count {
            try! there.put(number)
            check(try! back.get() == number, "echo")
          }
        }
      }
      try! child.join()
      return figure
    },
    Row("M5", "connection", threads: 2, count: 20_000, unit: "round trips/s") { _, count in
      let (mine, theirs) = Connection<Int>.pair()
      let child = ChildProcess(target: echoNumbers, theirs, 6 * count)
      child.start()
      let figure = median {
        perSecond(count) {
          for number in 0..<count {
            try! mine.send(number)
            check(try! mine.receive() == number, "echo")
          }
        }
      }
      try! child.join()
      return figure
    },
    Row("M7/wakeups", "processpool", threads: 2, unit: "wake-ups/s") { workers, _ in
      idle(workers) { pids in
        let before = pids.map(switches)
        OSThread.sleep(for: .seconds(2))
        return Double(zip(pids.map(switches), before).reduce(0) { $0 + ($1.0 - $1.1) }) / 2
      }
    },
    Row("M7/memory", "processpool", threads: 2, unit: "MB") { workers, _ in
      idle(workers) { pids in Double(pids.map(privateKilobytes).reduce(0, +)) / 1024 / Double(pids.count) }
    },
  ]
  for size in [16, 60, 70, 120, 200, 1000] {
    rows.append(
      Row("M5/\(size)KB", "connection", threads: 2, count: size < 500 ? 2_000 : 500, unit: "round trips/s") { _, count in
        let message = [UInt8](repeating: 7, count: size * 1000)
        let (mine, theirs) = Connection<[UInt8]>.pair()
        let child = ChildProcess(target: echoBytes, theirs, 6 * count)
        child.start()
        let figure = median {
          perSecond(count) {
            for _ in 0..<count {
              try! mine.send(message)
              check(try! mine.receive().count == message.count, "echo")
            }
          }
        }
        try! child.join()
        return figure
      })
  }
  for chunkSize in [1, 10, 100, nil] {
    let name = chunkSize.map { "chunk\($0)" } ?? "auto"
    rows.append(
      Row("M1/\(name)", "processpool", threads: 2, count: chunkSize == 1 ? 200_000 : 1_000_000, unit: "calls/s") { workers, count in
        withProcessPool(maxWorkers: workers) { pool in
          median {
            perSecond(count) {
              var sum = 0
              for value in try! pool.map(0..<count, chunkSize: chunkSize, identity).collect() { sum += value }
              check(sum == count * (count - 1) / 2, "results")
            }
          }
        }
      })
  }
  for (shape, producers, consumers) in shapes where producers == consumers {
    rows.append(
      Row("M4/\(shape)", "sharedqueue", threads: producers + consumers, count: 500_000, unit: "msg/s") { _, count in
        median {
          let queue = SharedQueue<Int>(capacity: 1024)
          let starter = Starter()
          let each = count / producers
          let children = (0..<producers + consumers).map {
            ChildProcess(target: $0 < producers ? produce : consume, queue, each, starter)
          }
          for child in children { child.start() }
          for _ in children { _ = try! starter.ready.get() }
          let figure = perSecond(each * producers) {
            for _ in children { try! starter.go.put(1) }
            let sum = (0..<consumers).reduce(0) { sum, _ in sum + (try! starter.sums.get()) }
            check(sum == producers * (each * (each - 1) / 2), "the sum of what was received")
          }
          for child in children { try! child.join() }
          return figure
        }
      })
  }
  for (name, startMethod, gigabytes) in [("spawn", StartMethod.spawn, 0), ("forkserver", .forkServer, 0), ("forkserver-2GB", .forkServer, 2)] {
    rows.append(
      Row("M6/\(name)", "childprocess", threads: 1, count: 20, unit: "ms") { _, count in
        starts(count, startMethod, gigabytes) {
          milliseconds {
            let child = ChildProcess(target: nothing, startMethod: startMethod)
            child.start()
            try! child.join()
          }.value
        }
      })
    rows.append(
      Row("M6/\(name)-first", "processpool", threads: 1, count: 20, unit: "ms") { _, count in
        starts(count, startMethod, gigabytes) {
          var pool: ProcessPool?
          let time = milliseconds {
            pool = ProcessPool(maxWorkers: 1, startMethod: startMethod)
            _ = try! pool!.submit(identity, 1).result()
          }.value
          pool!.shutdown()
          return time
        }
      })
  }
  return rows
}

/// The median of `count` starts in a program that has so much memory.
private func starts(_ count: Int, _ startMethod: StartMethod, _ gigabytes: Int, _ start: () -> Double) -> Figure {
  // Written to, so that the program has it before there is a server.
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, gigabytes << 30), alignment: 4096)
  memset(memory, 1, gigabytes << 30)
  defer { memory.deallocate() }
  if startMethod == .forkServer { try! ForkServer.start() }
  return median { Figure(value: median((0..<count).map { _ in start() })) }
}

/// A pool whose workers have all worked, and then have nothing to do.
private func idle(_ workers: Int, _ look: ([Int32]) -> Double) -> Figure {
  withProcessPool(maxWorkers: workers) { pool in
    var pids: Set<Int32> = []
    while pids.count < workers {
      let calls = (0..<workers * 4).map { _ in pool.submit(ownProcess) }
      for call in calls { pids.insert(try! call.result()) }
    }
    OSThread.sleep(for: .milliseconds(500))
    return Figure(value: look(Array(pids)))
  }
}

func ownProcess() -> Int32 {
  OSThread.sleep(for: .milliseconds(1))
  return getpid()
}

/// Sum of the lines that begin so, in a file of /proc.
private func lines(_ path: String, _ prefixes: [String]) -> Int {
  guard let file = fopen(path, "r") else { return 0 }
  defer { fclose(file) }
  var sum = 0
  var line = [CChar](repeating: 0, count: 512)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    if prefixes.contains(where: text.hasPrefix) { sum += text.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }.first ?? 0 }
  }
  return sum
}

private func switches(_ pid: Int32) -> Int {
  guard let folder = opendir("/proc/\(pid)/task") else { return 0 }
  defer { closedir(folder) }
  var sum = 0
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name.first?.isNumber == true { sum += lines("/proc/\(pid)/task/\(name)/status", ["voluntary_ctxt_switches"]) }
  }
  return sum
}

private func privateKilobytes(_ pid: Int32) -> Int { lines("/proc/\(pid)/smaps_rollup", ["Private_Clean", "Private_Dirty"]) }
