import Spindle
import SpindleGround
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct NestedWaitTests {
  @Test(arguments: [1, 2]) func nestedWaitsDoNotBlockThePool(workers: Int) throws {
    let pool = ThreadPool(maxWorkers: workers)
    let future = pool.submit {
      try pool.submit {
        try pool.submit { 1 }.result() + 1
      }.result() + 1
    }
    #expect(try future.result() == 3)
    pool.shutdown()
  }

  @Test(arguments: [1, 2]) func timedNestedWaitsGetASpareWorker(workers: Int) throws {
    let pool = ThreadPool(maxWorkers: workers)
    let future = pool.submit {
      try pool.submit {
        try pool.submit { 1 }.result(timeout: .seconds(50)) + 1
      }.result(timeout: .seconds(50)) + 1
    }
    #expect(try future.result() == 3)
    #expect(try pool.submit { 4 }.result() == 4)
    pool.shutdown()
  }

  @Test func recursionOverFutures() throws {
    let pool = ThreadPool(maxWorkers: 2)
    @Sendable func fib(_ n: Int) throws -> Int {
      if n < 2 { return n }
      let left = pool.submit { try fib(n - 1) }
      return try fib(n - 2) + left.result()
    }
    #expect(try pool.submit { try fib(14) }.result() == 377)
    pool.shutdown()
  }

  @Test func aChainDeeperThanOneStackShouldBe() throws {
    let pool = ThreadPool(maxWorkers: 1)
    @Sendable func descend(_ depth: Int) throws -> Int {
      if depth == 0 { return 0 }
      return try pool.submit { try descend(depth - 1) }.result() + 1
    }
    #expect(try pool.submit { try descend(500) }.result() == 500)
    pool.shutdown()
  }

  @Test func waitingForSeveralInsideAJob() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let future = pool.submit { () -> Int in
      let all = (0..<5).map { number in pool.submit { number } }
      let first = wait(for: all, until: .firstCompleted).done.count
      let timed = wait(for: all, timeout: .seconds(50)).done.count
      let more = (0..<5).map { number in pool.submit { number } }
      let together = wait(for: more).done.count
      let last = (0..<5).map { number in pool.submit { number } }
      return (first > 0 ? 100 : 0) + timed + together + asCompleted(last).map { $0 }.count
    }
    #expect(try future.result() == 115)
    pool.shutdown()
  }

  @Test func twoPoolsThatWaitForEachOther() throws {
    let (one, other) = (ThreadPool(maxWorkers: 1), ThreadPool(maxWorkers: 1))
    let future = one.submit {
      try other.submit {
        try one.submit {
          try other.submit { 1 }.result() + 1
        }.result() + 1
      }.result() + 1
    }
    #expect(try future.result() == 4)
    one.shutdown()
    other.shutdown()
  }

  @Test func aWaitingWorkerRunsTheAwaitedJobAndNoStrangers() throws {
    let pool = ThreadPool(maxWorkers: 1, threadNamePrefix: "one")
    let log = Log<String>()
    let future = pool.submit {
      pool.submit { log.append("stranger") }
      let awaited = pool.submit {
        log.append("awaited")
        return OSThread.current.nativeID
      }
      return try awaited.result() == OSThread.current.nativeID
    }
    #expect(try future.result())
    pool.shutdown()
    #expect(log.all == ["awaited", "stranger"])
  }

  /// Pools get their numbers again from those that have gone.
  @Test func aWorkerLeavesTheFutureOfAnotherPoolToThatPool() throws {
    try withThreadPool(maxWorkers: 1, threadNamePrefix: "long") { long in
      for _ in 0..<20 {
        let name = try withThreadPool(maxWorkers: 1, threadNamePrefix: "short") { short in
          try short.submit { try long.submit { OSThread.current.name }.result() }.result()
        }
        #expect(name == "long_0")
      }
    }
  }

  @Test func spareWorkersLeaveWhenTheyAreNotNeeded() throws {
    let pool = ThreadPool(maxWorkers: 1, threadNamePrefix: "spare")
    @Sendable func descend(_ depth: Int) throws -> Int {
      if depth == 0 { return 0 }
      return try pool.submit { try descend(depth - 1) }.result(timeout: .seconds(50)) + 1
    }
    #expect(try pool.submit { try descend(20) }.result() == 20)
    while OSThread.all.filter({ $0.name.hasPrefix("spare") }).count > 1 { pause() }
    #expect(try pool.submit { 1 }.result() == 1)
    pool.shutdown()
  }
}

private func pause() { _ = try? Promise<Int>().future.result(timeout: .milliseconds(1)) }
