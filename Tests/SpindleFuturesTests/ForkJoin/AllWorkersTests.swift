import Spindle
import SpindleTestSupport
import Testing

/// What is forked is for all workers of a pool, whoever forks and whatever they did before.
@Suite(.watchdog()) struct AllWorkersTests {
  /// What the workers of a pool have done before.
  enum Past: CaseIterable {
    case nothing
    case aJob
    case jobs
    case forks
  }

  enum Caller: CaseIterable {
    case outside
    case job
    case forkedClosure
    case task
    case workerOfAnotherPool
    case guestOfAnotherPool
  }

  /// Ends when each of `count` threads has taken an item and waits for the others.
  private static func meet(_ count: Int, in pool: ThreadPool) {
    let met = Barrier(count)
    pool.forEach(0..<count, grain: 1) { _ in _ = try? met.wait() }
  }

  private static func prepare(_ pool: ThreadPool, _ workers: Int, _ past: Past) throws {
    switch past {
    case .nothing: return
    case .aJob: return try pool.submit {}.result()
    case .jobs: break
    case .forks: meet(workers, in: pool)
    }
    // In jobs: so all are there, also one in whose place the calling thread forked.
    let met = Barrier(workers)
    let threads = try (0..<workers).map { _ in
      pool.submit {
        try met.wait()
        return OSThread.current.nativeID
      }
    }.map { try $0.result() }
    _ = sleepsWhenCalm { threads.map { currentSleep(ofThread: $0) } }
  }

  private static func call(from caller: Caller, _ pool: ThreadPool, _ workers: Int) async throws {
    switch caller {
    case .outside: try await onThread { meet(workers, in: pool) }
    case .job: try await pool.submit { meet(workers, in: pool) }.result()
    case .forkedClosure: try await onThread { _ = pool.join { meet(workers, in: pool) } _: {} }
    case .task:
      let met = Barrier(workers)
      await pool.forEach(0..<workers, grain: 1) { _ in _ = try? met.wait() }
    case .workerOfAnotherPool:
      let other = ThreadPool(maxWorkers: 1)
      try await other.submit { meet(workers, in: pool) }.result()
      await other.shutdown()
    case .guestOfAnotherPool:
      let other = ThreadPool(maxWorkers: 1)
      try await onThread { _ = other.join { meet(workers, in: pool) } _: {} }
      await other.shutdown()
    }
  }

  private static func check(_ past: Past, _ caller: Caller, initializer: (@Sendable () throws -> Void)?) async throws {
    for workers in 1...4 {
      let pool = ThreadPool(maxWorkers: workers, initializer: initializer)
      try await onThread { try prepare(pool, workers, past) }
      for _ in 0..<3 { try await call(from: caller, pool, workers) }
      await pool.shutdown()
    }
  }

  @Test(arguments: Past.allCases, Caller.allCases)
  func `all workers take part`(past: Past, caller: Caller) async throws {
    try await Self.check(past, caller, initializer: nil)
  }

  @Test(arguments: Past.allCases, Caller.allCases)
  func `all workers take part where each has to be initialised`(past: Past, caller: Caller) async throws {
    try await Self.check(past, caller, initializer: {})
  }

  /// Others take places and leave them, fill the line and empty it. When they have gone, nobody else would wake a worker that is missed.
  @Test(arguments: 1...4, [1, 100]) func `all workers take part while others come and go`(workers: Int, rounds: Int) {
    for pass in 0..<300 / rounds {
      withThreadPool(maxWorkers: workers) { pool in
        for round in 0..<rounds {
          let others = (0..<2).map { number in
            OSThread.spawn {
              var random = SplitMix64(seed: UInt64((pass * rounds + round) * 2 + number))
              for _ in 0..<random.next() % 6 { Self.comeAndGo(random.next() % 6, pool) }
            }
          }
          Self.meet(workers, in: pool)
          for thread in others { thread.join() }
        }
      }
    }
  }

  private static func comeAndGo(_ way: UInt64, _ pool: ThreadPool) {
    switch way {
    case 0: _ = pool.join {} _: {}
    case 1: try? pool.submit {}.result()
    case 2: try? pool.submit { _ = pool.join {} _: {} }.result()
    case 3: _ = pool.join { try? pool.submit {}.result() } _: { OSThread.yield() }
    case 4: pool.execute {}
    default: OSThread.sleep(for: .microseconds(50))
    }
  }
}
