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
      let sleeps = { [first, second].map { currentSleep(ofThread: $0) } }
      let before = sleepsWhenCalm(sleeps)
      OSThread.sleep(for: .seconds(1))
      #expect(sleeps() == before)
    }
  }
}
