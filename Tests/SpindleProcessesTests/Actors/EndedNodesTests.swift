import SpindleProcesses
import SpindleTestSupport
import Testing

@Suite(.watchdog(seconds: 60)) struct EndedNodesTests {
  @Test func `it holds what has ended and what was below that, and nothing else`() {
    var random = SplitMix64(seed: 3)
    for _ in 0..<20 {
      var nodes = EndedNodes()
      var ended: Set<[UInt32]> = []
      var wrong = 0
      func isEnded(_ path: [UInt32]) -> Bool { path.indices.contains { ended.contains(Array(path[...$0])) } }
      for _ in 0..<200 {
        let path = (0..<Int.random(in: 1...3, using: &random)).map { _ in UInt32.random(in: 1...12, using: &random) }
        nodes.insert(path)
        ended.insert(path)
        for a in UInt32(0)...13 {
          if nodes.contains([a]) != isEnded([a]) { wrong += 1 }
          for b in UInt32(1)...12 where nodes.contains([a, b, 5]) != isEnded([a, b, 5]) { wrong += 1 }
        }
      }
      #expect(wrong == 0)
    }
  }

  @Test func `it keeps the borders between the ended and the living`() {
    var nodes = EndedNodes()
    for number in UInt32(1)...10_000 where number % 1000 != 0 { nodes.insert([number]) }
    #expect(nodes.rangeCount == 10)
    for number in UInt32(1)...5000 { nodes.insert([2000, number]) }
    #expect(nodes.rangeCount == 11)
    nodes.insert([2000])
    #expect(nodes.rangeCount == 9 && nodes.contains([2000, 6000]))
    nodes.insert([])
    #expect(!nodes.contains([]) && !nodes.contains([1000]))
  }

  @Test func `the highest number has an end`() {
    var nodes = EndedNodes()
    nodes.insert([.max])
    nodes.insert([.max - 1])
    nodes.insert([0])
    #expect(nodes.rangeCount == 2 && nodes.contains([.max]) && !nodes.contains([1]))
  }
}
