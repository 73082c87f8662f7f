import Spindle
import SpindleTestSupport
import Synchronization
import Testing

/// Random trees of joins, scopes, loops and futures, from threads and tasks at once, with errors: every node is counted
/// once, nothing hangs, nothing leaks.
@Suite(.watchdog(seconds: 120)) struct ForkStormTests {
  /// How many nodes the tree of this seed has.
  static func size(_ seed: UInt64, _ depth: Int) -> Int {
    if depth == 0 { return 1 }
    var random = SplitMix64(seed: seed)
    _ = random.next()
    return 1 + (0..<2).reduce(0) { sum, _ in sum + size(random.next(), depth - 1) }
  }

  /// Walks the tree in parallel, in a way that its seeds choose.
  @Sendable static func walk(_ seed: UInt64, _ depth: Int, _ pool: ThreadPool, _ counts: Counted.Counts) throws -> Int {
    let node = Counted(counts)
    defer { withExtendedLifetime(node) {} }
    if depth == 0 { return 1 }
    var random = SplitMix64(seed: seed)
    let way = random.next() % 5
    let (first, second) = (random.next(), random.next())
    switch way {
    case 0, 1:
      let (a, b) = try pool.join { try walk(first, depth - 1, pool, counts) } _: { try walk(second, depth - 1, pool, counts) }
      return 1 + a + b
    case 2:
      let sum = Atomic<Int>(1)
      try pool.scope { scope in
        for seed in [first, second] {
          scope.spawn { sum.wrappingAdd(try walk(seed, depth - 1, pool, counts), ordering: .relaxed) }
        }
      }
      return sum.load(ordering: .relaxed)
    case 3:
      return 1 + (try pool.map([first, second], grain: 1) { try walk($0, depth - 1, pool, counts) }.reduce(0, +))
    default:
      let future = pool.submit { try walk(first, depth - 1, pool, counts) }
      return 1 + (try walk(second, depth - 1, pool, counts)) + (try future.result())
    }
  }

  @Test(arguments: 1...4) func `every node of a random tree is counted once`(workers: Int) async throws {
    let counts = Counted.Counts()
    let pool = ThreadPool(maxWorkers: workers)
    let total = Counter()
    let tasks = (0..<2).map { index in
      Task.detached {
        for round in 0..<5 {
          let seed = UInt64(workers * 1000 + round * 10 + index)
          let (a, b) = try await pool.join { try Self.walk(seed, 6, pool, counts) } _: { try Self.walk(seed + 500, 6, pool, counts) }
          #expect(a + b == Self.size(seed, 6) + Self.size(seed + 500, 6))
          total.add(a + b)
        }
      }
    }
    let threads = (0..<2).map { index in
      OSThread.spawn {
        for round in 0..<5 {
          let seed = UInt64(workers * 1000 + round * 10 + index + 5)
          let sum = try Self.walk(seed, 8, pool, counts)
          #expect(sum == Self.size(seed, 8))
          total.add(sum)
        }
      }
    }
    for thread in threads { try await thread.join() }
    for task in tasks { try await task.value }
    await pool.shutdown()
    #expect(counts.made.load(ordering: .relaxed) == total.value)
    #expect(counts.gone.load(ordering: .relaxed) == total.value)
  }

  @Test(arguments: 1...3) func `an error anywhere ends the whole, and nothing is left behind`(workers: Int) {
    let counts = Counted.Counts()
    withThreadPool(maxWorkers: workers) { pool in
      for round in 0..<50 {
        #expect(throws: Oops(number: round)) {
          try pool.forEach(0..<100, grain: 1) { number in
            let node = Counted(counts)
            defer { withExtendedLifetime(node) {} }
            if number == round { throw Oops(number: round) }
            _ = pool.join { Counted(counts) } _: { Counted(counts) }
          }
        }
      }
    }
    #expect(counts.made.load(ordering: .relaxed) == counts.gone.load(ordering: .relaxed))
  }
}

private final class Counter: Sendable {
  private let sum = Atomic<Int>(0)
  func add(_ number: Int) { sum.wrappingAdd(number, ordering: .relaxed) }
  var value: Int { sum.load(ordering: .relaxed) }
}
