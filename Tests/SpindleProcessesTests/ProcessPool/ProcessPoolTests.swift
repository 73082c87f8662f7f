import Glibc
import Spindle
import SpindleTestSupport
import Testing

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct ProcessPoolTests {
  @Test func `functions of any number of arguments run in another process`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      #expect(try pool.submit(Work.add, 1, 2).result() == 3)
      #expect(try pool.submit(Work.square, 12).result() == 144)
      #expect(try pool.submit(Work.processID).result() != getpid())
      #expect(try pool.submit { getppid() }.result() == getpid())
      #expect(try pool.submit({ (a: String, b: Int) in "\(a)\(b)" }, "x", 1).result() == "x1")
      try pool.submit(Work.nothing, 1).result()
      #expect(try pool.submit(Power(base: 2, exponent: 10)).result() == 1024)
    }
  }

  @Test func `an async function runs to its end`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      #expect(try pool.submit(Work.later, 41).result() == 42)
    }
  }

  @Test func `an error arrives as itself if it is Codable, else as a RemoteError`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      #expect(throws: Mishap(code: 7)) { try pool.submit(Work.fail, 7).result() }
      let error = #expect(throws: RemoteError.self) { try pool.submit(Work.fail, 0).result() }
      #expect(error?.typeName.hasSuffix("PlainMishap") == true)
    }
  }

  @Test func `a closure with captures is refused and named`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      let factor = getpid()
      let future = pool.submit({ (a: Int32) in a * factor }, 2)
      #expect(future.isDone)
      let error = #expect(throws: CapturedContextError.self) { try future.result() }
      #expect(error?.capturedTypes == ["Int32"])
    }
  }

  @Test func `a map gives the values in order, in chunks or not`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      let squares = (0..<100).map { $0 * $0 }
      #expect(try pool.map(0..<100, Work.square).collect() == squares)
      #expect(try pool.map(0..<100, chunkSize: 7) { $0 * $0 }.collect() == squares)
      #expect(try pool.map(0..<100, bufferSize: 1, chunkSize: 1000, Work.square).collect() == squares)
      #expect(try pool.map([], Work.square).collect() == [])
    }
  }
}
