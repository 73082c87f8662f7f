import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog()) struct JoinTests {
  @Sendable private static func fibonacci(_ n: Int, _ pool: ThreadPool) -> Int {
    if n < 2 { return n }
    let (a, b) = pool.join { fibonacci(n - 1, pool) } _: { fibonacci(n - 2, pool) }
    return a + b
  }

  @Test(arguments: [1, 2, 5]) func `both closures run and both results are returned`(workers: Int) {
    withThreadPool(maxWorkers: workers) { pool in
      let (number, text) = pool.join { 1 } _: { "two" }
      #expect(number == 1)
      #expect(text == "two")
    }
  }

  @Test(arguments: [1, 2, 5]) func `joins nest`(workers: Int) {
    withThreadPool(maxWorkers: workers) { pool in #expect(Self.fibonacci(18, pool) == 2584) }
  }

  @Test func `a job of the pool may fork`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      let all = (0..<4).map { _ in pool.submit { Self.fibonacci(12, pool) } }
      for future in all { #expect(try future.result() == 144) }
    }
  }

  @Test func `a worker of one pool may fork in another`() throws {
    let inner = ThreadPool(maxWorkers: 2)
    try withThreadPool(maxWorkers: 2) { outer throws in
      #expect(try outer.submit { Self.fibonacci(12, inner) }.result() == 144)
      let (a, b) = outer.join { Self.fibonacci(10, inner) } _: { Self.fibonacci(11, inner) }
      #expect((a, b) == (55, 89))
    }
    inner.shutdown()
  }

  @Test func `the two closures run at the same time when there is a worker without work`() {
    withThreadPool(maxWorkers: 2) { pool in
      // Neither ends before the other has begun.
      let met = Barrier(2)
      _ = pool.join { _ = try? met.wait() } _: { _ = try? met.wait() }
      #expect(!met.isBroken)
    }
  }

  @Test func `a sleeping worker wakes up for every fork`() {
    withThreadPool(maxWorkers: 2) { pool in
      for _ in 0..<200 {
        let met = Barrier(2)
        _ = pool.join { _ = try? met.wait() } _: { _ = try? met.wait() }
      }
    }
  }

  @Test func `closures may borrow what lies on the caller's stack`() {
    withThreadPool(maxWorkers: 2) { pool in
      let counts = (0..<100).map { _ in Int.random(in: 0..<10) }
      func sum(_ range: Range<Int>) -> Int {
        if range.count < 3 { return range.reduce(0) { $0 + counts[$1] } }
        let middle = range.lowerBound + range.count / 2
        let (a, b) = pool.join { counts[range.lowerBound..<middle].reduce(0, +) } _: { counts[middle..<range.upperBound].reduce(0, +) }
        return a + b
      }
      #expect(sum(0..<100) == counts.reduce(0, +))
    }
  }

  @Test func `an error of the first closure leaves the second out`() {
    withThreadPool(maxWorkers: 1) { pool in
      let count = Atomic<Int>(0)
      #expect(throws: Oops(number: 1)) {
        try pool.join { () throws(Oops) -> Int in throw Oops(number: 1) } _: { () throws(Oops) -> Int in
          count.wrappingAdd(1, ordering: .relaxed)
          return 2
        }
      }
      #expect(count.load(ordering: .relaxed) == 0)
    }
  }

  @Test(arguments: [1, 2]) func `an error of the second closure is thrown`(workers: Int) {
    withThreadPool(maxWorkers: workers) { pool -> Void in
      #expect(throws: Oops(number: 2)) {
        try pool.join { () throws(Oops) -> Int in 1 } _: { () throws(Oops) -> Int in throw Oops(number: 2) }
      }
    }
  }

  @Test func `when both throw it is the first closure's error`() {
    withThreadPool(maxWorkers: 2) { pool in
      let met = Barrier(2)
      #expect(throws: Oops(number: 1)) {
        try pool.join { () throws(Oops) -> Int in
          _ = try? met.wait()
          throw Oops(number: 1)
        } _: { () throws(Oops) -> Int in
          _ = try? met.wait()
          throw Oops(number: 2)
        }
      }
    }
  }

  @Test func `after shutdown the closures run on the calling thread`() {
    let pool = ThreadPool(maxWorkers: 2)
    pool.shutdown()
    let id = OSThread.current
    let (a, b) = pool.join { OSThread.current == id } _: { OSThread.current == id }
    #expect(a && b)
  }

  @Test func `a task can join without blocking its thread`() async {
    let pool = ThreadPool(maxWorkers: 2)
    let (a, b) = await pool.join { Self.fibonacci(10, pool) } _: { Self.fibonacci(9, pool) }
    #expect((a, b) == (55, 34))
    await pool.shutdown()
  }

  @Test func `a cancelled task still gets what it borrowed for back`() async {
    let pool = ThreadPool(maxWorkers: 2)
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return await pool.join { 1 } _: { 2 }
    }
    let (a, b) = await task.value
    #expect((a, b) == (1, 2))
    await pool.shutdown()
  }

  @Test func `jobs go on while a worker waits inside a fork`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      let gate = Gate()
      let forked = pool.submit { pool.join { 1 } _: { gate.pass(); return 2 } }
      gate.open()
      #expect(try forked.result() == (1, 2))
      #expect(try pool.submit { 3 }.result() == 3)
    }
  }

  @Test func `what a stolen closure waits for gets a spare worker when all others sleep in forks`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      let met = Barrier(2)
      let (_, value) = try pool.join { _ = try met.wait() } _: {
        _ = try met.wait()
        // The one worker waits for this closure, the other for the future, and with a time-out, so it does not do it itself.
        return try pool.submit { 7 }.result(timeout: .seconds(60))
      }
      #expect(value == 7)
    }
  }

  @Test func `a deep recursion outgrows the first buffer`() {
    withThreadPool(maxWorkers: 2) { pool in
      @Sendable func descend(_ depth: Int) -> Int {
        if depth == 0 { return 0 }
        let (a, b) = pool.join { descend(depth - 1) } _: { 1 }
        return a + b
      }
      #expect(descend(1000) == 1000)
    }
  }

  @Test func `a pool that has slept forks again, and takes jobs`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      #expect(Self.fibonacci(12, pool) == 144)
      #expect(Self.fibonacci(3, pool) == 2)
      #expect(try pool.submit { 1 }.result() == 1)
    }
  }
}
