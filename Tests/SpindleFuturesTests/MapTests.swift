import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog()) struct MapTests {
  let pool = ThreadPool(maxWorkers: 3)

  @Test func aMapThatCannotThrowIsAPlainSequence() {
    #expect(Array(pool.map(0..<10) { $0 * 2 }) == (0..<10).map { $0 * 2 })
    var sum = 0
    for value in pool.map(0..<1000, { $0 }) { sum += value }
    #expect(sum == 499_500)
    #expect(pool.map([Int]()) { $0 }.collect() == [])
    pool.shutdown()
  }

  @Test func valuesComeInTheOrderOfTheItemsWhateverEndsFirst() {
    let gate = Gate()
    let values = pool.map(0..<6) { number -> Int in
      if number == 0 { gate.pass() } else if number == 5 { gate.open() }
      return number
    }
    #expect(Array(values) == [0, 1, 2, 3, 4, 5])
    pool.shutdown()
  }

  @Test func theFirstErrorInTheOrderOfTheItemsEndsTheMap() throws {
    let values = pool.map(0..<100) { number throws -> Int in
      if number >= 3 { throw Oops(number: number) }
      return number
    }
    #expect(try values.next() == 0)
    #expect(try values.next() == 1)
    #expect(try values.next() == 2)
    #expect(throws: Oops(number: 3)) { try values.next() }
    #expect(try values.next() == nil)
    pool.shutdown()
  }

  @Test func collectThrowsOrReturnsAll() async throws {
    let pool = pool
    let both = try await onThread { try pool.map(["1", "2"]) { try parse($0) }.collect() }
    #expect(both == [1, 2])
    await #expect(throws: Oops.self) {
      try await onThread { try pool.map(["1", "x"]) { try parse($0) }.collect() }
    }
    #expect(try await pool.map(["1", "2"]) { try parse($0) }.collect() == [1, 2])
    await pool.shutdown()
  }

  @Test func tasksIterateItToo() async throws {
    var values: [Int] = []
    for await value in pool.map(0..<50, { $0 + 1 }) { values.append(value) }
    #expect(values == Array(1...50))
    values = []
    await #expect(throws: Oops.self) {
      for try await value in pool.map(["1", "2", "x"], { try parse($0) }) { values.append(value) }
    }
    #expect(values == [1, 2])
    await pool.shutdown()
  }

  @Test func endlessInputIsPulledOnlyAsNeeded() {
    let pulled = Atomic<Int>(0)
    let endless = sequence(state: 0) { (state: inout Int) -> Int? in
      pulled.wrappingAdd(1, ordering: .relaxed)
      state += 1
      return state
    }
    var iterator = pool.map(endless, bufferSize: 4) { $0 }.makeIterator()
    #expect(pulled.load(ordering: .relaxed) == 4)
    for expected in 1...20 { #expect(iterator.next() == expected) }
    #expect(pulled.load(ordering: .relaxed) == 23)
    pool.shutdown()
  }

  @Test(arguments: [1, 2, 3, 7]) func neverMoreThanTheBufferAreInFlightOrUnread(bufferSize: Int) {
    let begun = Atomic<Int>(0)
    var read = 0
    var most = 0
    let values = pool.map(0..<200, bufferSize: bufferSize) { _ in
      begun.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
    for _ in values {
      read += 1
      most = max(most, begun.load(ordering: .sequentiallyConsistent) - read)
    }
    #expect(read == 200)
    #expect(most < bufferSize)
    #expect(begun.load(ordering: .sequentiallyConsistent) == 200)
    pool.shutdown()
  }

  @Test func theBufferIsFilled() {
    let gate = Gate()
    let pool = ThreadPool(maxWorkers: 8)
    let values = pool.map(0..<100, bufferSize: 5) { number -> Int in
      gate.pass()
      return number
    }
    gate.awaitArrivals(5)
    #expect(gate.arrivals == 5)
    gate.open()
    #expect(Array(values) == Array(0..<100))
    pool.shutdown()
  }

  @Test func aMapThatNobodyReadsBeginsAllTheSame() {
    let log = Log<Int>()
    pool.map(0..<10) { log.append($0) }
    pool.shutdown()
    #expect(log.all.sorted() == Array(0..<10))
  }

  @Test func abandoningTheIterationCancelsWhatHasNotBegun() {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    let log = Log<Int>()
    do {
      let values = pool.map(0..<100, bufferSize: 10) { number -> Int in
        if number == 1 { gate.pass() }
        log.append(number)
        return number
      }
      for value in values {
        #expect(value == 0)
        gate.awaitArrivals()
        break
      }
    }
    gate.open()
    pool.shutdown()
    #expect(log.all == [0, 1])
  }

  @Test func timeRunsOut() async throws {
    let gate = Gate()
    let values = pool.map(0..<3, timeout: .milliseconds(5)) { number -> Int in
      if number == 1 { gate.pass() }
      return number
    }
    // The first may also be late: what counts is that waiting for the second ends.
    await #expect(throws: TimeoutError.self) { try await values.collect() }
    let again = pool.map(0..<3, timeout: .milliseconds(5)) { number -> Int in
      gate.pass()
      return number
    }
    await #expect(throws: TimeoutError.self) { for try await _ in again {} }
    gate.open()
    #expect(try await pool.map(0..<1, timeout: .seconds(50)) { $0 }.collect() == [0])
    await pool.shutdown()
  }

  @Test func itemsPulledAfterShutdownAreDoneByTheReader() async throws {
    let values = pool.map(0..<100, bufferSize: 2) { $0 }
    let throwing = pool.map(0..<100, bufferSize: 2) { number throws -> Int in number }
    await pool.shutdown()
    #expect(Array(values) == Array(0..<100))
    #expect(try await throwing.collect() == Array(0..<100))
  }

  @Test func cancelledCallsAreDoneByTheReaderUnlessItCanThrow() throws {
    let pool = ThreadPool(maxWorkers: 1)
    let gate = Gate()
    pool.submit { gate.pass() }
    gate.awaitArrivals()
    let values = pool.map(0..<10, bufferSize: 2) { $0 }
    let throwing = pool.map(0..<10, bufferSize: 2) { number throws -> Int in number }
    pool.shutdown(wait: false, cancelFutures: true)
    #expect(Array(values) == Array(0..<10))
    #expect(throws: CancellationError.self) { try throwing.collect() }
    gate.open()
    pool.shutdown()
  }

  @Test func aMapAfterShutdownThrows() {
    pool.shutdown()
    #expect(throws: ShutdownError.self) { try pool.map(0..<3) { number throws -> Int in number }.collect() }
  }

  @Test func aMapInsideAJobOfItsOwnPool() throws {
    let pool = ThreadPool(maxWorkers: 1)
    #expect(try pool.submit { Array(pool.map(0..<40) { $0 }) }.result() == Array(0..<40))
    pool.shutdown()
  }

  @Test func aMapKeepsItsPool() {
    var pool: ThreadPool? = ThreadPool(maxWorkers: 2)
    let values = pool!.map(0..<100, bufferSize: 2) { $0 }
    pool = nil
    #expect(Array(values) == Array(0..<100))
  }
}

private func parse(_ text: String) throws -> Int {
  guard let number = Int(text) else { throw Oops() }
  return number
}
