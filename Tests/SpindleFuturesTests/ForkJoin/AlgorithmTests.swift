import Spindle
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog()) struct AlgorithmTests {
  private static let sizes = [0, 1, 2, 3, 1000, 20_000, amount(100_001, orWhereSlow: 50_001)]

  @Test(arguments: [1, 2, 4], sizes) func `forEach visits every item once`(workers: Int, count: Int) {
    let visits = (0..<count).map { _ in Flag() }
    withThreadPool(maxWorkers: workers) { pool in pool.forEach(visits) { $0.raise() } }
    #expect(visits.allSatisfy { $0.count == 1 })
  }

  /// The worker with the first piece is kept at its first item until the other one sleeps. Then it waits for the piece's last item.
  @Test func `what is left of a piece is shared with a worker that has nothing to do`() {
    let isDone = (0..<800).map { _ in Event() }
    let other = Atomic<Int32>(0)
    withThreadPool(maxWorkers: 2) { pool in
      pool.forEach(0..<800) { index in
        switch index {
        case 0:
          for event in isDone[100...] { event.wait() }
          _ = sleepsWhenCalm { [currentSleep(ofThread: other.load(ordering: .relaxed))] }
        case 10: isDone[99].wait()
        case 100...: other.store(OSThread.current.nativeID, ordering: .relaxed)
        default: break
        }
        isDone[index].set()
      }
    }
    let areAllDone = isDone.allSatisfy { $0.isSet }
    #expect(areAllDone)
  }

  /// The same, in stretches of some items. What is combined are numbers.
  @Test func `what is left of a piece of reduce is shared with a worker that has nothing to do`() {
    let isDone = (0..<800).map { _ in Event() }
    let other = Atomic<Int32>(0)
    withThreadPool(maxWorkers: 2) { pool in
      let count = pool.reduce(pieces: 0..<800, { range in
        if range.contains(0) {
          for event in isDone[100...] { event.wait() }
          _ = sleepsWhenCalm { [currentSleep(ofThread: other.load(ordering: .relaxed))] }
        }
        if range.contains(26) { isDone[99].wait() }
        if range.contains(100) { other.store(OSThread.current.nativeID, ordering: .relaxed) }
        for index in range { isDone[index].set() }
        return range.count
      }, +)
      #expect(count == 800)
    }
  }

  @Test func `values that cost as much to combine as to make are made of few pieces`() {
    let pieces = Log<Int>()
    withThreadPool(maxWorkers: 1) { pool in
      let clock = ContinuousClock()
      @Sendable func take(_ time: Duration) {
        let end = clock.now + time
        while clock.now < end {}
      }
      _ = pool.reduce(pieces: 0..<1024, { range in
        let begin = clock.now
        pieces.append(range.count)
        take(.milliseconds(1))
        return clock.now - begin
      }, { a, b in
        take(max(a, b))
        return max(a, b)
      })
    }
    // Four pieces, of each two short stretches, and then the rest.
    #expect(pieces.all == Array(repeating: [8, 8, 240], count: 4).flatMap(\.self))
  }

  @Test func `forEach gives no piece smaller than the grain but the last`() {
    let pieces = Log<Int>()
    withThreadPool(maxWorkers: 4) { pool in
      _ = pool.reduce(pieces: 0..<1000, grain: 100, { pieces.append($0.count) }, { _, _ in })
    }
    #expect(pieces.all.reduce(0, +) == 1000)
    #expect(pieces.all.allSatisfy { $0 >= 50 })
  }

  @Test(arguments: [1, 2, 4], sizes) func `reduce combines from left to right`(workers: Int, count: Int) {
    withThreadPool(maxWorkers: workers) { pool in
      let text = pool.reduce(0..<min(count, 2000), "", { "\($0)," }, +)
      #expect(text == (0..<min(count, 2000)).map { "\($0)," }.joined())
    }
  }

  @Test func `reduce of no items is the identity`() {
    withThreadPool(maxWorkers: 2) { pool in
      #expect(pool.reduce([Int](), 7, { $0 }, +) == 7)
      #expect(pool.reduce(pieces: 3..<3, { $0.count }, +) == nil)
    }
  }

  @Test(arguments: [1, 2, 4], sizes) func `map keeps the order`(workers: Int, count: Int) {
    withThreadPool(maxWorkers: workers) { pool in
      #expect(pool.map(0..<count, grain: .automatic) { "\($0)" } == (0..<count).map { "\($0)" })
    }
  }

  @Test func `an error ends a map, and what it had made is released`() {
    let counts = Counted.Counts()
    withThreadPool(maxWorkers: 2) { pool -> Void in
      #expect(throws: Oops(number: 700)) {
        try pool.map(0..<1000, grain: 10) { (number) throws(Oops) -> Counted in
          if number == 700 { throw Oops(number: 700) }
          return Counted(counts)
        }
      }
    }
    #expect(counts.made.load(ordering: .relaxed) == counts.gone.load(ordering: .relaxed))
  }

  @Test func `an error ends a map of a task, and what it had made is released`() async {
    let counts = Counted.Counts()
    let pool = ThreadPool(maxWorkers: 2)
    await #expect(throws: Oops(number: 700)) {
      try await pool.map(0..<1000, grain: 10) { (number) throws(Oops) -> Counted in
        if number == 700 { throw Oops(number: 700) }
        return Counted(counts)
      }
    }
    await pool.shutdown()
    #expect(counts.made.load(ordering: .relaxed) == counts.gone.load(ordering: .relaxed))
  }

  @Test func `an error ends a filter`() {
    withThreadPool(maxWorkers: 2) { pool -> Void in
      #expect(throws: Oops(number: 700)) {
        try pool.filter(0..<1000, grain: 10) { (number) throws(Oops) in
          if number == 700 { throw Oops(number: 700) }
          return true
        }
      }
    }
  }

  @Test func `an error ends a reduce, and no item after it in its piece is visited`() {
    let last = Atomic<Int>(0)
    withThreadPool(maxWorkers: 1) { pool -> Void in
      #expect(throws: Oops(number: 5)) {
        try pool.reduce(0..<8, 0, grain: 8, { (number) throws(Oops) in
          last.store(number, ordering: .relaxed)
          if number == 5 { throw Oops(number: 5) }
          return number
        }, +)
      }
    }
    #expect(last.load(ordering: .relaxed) == 5)
  }

  @Test(arguments: [1, 2, 4], sizes) func `sort sorts`(workers: Int, count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    var numbers = (0..<count).map { _ in Int(random.next() % 1000) }
    let expected = numbers.sorted()
    withThreadPool(maxWorkers: workers) { pool in pool.sort(&numbers) }
    #expect(numbers == expected)
  }

  /// More than it takes for numbers to be spread over buckets first.
  private static let spreadable = 150_001

  enum Scatter: CaseIterable {
    case whole, narrow, few, oneApart, mostlyOne, falling

    /// The bits of a number.
    func bits(_ index: Int, _ random: inout SplitMix64) -> UInt64 {
      switch self {
      case .whole: random.next()
      case .narrow: random.next() % 100_000
      case .few: random.next() % 3
      case .oneApart: 1 << 40 + (index == 77 ? 1 : 0)
      case .mostlyOne: random.next() % 10 == 0 ? random.next() : 5
      case .falling: UInt64(AlgorithmTests.spreadable - index) << 30
      }
    }
  }

  @Test(arguments: Scatter.allCases) func `sort sorts many numbers of any type, however they lie`(scatter: Scatter) {
    func check<Number: FixedWidthInteger & Sendable>(_: Number.Type, _ pool: ThreadPool) {
      var random = SplitMix64(seed: 11)
      var numbers = (0..<Self.spreadable).map { Number(truncatingIfNeeded: scatter.bits($0, &random)) }
      let expected = numbers.sorted()
      pool.sort(&numbers)
      #expect(numbers == expected, "\(Number.self)")
    }
    withThreadPool(maxWorkers: 3) { pool in
      check(Int.self, pool)
      if slownessOfTests > 1, scatter != .whole { return }
      check(UInt.self, pool)
      check(Int64.self, pool)
      check(UInt64.self, pool)
      check(Int32.self, pool)
      check(UInt32.self, pool)
      check(Int16.self, pool)
    }
  }

  @Test func `a comparison that contradicts itself harms nothing but the order`() {
    var numbers = Array(0..<30_000)
    withThreadPool(maxWorkers: 2) { pool in
      for _ in 0..<5 { pool.sort(&numbers) { _, _ in Bool.random() } }
      var texts = (0..<30_000).map(String.init)
      pool.sort(&texts) { _, _ in Bool.random() }
      #expect(Set(texts).count == 30_000)
    }
    #expect(numbers.allSatisfy { (0..<30_000).contains($0) })
  }

  @Test func `sort keeps the order of equal elements`() {
    var random = SplitMix64(seed: 3)
    var pairs = (0..<50_000).map { ("\(random.next() % 10)", $0) }
    withThreadPool(maxWorkers: 4) { pool in pool.sort(&pairs) { $0.0 < $1.0 } }
    let isStable = zip(pairs, pairs.dropFirst()).allSatisfy { $0.0 < $1.0 || $0.0 == $1.0 && $0.1 < $1.1 }
    #expect(isStable)
  }

  @Test(arguments: [1, 2, 4], sizes) func `sort sorts by a closure that captures something`(workers: Int, count: Int) {
    let middle = count / 2
    var numbers = (0..<count).map { ($0 * 7919) % max(count, 1) }
    let expected = numbers.sorted { abs($0 - middle) < abs($1 - middle) }
    withThreadPool(maxWorkers: workers) { pool in pool.sort(&numbers) { abs($0 - middle) < abs($1 - middle) } }
    #expect(numbers == expected)
  }

  @Test(arguments: [1, 2, 4], sizes) func `prefixSum sums up`(workers: Int, count: Int) {
    var numbers = (0..<count).map { $0 % 7 }
    var sum = 0
    let expected = numbers.map { sum += $0; return sum }
    withThreadPool(maxWorkers: workers) { pool in pool.prefixSum(&numbers) }
    #expect(numbers == expected)
  }

  @Test func `prefixSum combines from left to right`() {
    var texts = (0..<5000).map { "\($0)," }
    var text = ""
    let expected = texts.map { text = String((text + $0).suffix(10)); return text }
    withThreadPool(maxWorkers: 2) { pool in pool.prefixSum(&texts) { String(($0 + $1).suffix(10)) } }
    #expect(texts == expected)
  }

  @Test(arguments: [1, 2, 4], sizes) func `filter keeps the order`(workers: Int, count: Int) {
    withThreadPool(maxWorkers: workers) { pool in
      #expect(pool.filter(0..<count) { _ in false } == [])
      #expect(pool.filter((0..<count).map { "\($0)" }) { $0.count % 2 == 0 } == (0..<count).map { "\($0)" }.filter { $0.count % 2 == 0 })
      #expect(pool.filter(0..<count) { $0 % 3 == 0 } == (0..<count).filter { $0 % 3 == 0 })
    }
  }

  @Test func `forEach throws the first error and begins nothing more`() {
    let begun = Atomic<Int>(0)
    withThreadPool(maxWorkers: 1) { pool -> Void in
      #expect(throws: Oops(number: 0)) {
        try pool.forEach(0..<1000, grain: 10) { (number) throws(Oops) in
          begun.wrappingAdd(1, ordering: .relaxed)
          throw Oops(number: number)
        }
      }
    }
    #expect(begun.load(ordering: .relaxed) == 1)
  }

  @Test func `tasks can use the algorithms`() async {
    let pool = ThreadPool(maxWorkers: 2)
    var numbers = (0..<50_000).map { ($0 * 7919) % 50_000 }
    await pool.sort(&numbers)
    #expect(numbers == Array(0..<50_000))
    await pool.sort(&numbers) { $0 > $1 }
    #expect(numbers == (0..<50_000).reversed())
    numbers.reverse()
    #expect(await pool.map(numbers, grain: 100) { $0 + 1 } == Array(1...50_000))
    #expect(await pool.filter(numbers) { $0 < 10 } == Array(0..<10))
    #expect(await pool.reduce(numbers, 0, { $0 }, +) == 50_000 * 49_999 / 2)
    let sum = Atomic<Int>(0)
    await pool.forEach(numbers) { sum.wrappingAdd($0, ordering: .relaxed) }
    #expect(sum.load(ordering: .relaxed) == 50_000 * 49_999 / 2)
    await pool.shutdown()
  }
}

final class Flag: Sendable {
  private let raised = Atomic<Int>(0)
  func raise() { raised.wrappingAdd(1, ordering: .relaxed) }
  var count: Int { raised.load(ordering: .relaxed) }
}

/// Counts how many of it were made, and how many are gone.
final class Counted: Sendable {
  final class Counts: Sendable {
    let made = Atomic<Int>(0)
    let gone = Atomic<Int>(0)
  }
  private let counts: Counts

  init(_ counts: Counts) {
    self.counts = counts
    counts.made.wrappingAdd(1, ordering: .relaxed)
  }

  deinit { counts.gone.wrappingAdd(1, ordering: .relaxed) }
}
