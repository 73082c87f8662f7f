import CSpindle
import SpindleGround
import Synchronization

/// How an attempt to put or take ended.
@usableFromInline
package enum Attempt {
  case done, mustWait, shutDown

  /// What a call that ends so throws; `waiting` when it would have to wait longer.
  @inlinable
  func error(waiting: QueueError) -> QueueError? {
    switch self {
    case .done: nil
    case .mustWait: waiting
    case .shutDown: .shutDown
    }
  }
}

/// What all queues have and what does not depend on their elements: two positions, three places to wait, tasks done.
///
/// It lies at an address of its own, aligned to 128 bytes, so that what producers write, what consumers write and what
/// both only read are apart. 128 and not 64, because processors fetch lines in pairs.
///
/// `tail` counts puts and `head` takes, shifted left by one bit, in the encoding of `kind`. Bit 0 of `tail` says that
/// the queue is shut down: one load tells a put where to go and that it may.
@usableFromInline
@safe package struct QueueState: ~Copyable, Sendable {
  @usableFromInline typealias Gap10 = (
    UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt
  )
  @usableFromInline typealias Gap11 = (
    UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt
  )
  @usableFromInline typealias Gap13 = (
    UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt
  )
  @usableFromInline typealias Gap15 = (
    UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt
  )

  @usableFromInline
  package enum Kind: UInt, Sendable { case slots, blocks, locked }

  // Read only, until the end.
  @usableFromInline let kind: Kind
  /// Whether the queue is shut down, for who would rather not look at `tail`. Set after its bit, which decides.
  @usableFromInline let isClosing = Atomic<Bool>(false)
  /// 0: no bound.
  @usableFromInline let capacity: Int
  /// Kind `slots`: how far positions of two laps are apart, a power of two of at least `capacity`, shifted like them.
  @usableFromInline let lap: UInt
  private let gap0: Gap13 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  // Producers write.
  @usableFromInline let tail = Atomic<UInt>(0)
  @usableFromInline let tailBlock = Atomic<UInt>(0)
  @usableFromInline let putsPerWait = BatchCount()
  @usableFromInline let putRun = ProcessorRun()
  private let gap1: Gap11 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  // Consumers write.
  @usableFromInline let head = Atomic<UInt>(0)
  @usableFromInline let headBlock = Atomic<UInt>(0)
  /// Kind `blocks`: the tail that a consumer saw last, so there are elements up to here and the tail need not be read.
  @usableFromInline let horizon = Atomic<UInt>(0)
  @usableFromInline let takesPerWait = BatchCount()
  @usableFromInline let takeRun = ProcessorRun()
  private let gap2: Gap10 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  /// Those who wait for an element.
  @usableFromInline package let elements = ParkingSpot()
  private let gap3: Gap15 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  /// Those who wait for room.
  @usableFromInline let room = ParkingSpot()
  private let gap4: Gap15 = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  /// How often `taskDone` was called. What is unfinished: the puts without these.
  let done = Atomic<UInt>(0)
  /// Those who wait until nothing is unfinished.
  let allDone = ParkingSpot()

  // Kind `blocks`: see Blocks. Words come last, because the places for empty blocks follow, which are words.
  @usableFromInline let surplusHasTaker = Atomic<Bool>(false)
  @usableFromInline let surplus = Atomic<UInt>(0)
  @usableFromInline let surplusCount = Atomic<Int>(0)
  @usableFromInline let retired = Atomic<UInt>(0)

  @usableFromInline static var shutBit: UInt { 1 }
  @usableFromInline package static var alignment: Int { 128 }

  @usableFromInline
  package init(kind: Kind, capacity: Int, lap: UInt = 0) {
    self.kind = kind
    self.capacity = capacity
    self.lap = lap
  }

  // MARK: Counting

  /// How many puts, or takes, a position stands for.
  private func number(_ position: UInt) -> UInt {
    let bare = position & ~Self.shutBit
    switch kind {
    case .slots:
      // A lap is a power of two; a division would take as long as an element takes to change hands.
      return bare &>> UInt(truncatingIfNeeded: lap.trailingZeroBitCount) &* UInt(capacity) &+ (bare & (lap &- 1)) &>> 1
    case .blocks: return BlockPosition(raw: bare).number
    case .locked: return bare / 2
    }
  }

  var putCount: UInt { number(tail.load(ordering: .sequentiallyConsistent)) }

  package var count: Int {
    while true {
      let seen = tail.load(ordering: .sequentiallyConsistent)
      let taken = head.load(ordering: .sequentiallyConsistent)
      // When the tail did not move, both were true at the time the head was read.
      if tail.load(ordering: .sequentiallyConsistent) == seen { return Int(number(seen) - number(taken)) }
    }
  }

  /// How much was put in since somebody last had to wait for room: asked by who has to wait.
  @usableFromInline
  package func batchPut() -> UInt { putsPerWait.next(number(tail.load(ordering: .relaxed))) }

  /// How much was taken out since somebody last had to wait for an element.
  @usableFromInline
  package func batchTaken() -> UInt { takesPerWait.next(number(head.load(ordering: .relaxed))) }

  package var isShutDown: Bool { tail.load(ordering: .sequentiallyConsistent) & Self.shutBit != 0 }

  // MARK: For who waits

  /// Whether a put would probably find room, for an inside whose attempts take a lock.
  @usableFromInline
  var looksPuttable: Bool {
    capacity == 0 || Int((tail.load(ordering: .relaxed) &- head.load(ordering: .relaxed)) &>> 1) < capacity
  }

  /// Whether a take would probably find an element. The same.
  @usableFromInline
  var looksTakeable: Bool {
    tail.load(ordering: .relaxed) != head.load(ordering: .relaxed)
  }

  // MARK: Tasks

  func taskDone() {
    let now = done.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    settle(now)
  }

  /// Counts elements that were thrown away as done; those that somebody had called done already do not count twice.
  func discard(_ dropped: UInt) {
    var old = done.load(ordering: .relaxed)
    while true {
      let new = min(old + dropped, putCount)
      let (exchanged, seen) = done.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent)
      if exchanged { break }
      old = seen
    }
    if isAllDone { allDone.wakeAll() }
  }

  private func settle(_ done: UInt) {
    let put = putCount
    if done > put { mistake("taskDone() called more often than elements were put into the queue") }
    // W1 was the addition.
    if done == put { allDone.wakeAll() }
  }

  /// `done` is read first: it never exceeds the puts, so if they are equal afterwards, they were then.
  var isAllDone: Bool {
    let now = done.load(ordering: .sequentiallyConsistent)
    return now == putCount
  }

  /// From now on puts are refused. Whoever calls this then wakes those who wait.
  package func close() {
    tail.bitwiseOr(Self.shutBit, ordering: .sequentiallyConsistent)
    isClosing.store(true, ordering: .relaxed)
  }
}

/// Whether the same processor has come by several times in a row. Then what it needs next may be fetched ahead; where two processors
/// alternate, that would only take it from the other.
@usableFromInline
struct ProcessorRun: ~Copyable, Sendable {
  private let word = Atomic<UInt>(0)

  private static var lengths: UInt { 0xff }
  private static var long: UInt { 4 }

  @usableFromInline
  init() {}

  /// Notes the processor of the calling thread. Of two that come at once one may be forgotten.
  @usableFromInline
  func isLong() -> Bool {
    let own = UInt(spindle_processor() + 1) << 8
    let old = word.load(ordering: .relaxed)
    let length = old & ~Self.lengths == own ? old & Self.lengths : 0
    if length == Self.long { return true }
    word.store(own | length + 1, ordering: .relaxed)
    return false
  }
}

/// Waits for a thread that is between two steps which belong together: it has claimed a place and is about to
/// publish what it put there. That takes it a few instructions, unless it lost the processor: then it gets ours.
@usableFromInline
struct Backoff {
  private var policy = SpinPolicy()

  @usableFromInline @inline(never)
  init() {}

  @usableFromInline @inline(never)
  mutating func pause() {
    if !policy.pauseOrYield() { spindle_nap(50_000) }
  }
}

/// Steps aside when another thread was faster at claiming the next place, longer each time. The line with the position then stays
/// where it is for several claims of that other thread, instead of changing the processor with each. Where more threads than processors
/// want to run, one of them runs meanwhile: with four that put and four that take on two processors that is a tenth more.
@usableFromInline
struct Contention {
  @usableFromInline var pauses = 32

  @inlinable @inline(__always)
  init() {}

  @usableFromInline @inline(never)
  mutating func stepAside() {
    if SpinPolicy.giveWay() { return }
    for _ in 0..<pauses { spindle_pause() }
    pauses = min(2 * pauses, 64)
  }
}
