import Spindle
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog()) struct ScopeTests {
  @Test(arguments: [1, 2, 4]) func `a scope ends when all that was spawned has ended`(workers: Int) throws {
    let count = Atomic<Int>(0)
    try withThreadPool(maxWorkers: workers) { pool in
      let result = try pool.scope { scope in
        for _ in 0..<1000 { scope.spawn { count.wrappingAdd(1, ordering: .relaxed) } }
        return "result"
      }
      #expect(result == "result")
      #expect(count.load(ordering: .relaxed) == 1000)
    }
  }

  @Test(arguments: [1, 2, 4]) func `what is spawned may spawn more`(workers: Int) throws {
    let count = Atomic<Int>(0)
    @Sendable func grow(_ depth: Int, _ scope: ForkScope) {
      count.wrappingAdd(1, ordering: .relaxed)
      if depth == 0 { return }
      for _ in 0..<2 { scope.spawn { grow(depth - 1, scope) } }
    }
    try withThreadPool(maxWorkers: workers) { pool in try pool.scope { scope in grow(10, scope) } }
    #expect(count.load(ordering: .relaxed) == 2047)
  }

  @Test func `scopes and joins nest in each other`() throws {
    let count = Atomic<Int>(0)
    try withThreadPool(maxWorkers: 3) { pool in
      _ = try pool.join {
        for _ in 0..<50 {
          try pool.scope { scope in
            for _ in 0..<5 {
              scope.spawn { _ = pool.join { count.wrappingAdd(1, ordering: .relaxed) } _: { count.wrappingAdd(1, ordering: .relaxed) } }
            }
          }
        }
      } _: {
        try pool.scope { scope in
          for _ in 0..<100 { scope.spawn { count.wrappingAdd(1, ordering: .relaxed) } }
        }
      }
    }
    #expect(count.load(ordering: .relaxed) == 600)
  }

  @Test func `the first error is thrown when all have ended`() {
    withThreadPool(maxWorkers: 2) { pool -> Void in
      #expect(throws: Oops(number: 5)) {
        try pool.scope { scope in
          scope.spawn { throw Oops(number: 5) }
          for _ in 0..<10 { scope.spawn {} }
        }
      }
    }
  }

  @Test func `an error of the body is thrown when all have ended`() {
    let count = Atomic<Int>(0)
    withThreadPool(maxWorkers: 2) { pool in
      let gate = Gate()
      #expect(throws: Oops(number: 1)) {
        try pool.scope { scope in
          scope.spawn {
            gate.pass()
            count.wrappingAdd(1, ordering: .relaxed)
          }
          gate.awaitArrivals()
          gate.open()
          throw Oops(number: 1)
        }
      }
      #expect(count.load(ordering: .relaxed) == 1)
    }
  }

  @Test func `a task can open a scope`() async throws {
    let count = Counted.Counts()
    let pool = ThreadPool(maxWorkers: 2)
    try await pool.scope { scope in
      for _ in 0..<100 { scope.spawn { _ = Counted(count) } }
    }
    #expect(count.gone.load(ordering: .relaxed) == 100)
    await pool.shutdown()
  }
}
