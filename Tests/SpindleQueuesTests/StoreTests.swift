import SpindleTestSupport
import Testing

import SpindleQueues

/// The orders alone, without threads.
@Suite struct StoreTests {
  @Test func aStackGivesTheLastFirst() {
    var stack = Stack<Int>(room: 1)
    for number in 0..<100 { stack.insert(number) }
    for number in (0..<100).reversed() {
      let taken = stack.remove()
      #expect(taken == number)
    }
  }

  @Test func aHeapGivesTheSmallestFirst() {
    var random = SplitMix64(seed: 11)
    for count in 0..<60 {
      var heap = StableHeap<Int>(by: <)
      let elements = (0..<count).map { _ in Int.random(in: 0..<20, using: &random) }
      for element in elements { heap.insert(element) }
      var taken: [Int] = []
      for _ in 0..<count { taken.append(heap.remove()) }
      #expect(taken == elements.sorted())
    }
  }

  @Test func equalElementsLeaveAHeapInTheOrderTheyCame() {
    var random = SplitMix64(seed: 12)
    var heap = StableHeap<(priority: Int, arrival: Int)> { $0.priority < $1.priority }
    var inside: [(priority: Int, arrival: Int)] = []
    for arrival in 0..<3000 {
      if inside.isEmpty || Int.random(in: 0..<5, using: &random) < 3 {
        let element = (priority: Int.random(in: 0..<4, using: &random), arrival: arrival)
        heap.insert(element)
        inside.append(element)
      } else {
        // The first of the smallest.
        let expected = inside.indices.min { inside[$0].priority < inside[$1].priority }!
        let taken = heap.remove()
        #expect(taken == inside.remove(at: expected))
      }
    }
  }
}
