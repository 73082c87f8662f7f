import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct ProcessorShareTests {
  @Test func `a thread outside of all pools may count on all processors`() {
    #expect(Processors.share == Processors.available)
  }

  @Test func `pools inside of a pool share the processors`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      let inside = try pool.submit { [Processors.share, withThreadPool { $0.maxWorkers }] }.result()
      let half = max(1, Processors.available / 2)
      #expect(inside == [half, half])
    }
  }

  @Test func `however deep pools lie, each has a worker`() throws {
    let workers = try withThreadPool(maxWorkers: 1_000_000) { pool throws in
      try pool.submit {
        try withThreadPool(maxWorkers: 1_000_000) { pool throws in
          try pool.submit { withThreadPool { $0.maxWorkers } }.result()
        }
      }.result()
    }
    #expect(workers == 1)
  }

  @Test func `a number that is given holds inside of pools too`() throws {
    let workers = try withThreadPool(maxWorkers: 2) { pool throws in
      try pool.submit { withThreadPool(maxWorkers: 3) { $0.maxWorkers } }.result()
    }
    #expect(workers == 3)
  }
}
