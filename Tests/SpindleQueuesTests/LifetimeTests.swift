import SpindleTestSupport
import Synchronization
import Testing

import SpindleQueues

/// Counts the live instances made with it.
final class Census: Sendable {
  let live = Atomic<Int>(0)
}

/// An element that is counted while it lives.
final class Tracked: Comparable, Sendable {
  let number: Int
  let census: Census?

  init(_ number: Int, _ census: Census? = nil) {
    self.number = number
    self.census = census
    census?.live.wrappingAdd(1, ordering: .relaxed)
  }

  deinit { census?.live.wrappingSubtract(1, ordering: .relaxed) }

  static func < (a: Tracked, b: Tracked) -> Bool { a.number < b.number }
  static func == (a: Tracked, b: Tracked) -> Bool { a.number == b.number }
}

/// The same without copies.
struct TrackedTicket: ~Copyable {
  let census: Census

  init(_ census: Census) {
    self.census = census
    census.live.wrappingAdd(1, ordering: .relaxed)
  }

  deinit { census.live.wrappingSubtract(1, ordering: .relaxed) }
}

/// Every element is destroyed once.
@Suite(.watchdog(seconds: 60)) struct LifetimeTests {
  @Test(arguments: Kind.allCases, [0, 1, 30, 31, 32, 62, 90]) func aQueueDestroysWhatIsLeft(
    _ kind: Kind, count: Int
  ) throws {
    let census = Census()
    do {
      let queue = kind.make(Tracked.self)
      for number in 0..<count { try queue.putNoWait(Tracked(number, census)) }
      #expect(census.live.load(ordering: .relaxed) == count)
    }
    #expect(census.live.load(ordering: .relaxed) == 0)
  }

  @Test(arguments: Kind.allCases) func whatWasTakenBelongsToTheTaker(_ kind: Kind) throws {
    let census = Census()
    do {
      let queue = kind.make(Tracked.self)
      for number in 0..<70 { try queue.putNoWait(Tracked(number, census)) }
      for left in (0..<70).reversed() {
        _ = try queue.getNoWait()
        #expect(census.live.load(ordering: .relaxed) == left)
      }
    }
    #expect(census.live.load(ordering: .relaxed) == 0)
  }

  @Test(arguments: Kind.allCases) func aRefusedElementIsDestroyed(_ kind: Kind) throws {
    let census = Census()
    let queue = kind.make(Tracked.self, capacity: 1)
    try queue.putNoWait(Tracked(0, census))
    try? queue.putNoWait(Tracked(1, census))
    try? queue.put(Tracked(2, census), timeout: short)
    _ = queue.tryPut(Tracked(3, census))
    #expect(census.live.load(ordering: .relaxed) == 1)
    queue.shutdown(immediate: true)
    #expect(census.live.load(ordering: .relaxed) == 0)
    try? queue.putNoWait(Tracked(4, census))
    #expect(census.live.load(ordering: .relaxed) == 0)
  }

  @Test func elementsWithoutCopiesAreDestroyedOnce() throws {
    let census = Census()
    for capacity in [0, 50] {
      let queue = Queue<TrackedTicket>(capacity: capacity)
      for _ in 0..<40 { try queue.putNoWait(TrackedTicket(census)) }
      for _ in 0..<10 { _ = try queue.getNoWait() }
      #expect(census.live.load(ordering: .relaxed) == 30)
      if capacity == 50 { queue.shutdown(immediate: true) }
    }
    #expect(census.live.load(ordering: .relaxed) == 0)
  }

  @Test func aStackTakesElementsWithoutCopies() throws {
    let census = Census()
    do {
      let queue = LIFOQueue<TrackedTicket>()
      for _ in 0..<40 { try queue.putNoWait(TrackedTicket(census)) }
      for _ in 0..<10 { _ = try queue.getNoWait() }
      #expect(census.live.load(ordering: .relaxed) == 30)
    }
    #expect(census.live.load(ordering: .relaxed) == 0)
  }

  @Test(arguments: Kind.allCases) func anElementMayUseItsQueueWhileItIsDropped(_ kind: Kind) throws {
    let queue = kind.make(Nosy.self)
    for number in 0..<5 { try queue.putNoWait(Nosy(number, queue)) }
    queue.shutdown(immediate: true)
    #expect(queue.isEmpty)
  }

  @Test(arguments: Kind.allCases) func elementsOfUnusualSizesPassThrough(_ kind: Kind) throws {
    let bytes = kind.make(UInt8.self)
    let wide = kind.make(Wide.self)
    let text = kind.make(String.self)
    for number in 0..<80 {
      try bytes.putNoWait(UInt8(number))
      try wide.putNoWait(Wide(number))
      try text.putNoWait("a string too long to be stored inline, \(number + 100)")
    }
    for number in kind.order(Array(0..<80)) {
      #expect(try bytes.getNoWait() == UInt8(number))
      #expect(try wide.getNoWait().sum == Wide(number).sum)
      #expect(try text.getNoWait().hasSuffix("\(number + 100)"))
    }
  }

  @Test func elementsOfNoSizePassThrough() throws {
    for queue in [Queue<Void>(capacity: 3), Queue<Void>()] {
      for _ in 0..<3 { try queue.putNoWait(()) }
      #expect(queue.count == 3)
      for _ in 0..<3 { try queue.getNoWait() }
      #expect(queue.isEmpty)
    }
  }
}

/// An element that looks at the queue when it is destroyed.
final class Nosy: Comparable, Sendable {
  let number: Int
  let queue: BlockingQueue<Nosy>

  init(_ number: Int, _ queue: BlockingQueue<Nosy>) {
    self.number = number
    self.queue = queue
  }

  deinit {
    _ = queue.count
    try? queue.putNoWait(Nosy2.shared)
  }

  static func < (a: Nosy, b: Nosy) -> Bool { a.number < b.number }
  static func == (a: Nosy, b: Nosy) -> Bool { a.number == b.number }
}

enum Nosy2 {
  static let shared = Nosy(-1, Queue<Nosy>(capacity: 1))
}

/// Larger than a cache line, aligned to more than a word.
struct Wide: Comparable, Sendable {
  var a: SIMD8<Int64>
  var b: SIMD8<Int64>
  var c: UInt8

  init(_ number: Int) {
    a = SIMD8(repeating: Int64(number))
    b = a &+ 1
    c = UInt8(truncatingIfNeeded: number)
  }

  var sum: Int64 { a.wrappedSum() &+ b.wrappedSum() &+ Int64(c) }

  static func < (x: Wide, y: Wide) -> Bool { x.a[0] < y.a[0] }
}
