import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct PoolRestTests {
  @Test func `idle threads of a pool do not wake up, neither after jobs nor after forks`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      for future in (0..<1000).map({ number in pool.submit { number } }) { _ = try future.result() }
      // In a job, so that nobody from outside takes the place of one. Both of its threads: neither closure ends before the other has begun.
      let met = Barrier(2)
      let threads = try pool.submit {
        try pool.join {
          try met.wait()
          return OSThread.current.nativeID
        } _: {
          try met.wait()
          return OSThread.current.nativeID
        }
      }.result()
      let sleeps = { [threads.0, threads.1].map { currentSleep(ofThread: $0) } }
      let before = sleepsWhenCalm(sleeps)
      OSThread.sleep(for: .seconds(1))
      #expect(sleeps() == before)
    }
  }

  /// Who works in the place of one that sleeps takes it out of the line, and puts it back.
  @Test func `idle threads of a pool do not wake up while others fork from outside in their place`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      _ = pool.join {} _: {}
      let worker = try pool.submit { OSThread.current.nativeID }.result()
      let before = sleepsWhenCalm { [currentSleep(ofThread: worker)] }
      for _ in 0..<100 { _ = pool.join {} _: {} }
      #expect([currentSleep(ofThread: worker)] == before)
    }
  }
}
