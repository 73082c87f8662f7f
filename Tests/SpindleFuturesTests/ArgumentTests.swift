import Spindle
import SpindleTestSupport
import Testing

/// `submit(function, argument)`, for arguments that lie in the future, and others.
@Suite(.watchdog()) struct ArgumentTests {
  let pool = ThreadPool(maxWorkers: 2)
  let count = Live.Count()

  /// The library is not specialised for what comes by way of this.
  @inline(never)
  private func submitUnspecialised<Argument: Sendable>(_ argument: Argument) -> Future<Argument> {
    pool.submit({ $0 }, argument)
  }

  private func arrives<Argument: Sendable & Equatable>(_ argument: Argument) throws -> Bool {
    let futures = [pool.submit({ $0 }, argument), submitUnspecialised(argument)]
    return try futures.allSatisfy { try $0.result() == argument }
  }

  @Test func argumentsOfAllSizesArrive() throws {
    #expect(try arrives(UInt8(1)))
    #expect(try arrives(2))
    #expect(try arrives("three: a string that is too long to lie in its two words"))
    #expect(try arrives(Optional<String>.none))
    #expect(try arrives([4, 5, 6]))
    #expect(try arrives(7...8))
    #expect(try arrives(Optional(9...10)))
    #expect(try arrives("a"..."b"))
    #expect(try arrives(SIMD2<Double>(12, 13)))
    #expect(try arrives(SIMD8<Int>(repeating: 14)))
    try pool.submit({ $0 }, ()).result()
    pool.shutdown()
  }

  @Test func theArgumentIsReleasedBeforeTheFutureEnds() throws {
    for _ in 0..<100 {
      let future = pool.submit({ _ = $0.count }, Live(count))
      try future.result()
      #expect(count.value == 0)
    }
    pool.shutdown()
  }

  @Test func theArgumentIsReleasedThoughTheFunctionThrows() {
    let future = pool.submit({ (live: Live) throws -> Int in throw Oops(number: live.count.value) }, Live(count))
    #expect(throws: Oops(number: 1)) { try future.result() }
    #expect(count.value == 0)
    pool.shutdown()
  }

  /// Nobody else holds it then, so that the value is what keeps it.
  @Test func theArgumentMayBeTheValue() throws {
    let future = pool.submit({ $0 }, Live(count))
    #expect(try future.result().count.value == 1)
    pool.shutdown()
    #expect(count.value == 1)
    withExtendedLifetime(future) {}
  }

  @Test(arguments: [true, false]) func argumentAndFunctionOfACancelledJobAreReleased(byShutdown: Bool) {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    pool.submit { gate.pass() }
    gate.awaitArrivals()
    let futures = (0..<100).map { _ in
      let captured = Live(count)
      return pool.submit({ $0.count === captured.count }, Live(count))
    }
    #expect(count.value == 200)
    if byShutdown {
      pool.shutdown(wait: false, cancelFutures: true)
    } else {
      for future in futures { future.cancel() }
    }
    #expect(futures.allSatisfy { $0.isCancelled })
    #expect(count.value == 0)
    gate.open()
    pool.shutdown()
    self.pool.shutdown()
  }

  @Test func argumentAndFunctionOfARefusedJobAreReleased() {
    pool.shutdown()
    let captured = Live(count)
    let future = pool.submit({ $0.count === captured.count }, Live(count))
    #expect(throws: ShutdownError.self) { try future.result() }
    #expect(count.value == 1)
    withExtendedLifetime(captured) {}
  }

  @Test func aFunctionThatIsSubmittedManyTimesKeepsItsCaptures() throws {
    do {
      let live = Live(count)
      let function = { @Sendable (number: Int) in live.count.value + number }
      let futures = (0..<100).map { pool.submit(function, $0) }
      #expect(try futures.map { try $0.result() } == Array(1...100))
      #expect(function(1) == 2)
    }
    // The workers let go of the last futures when they look for the next job.
    pool.shutdown()
    #expect(count.value == 0)
  }

  /// By itself, from another job of the pool, and where the waiting worker does the work.
  @Test func aWorkerThatWaitsForACallDoesItItself() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let number = pool.submit { try pool.submit({ $0 + 1 }, 41).result() }
    #expect(try number.result() == 42)
    pool.shutdown()
    self.pool.shutdown()
  }
}
