import Synchronization

/// Checks that elements are conserved: each that was put is taken exactly once, and those of one producer in order.
///
///     let ledger = ElementLedger(producers: 4, each: 1000)
///     try queue.put(ledger.element(producer, number))         // producer's threads
///     var reader = ledger.reader()                            // one for each consumer
///     reader.took(try queue.get())
///     #expect(ledger.complaints == [])
///
/// An element is a number, so that it fits into any queue.
package final class ElementLedger: Sendable {
  private let producers: Int
  private let each: Int
  private let taken: AtomicArray
  private let disordered = Atomic<Int>(0)
  private let strange = Atomic<Int>(0)

  package init(producers: Int, each: Int) {
    self.producers = producers
    self.each = each
    taken = AtomicArray(count: producers * each)
  }

  package func element(_ producer: Int, _ number: Int) -> Int {
    precondition(producer < producers && number < each, "no such element")
    return producer * each + number
  }

  /// What one consumer saw. Elements of one producer must come to it in ascending order (if the queue is first in,
  /// first out); `isOrdered: false` for queues that promise no order.
  package struct Reader {
    private let ledger: ElementLedger
    private let isOrdered: Bool
    private var last: [Int]

    init(_ ledger: ElementLedger, isOrdered: Bool) {
      self.ledger = ledger
      self.isOrdered = isOrdered
      last = Array(repeating: -1, count: ledger.producers)
    }

    package mutating func took(_ element: Int) {
      guard element >= 0, element < ledger.producers * ledger.each else {
        ledger.strange.wrappingAdd(1, ordering: .relaxed)
        return
      }
      ledger.taken.increment(element)
      let producer = element / ledger.each
      if isOrdered, element <= last[producer] { ledger.disordered.wrappingAdd(1, ordering: .relaxed) }
      last[producer] = element
    }
  }

  package func reader(isOrdered: Bool = true) -> Reader { Reader(self, isOrdered: isOrdered) }

  /// What is wrong, in words; empty when all is well. To be read after all threads have been joined.
  package var complaints: [String] {
    var result: [String] = []
    var lost: [Int] = []
    var doubled: [Int] = []
    for element in 0..<producers * each {
      let count = taken.value(element)
      if count == 0 { lost.append(element) }
      if count > 1 { doubled.append(element) }
    }
    if !lost.isEmpty { result.append("\(lost.count) elements lost, such as \(lost.prefix(8))") }
    if !doubled.isEmpty { result.append("\(doubled.count) elements taken twice, such as \(doubled.prefix(8))") }
    let (disorder, strangers) = (disordered.load(ordering: .relaxed), strange.load(ordering: .relaxed))
    if disorder > 0 { result.append("\(disorder) elements overtook an earlier one of the same producer") }
    if strangers > 0 { result.append("\(strangers) elements that nobody put") }
    return result
  }
}

/// Checks that no more holders are inside than there are permits.
///
///     let ledger = PermitLedger(permits: 1)
///     lock.withLock { ledger.hold { work() } }
///     #expect(ledger.complaints == [])
package final class PermitLedger: Sendable {
  private let permits: Int
  private let inside = Atomic<Int>(0)
  private let most = Atomic<Int>(0)
  private let total = Atomic<Int>(0)

  package init(permits: Int) { self.permits = permits }

  package func enter() {
    // Relaxed: must not order anything that the lock under test should order.
    let now = inside.wrappingAdd(1, ordering: .relaxed).newValue
    most.max(now, ordering: .relaxed)
    total.wrappingAdd(1, ordering: .relaxed)
  }

  package func leave() { inside.wrappingSubtract(1, ordering: .relaxed) }

  package func hold<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    enter()
    defer { leave() }
    return try body()
  }

  /// How often somebody was inside.
  package var entries: Int { total.load(ordering: .relaxed) }

  /// What is wrong, in words; empty when all is well and everybody has left.
  package var complaints: [String] {
    var result: [String] = []
    let (peak, left) = (most.load(ordering: .relaxed), inside.load(ordering: .relaxed))
    if peak > permits { result.append("\(peak) were inside at once with \(permits) permits") }
    if left != 0 { result.append("\(left) are still inside") }
    return result
  }
}

/// Counters that threads increment at the same time. Atomics, because ThreadSanitizer does not see the standard
/// library's mutex and would report races that are none.
// SAFETY: the elements are atomic, the base is constant, and the memory is freed with the last reference.
@safe private final class AtomicArray: @unchecked Sendable {
  private let base: UnsafeMutablePointer<Atomic<UInt32>>
  private let count: Int

  init(count: Int) {
    self.count = count
    unsafe base = .allocate(capacity: count)
    for index in 0..<count { unsafe (base + index).initialize(to: Atomic(0)) }
  }

  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  func increment(_ index: Int) {
    precondition(index >= 0 && index < count, "no such counter")
    unsafe base[index].wrappingAdd(1, ordering: .relaxed)
  }

  func value(_ index: Int) -> Int { unsafe Int(base[index].load(ordering: .relaxed)) }
}
