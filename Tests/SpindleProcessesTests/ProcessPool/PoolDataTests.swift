import Spindle
import SpindleTestSupport
import Synchronization
import Testing

/// Values that cannot be encoded or decoded on one side.
private struct Unsendable: Codable, Sendable {
  struct Problem: Error, Codable, Equatable { var side: String }
  var fails: String
  init(fails: String) { self.fails = fails }
  init(from decoder: any Decoder) throws {
    fails = try decoder.singleValueContainer().decode(String.self)
    if fails == "decoding" { throw Problem(side: "decoding") }
  }
  func encode(to encoder: any Encoder) throws {
    if fails == "encoding" { throw Problem(side: "encoding") }
    var container = encoder.singleValueContainer()
    try container.encode(fails)
  }
}

private func accept(_ value: Unsendable) -> Int { 1 }
private func make(_ fails: String) -> Unsendable { Unsendable(fails: fails) }
private func failAt(_ number: Int) throws -> Int {
  if number == 7 { throw Mishap(code: 7) }
  return number
}
private func never(_ number: Int) -> Int {
  while !Cancellation.isRequested {}
  return number
}

@Suite(.oneAtATime, .watchdog(seconds: 90)) struct PoolDataTests {
  @Test func `an argument that cannot be encoded or decoded is that call's error only`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      for side in ["encoding", "decoding"] {
        #expect(throws: Unsendable.Problem(side: side)) { try pool.submit(accept, Unsendable(fails: side)).result() }
        #expect(try pool.submit(Work.square, 2).result() == 4)
      }
    }
  }

  @Test func `a result that cannot be encoded or decoded is that call's error only`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      for side in ["encoding", "decoding"] {
        #expect(throws: Unsendable.Problem(side: side)) { try pool.submit(make, side).result() }
        #expect(try pool.submit(Work.square, 2).result() == 4)
      }
    }
  }

  @Test func `100 MB travel there and back`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let bytes = [UInt8](repeating: 7, count: 100_000_000)
      let equal = try pool.submit(Work.echo, bytes).result() == bytes
      #expect(equal)
    }
  }

  @Test func `large values in both directions at once do not block each other`() throws {
    try withProcessPool(maxWorkers: 3) { pool throws in
      let sizes = (0..<9).map { 1_000_000 * ($0 + 1) }
      let futures = sizes.map { pool.submit(Work.echo, [UInt8](repeating: 1, count: $0)) }
      #expect(try futures.map { try $0.result().count } == sizes)
    }
  }

  @Test func `zero bytes are a value`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      #expect(try pool.submit(Work.echo, []).result() == [])
    }
  }

  @Test(arguments: [1, 3]) func `a map pulls no item more than its buffer holds`(chunkSize: Int) throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let pulled = Atomic<Int>(0)
      let endless = sequence(first: 0) { $0 + 1 }.lazy.map { number -> Int in
        pulled.wrappingAdd(1, ordering: .relaxed)
        return number
      }
      let results = pool.map(endless, bufferSize: 4, chunkSize: chunkSize, Work.square)
      #expect(pulled.load(ordering: .relaxed) == 4 * chunkSize)
      for number in 0..<20 {
        #expect(try results.next() == number * number)
        // A chunk is replaced when the first value after it is asked for.
        let chunksRead = number / chunkSize
        #expect(pulled.load(ordering: .relaxed) == (4 + chunksRead) * chunkSize)
      }
    }
  }

  @Test(arguments: [1, 4, 100]) func `the first error ends a map, after the values before it`(chunkSize: Int) throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let results = pool.map(0..<50, chunkSize: chunkSize, failAt)
      for number in 0..<7 { #expect(try results.next() == number) }
      #expect(throws: Mishap(code: 7)) { try results.next() }
      #expect(try results.next() == nil)
    }
  }

  @Test(arguments: [1, 4]) func `an item that cannot be encoded ends a map, after the values before it`(chunkSize: Int) throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let items = (0..<10).map { Unsendable(fails: $0 == 6 ? "encoding" : "no") }
      let results = pool.map(items, chunkSize: chunkSize, accept)
      for _ in 0..<6 { #expect(try results.next() == 1) }
      #expect(throws: Unsendable.Problem(side: "encoding")) { try results.next() }
    }
  }

  @Test(arguments: [1, 4], ["encoding", "decoding"])
  func `a result that cannot be encoded or decoded ends a map, after the values before it`(
    chunkSize: Int, side: String
  ) throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let results = pool.map((0..<10).map { $0 == 6 ? side : "no" }, chunkSize: chunkSize, make)
      for _ in 0..<6 { #expect(try results.next()?.fails == "no") }
      #expect(throws: Unsendable.Problem(side: side)) { try results.next() }
      #expect(try results.next() == nil)
    }
  }

  @Test func `an argument that cannot be decoded ends a map, after the values before it`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let results = pool.map((0..<10).map { Unsendable(fails: $0 == 6 ? "decoding" : "no") }, chunkSize: 4, accept)
      for _ in 0..<6 { #expect(try results.next() == 1) }
      #expect(throws: Unsendable.Problem(side: "decoding")) { try results.next() }
    }
  }

  @Test func `a map that takes too long ends with a time-out`() throws {
    let pool = ProcessPool(maxWorkers: 1)
    let results = pool.map([1, 2], timeout: .zero, never)
    #expect(throws: TimeoutError.self) { try results.next() }
    // The map has asked its calls to stop.
    pool.shutdown()
  }

  @Test func `a closure with captures ends a map with an error that names them`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let factor = Int.random(in: 2...3)
      let error = #expect(throws: CapturedContextError.self) { try pool.map(0..<3) { $0 * factor }.collect() }
      #expect(error?.capturedTypes == ["Int"])
    }
  }
}
