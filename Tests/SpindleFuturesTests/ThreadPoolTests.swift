import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

private func double(_ number: Int) -> Int { number * 2 }
private func sum(_ a: Int, _ b: Double, _ c: String) throws -> String { "\(a) \(b) \(c)" }

@Suite(.watchdog()) struct ThreadPoolTests {
  @Test func submitTakesClosuresAndFunctionsWithArguments() throws {
    let pool = ThreadPool(maxWorkers: 2)
    #expect(try pool.submit { 42 }.result() == 42)
    #expect(try pool.submit(double, 21).result() == 42)
    #expect(try pool.submit(sum, 1, 2.5, "x").result() == "1 2.5 x")
    #expect(throws: Oops(number: 1)) { try pool.submit { throw Oops(number: 1) }.result() }
    pool.shutdown()
  }

  @Test func submitAfterShutdownFailsTheFuture() throws {
    let pool = ThreadPool(maxWorkers: 1)
    pool.shutdown()
    #expect(throws: ShutdownError.self) { try pool.submit { 1 }.result() }
  }

  @Test func nestedWaitsThreeDeepDoNotBlockOneWorker() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let future = pool.submit {
      try pool.submit {
        try pool.submit { 1 }.result() + 1
      }.result() + 1
    }
    #expect(try future.result() == 3)
    pool.shutdown()
  }

  @Test func timedNestedWaitsGetASpareWorker() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let future = pool.submit {
      try pool.submit {
        try pool.submit { 1 }.result(timeout: .seconds(50)) + 1
      }.result(timeout: .seconds(50)) + 1
    }
    #expect(try future.result() == 3)
    pool.shutdown()
  }
}
