import Spindle
@testable import SpindleProcesses
import SpindleTestSupport
import Testing

private struct Tag: Codable, Sendable, Equatable {
  var x: Int
  var name: String
}

private func double(_ number: Int) throws -> Int {
  if number == 7 { throw Mishap(code: 7) }
  return number * 2
}
private func named(_ number: Int) -> Tag { Tag(x: number, name: "\(number)") }
private func length(_ text: String) -> Int { text.utf8.count }
private func moved(_ tag: Tag) -> Tag { Tag(x: tag.x + 1, name: tag.name) }

/// What the worker makes of the bytes of a row.
private func reply<Argument: Codable & Sendable, Output: Codable & Sendable>(
  _ function: @escaping @Sendable (Argument) throws -> Output, _ arguments: [Argument]
) throws -> [UInt8] {
  let row = try CallRow(function)
  let (bytes, count, failure) = row.encode(arguments, attachments: nil)
  #expect(failure == nil)
  #expect(count == arguments.count)
  return unsafe bytes.withUnsafeBytes { bytes in
    let reply = WireWriter()
    unsafe invokeRow(bytes, reply)
    return reply.bytes
  }
}

private func invokeRow(_ bytes: UnsafeRawBufferPointer, _ reply: borrowing WireWriter) {
  var reader = unsafe WireReader(bytes)
  do {
    try SpindleProcesses.invokeRow(CallHeader.invoker(at: &reader), &reader, reply)
  } catch {
    Issue.record("\(error)")
  }
}

private func read<Output: Codable & Sendable>(
  _ reply: [UInt8], count: Int, as _: Output.Type = Output.self
) -> (values: [Output], error: (any Error)?) {
  var values: [Output] = []
  do {
    try unsafe reply.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes)
      try CallRow<Int, Output>.read(&reader, count: count, into: &values)
    }
    return (values, nil)
  } catch {
    return (values, error)
  }
}

@Suite struct CallRowTests {
  @Test func `calls in a row give their results in order`() throws {
    #expect(try read(reply(double, [1, 2, 3]), count: 3).values == [2, 4, 6])
    #expect(try read(reply(named, [1, 2]), count: 2).values == [named(1), named(2)])
    #expect(try read(reply(length, ["", "abc"]), count: 2).values == [0, 3])
    #expect(try read(reply(moved, [named(1), named(5)]), count: 2).values == [moved(named(1)), moved(named(5))])
  }

  @Test func `the first error ends a row, after the results before it`() throws {
    let (values, error) = try read(reply(double, [5, 6, 7, 8]), count: 4, as: Int.self)
    #expect(values == [10, 12])
    #expect(error as? Mishap == Mishap(code: 7))
  }

  @Test func `a reply that is cut short, or holds too few or too many results, is an error`() throws {
    func check<Output: Codable & Sendable>(_ whole: [UInt8], _: Output.Type) {
      #expect(read(whole, count: 3, as: Output.self).error == nil)
      for length in whole.indices { #expect(read(Array(whole[..<length]), count: 3, as: Output.self).error != nil) }
      for count in [0, 2, 4] { #expect(read(whole, count: count, as: Output.self).error != nil) }
      #expect(read(whole + [0], count: 3, as: Output.self).error != nil)
    }
    check(try reply(double, [1, 2, 3]), Int.self)
    check(try reply(named, [1, 2, 3]), Tag.self)
  }

  @Test func `damaged bytes of a row are never more than an error`() throws {
    for whole in [try reply(double, [1, 2, 3]), try reply(named, [1, 2, 3])] {
      for index in whole.indices {
        for bit in 0..<8 {
          var damaged = whole
          damaged[index] ^= 1 << UInt8(bit)
          #expect(read(damaged, count: 3, as: Int.self).values.count <= 3)
          #expect(read(damaged, count: 3, as: Tag.self).values.count <= 3)
        }
      }
    }
    // Arguments, for the worker.
    let (bytes, _, _) = try CallRow(moved).encode([named(1), named(2)], attachments: nil)
    unsafe bytes.withUnsafeBytes { whole in
      var reader = unsafe WireReader(whole)
      guard let invoker = try? CallHeader.invoker(at: &reader) else {
        Issue.record("no invoker")
        return
      }
      for length in reader.offset..<whole.count {
        var reader = unsafe WireReader(UnsafeRawBufferPointer(rebasing: whole[reader.offset..<length]))
        SpindleProcesses.invokeRow(invoker, &reader, WireWriter())
      }
    }
  }

  @Test func `bytes after the value of a reply are an error`() throws {
    let call = try Call(unary: double, 4)
    let whole = invokeCall(call.bytes)
    for bytes in [whole, whole + [0]] {
      let promise = Promise<Int>()
      defer { withExtendedLifetime(promise) {} }
      let future = promise.future
      unsafe bytes.withUnsafeBytes { bytes in
        _ = ProcessPool.end(
          future, with: unsafe PoolReply(bytes: bytes, isBatch: false, attachments: nil, spare: SpareReader()))
      }
      if bytes.count == whole.count {
        #expect(try future.result(timeout: .zero) == 8)
      } else {
        #expect(throws: DecodingError.self) { try future.result(timeout: .zero) }
      }
    }
  }
}
