import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct PoolRestTests {
  @Test func `idle threads of a pool do not wake up, neither after jobs nor after forks`() {
    withThreadPool(maxWorkers: 2) { pool in
      for future in (0..<1000).map({ number in pool.submit { number } }) { _ = try? future.result() }
      // Both of its threads: neither closure ends before the other has begun.
      let met = Barrier(2)
      let (first, second) = pool.join {
        _ = try? met.wait()
        return OSThread.current.nativeID
      } _: {
        _ = try? met.wait()
        return OSThread.current.nativeID
      }
      func sleeps() -> [Int?] {
        [first, second].map { kernelFigure("/proc/self/task/\($0)/status", "voluntary_ctxt_switches") }
      }
      // Until both have gone to sleep.
      var before = sleeps()
      while true {
        OSThread.sleep(for: .milliseconds(50))
        let now = sleeps()
        if now == before { break }
        before = now
      }
      #expect(before.allSatisfy { $0 != nil })
      OSThread.sleep(for: .seconds(1))
      #expect(sleeps() == before)
    }
  }
}
