import SpindleProcesses
import Testing

private func roundTrip<T: Codable & Equatable>(_ value: T, sourceLocation: SourceLocation = #_sourceLocation) throws {
  let bytes = try Wire.encode(value)
  #expect(try Wire.decode(T.self, from: bytes) == value, sourceLocation: sourceLocation)
}

@Suite struct WireTests {
  @Test func integersOfEveryWidthComeBack() throws {
    func edges<T: FixedWidthInteger & Codable>(_: T.Type) throws {
      var values: [T] = [.min, .max, 0, 1, .max / 2, .min / 2]
      for shift in 0..<T.bitWidth { values += [1 << shift, (1 << shift) &- 1, ~(1 << shift)] }
      for value in values { try roundTrip(value) }
      try roundTrip(values)
    }
    try edges(Int.self)
    try edges(Int8.self)
    try edges(Int16.self)
    try edges(Int32.self)
    try edges(Int64.self)
    try edges(Int128.self)
    try edges(UInt.self)
    try edges(UInt8.self)
    try edges(UInt16.self)
    try edges(UInt32.self)
    try edges(UInt64.self)
    try edges(UInt128.self)
  }

  @Test func smallIntegersTakeOneByte() throws {
    for value in -32...127 { #expect(try Wire.encode(value).count == 1) }
    #expect(try Wire.encode(1000).count == 3)
  }

  @Test func floatingPointKeepsEveryBit() throws {
    for value in [0.0, -0.0, 1.5, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
      #expect(try Wire.decode(Double.self, from: Wire.encode(value)).bitPattern == value.bitPattern)
      let float = Float(value)
      #expect(try Wire.decode(Float.self, from: Wire.encode(float)).bitPattern == float.bitPattern)
    }
    let nan = Double(nan: 0x1234, signaling: false)
    #expect(try Wire.decode(Double.self, from: Wire.encode(nan)).bitPattern == nan.bitPattern)
    #expect(try Wire.decode([Double].self, from: Wire.encode([nan]))[0].bitPattern == nan.bitPattern)
    try roundTrip(Float16(1.5))
  }

  @Test func stringsOfAnyUnicodeComeBackScalarForScalar() throws {
    for text in ["", "a", "e\u{301}", "é", "👩‍👩‍👧‍👦", "\u{0}", "\u{10FFFF}", String(repeating: "x", count: 63), String(repeating: "ü", count: 5000)] {
      let back = try Wire.decode(String.self, from: Wire.encode(text))
      #expect(Array(back.utf8) == Array(text.utf8))
    }
    try roundTrip(["", "a", String(repeating: "y", count: 64)])
  }

  @Test func everyLevelOfAnOptionalComesBack() throws {
    let values: [Int???] = [.none, .some(.none), .some(.some(.none)), .some(.some(.some(7)))]
    for value in values { try roundTrip(value) }
    try roundTrip(values)
    try roundTrip(["a": .none, "b": .some(.none), "c": .some(1)] as [String: Int??])
    struct Holder: Codable, Equatable {
      var a: Int??
      var b: String??
      var c: [Int?]
    }
    try roundTrip(Holder(a: .none, b: .some(.none), c: [nil, 1]))
    try roundTrip(Holder(a: .some(.none), b: .some("x"), c: []))
  }

  @Test func collectionsWithKeysOfAnyKindComeBack() throws {
    try roundTrip([1: "a", -5: "b"])
    try roundTrip(["": 1, "ü": 2])
    try roundTrip([[1, 2]: Set(["x"]), []: []])
    try roundTrip([Int8(3): [1.5: [true]]])
    try roundTrip([[[Int]]]())
    try roundTrip([[], [1], [2, 3]])
    try roundTrip(1..<5)
    try roundTrip([UInt8](0...255))
    try roundTrip([true, false, true])
    try roundTrip((0..<300).reduce(into: [String: [String: String]]()) { $0["k\($1)"] = ["v": "\($1)"] })
  }

  @Test func aWriterAndAReaderOfOtherTypesAgreeAsInJSON() throws {
    #expect(try Wire.decode([Int].self, from: Wire.encode([1, 2, 300] as Set)).sorted() == [1, 2, 300])
    #expect(try Wire.decode(Set<Int8>.self, from: Wire.encode([1, 2, -3])) == [1, 2, -3])
    #expect(try Wire.decode([Int8].self, from: Wire.encode([1, 2])) == [1, 2])
    #expect(try Wire.decode([Double].self, from: Wire.encode([1, 2])) == [1, 2])
    #expect(try Wire.decode(Double.self, from: Wire.encode(3)) == 3)
    #expect(try Wire.decode([Int?].self, from: Wire.encode([1, 2])) == [1, 2])
    struct Wrapped: Codable, Equatable {
      var value: Int
      init(from decoder: any Decoder) throws { value = try decoder.singleValueContainer().decode(Int.self) }
    }
    #expect(try Wire.decode([Wrapped].self, from: Wire.encode([1, 2])).map(\.value) == [1, 2])
    #expect(throws: DecodingError.self) { try Wire.decode([Int8].self, from: Wire.encode([1, 300])) }
    #expect(throws: DecodingError.self) { try Wire.decode(Int8.self, from: Wire.encode(300)) }
    #expect(throws: DecodingError.self) { try Wire.decode(UInt.self, from: Wire.encode(-1)) }
  }

  @Test func bytesAfterTheValueAreAnError() throws {
    #expect(throws: DecodingError.self) { try Wire.decode(Int.self, from: Wire.encode(1) + [0]) }
    #expect(throws: DecodingError.self) { try Wire.decode([String].self, from: Wire.encode(["a"]) + [0x80]) }
  }

  @Test func anErrorNamesTheFieldAndTheReason() throws {
    struct Inner: Codable { var number: Int }
    struct Outer: Codable { var list: [Inner] }
    struct Other: Codable { var list: [[String: String]] }
    let bytes = try Wire.encode(Other(list: [["number": "1"]]))
    let error = #expect(throws: DecodingError.self) { try Wire.decode(Outer.self, from: bytes) }
    guard case .typeMismatch(_, let context) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(context.codingPath.map(\.stringValue) == ["list", "Index 0", "number"])
    let missing = #expect(throws: DecodingError.self) { try Wire.decode(Outer.self, from: Wire.encode(["x": 1])) }
    guard case .keyNotFound(let key, _) = missing else { return #expect(Bool(false)) }
    #expect(key.stringValue == "list")
  }

  @Test func aValueThatNestsTooDeepIsAnErrorWhenEncoding() throws {
    final class Chain: Codable {
      var next: Chain?
      init(_ next: Chain?) { self.next = next }
    }
    var chain: Chain? = nil
    for _ in 0..<300 { chain = Chain(chain) }
    var levels = 0
    var walk = try Wire.decode(Chain.self, from: Wire.encode(chain!))
    while let next = walk.next { (walk, levels) = (next, levels + 1) }
    #expect(levels == 299)
    for _ in 0..<3000 { chain = Chain(chain) }
    #expect(throws: EncodingError.self) { try Wire.encode(chain!) }
    // Taken apart from the outside, so that releasing it does not nest either.
    while let link = chain { (chain, link.next) = (link.next, nil) }
  }

  @Test func valuesFollowEachOtherInOneWriter() throws {
    let writer = WireWriter()
    try writer.encode(1)
    try writer.encode("two")
    try writer.encode([3.0])
    struct Broken: Encodable {
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode("half")
        throw CancellationError()
      }
    }
    #expect(throws: CancellationError.self) { try writer.encode([Broken()]) }
    try writer.encode(4)
    try unsafe writer.withBytes {
      var reader = unsafe WireReader($0)
      #expect(try reader.decode(Int.self) == 1)
      #expect(try reader.decode(String.self) == "two")
      #expect(try reader.decode([Double].self) == [3.0])
      #expect(try reader.decode(Int.self) == 4)
      try reader.finish()
    }
  }

  @Test func encodingIntoMemoryTellsWhetherItFits() throws {
    let value = Array(0..<100).map { "item \($0)" }
    let bytes = try Wire.encode(value)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { unsafe memory.deallocate() }
    #expect(try unsafe Wire.encode(value, into: memory) == bytes.count)
    #expect(unsafe Array(memory) == bytes)
    let short = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<(bytes.count - 1)])
    #expect(try unsafe Wire.encode(value, into: short) == nil)
    #expect(try unsafe Wire.encode(value, into: UnsafeMutableRawBufferPointer(start: nil, count: 0)) == nil)
  }

  @Test func descriptorsTravelBesideTheBytes() throws {
    let list = AttachmentList()
    let bytes = try Wire.encode([AttachedDescriptor(7), AttachedDescriptor(9)], attachments: list)
    #expect(list.descriptors == [7, 9])
    let received = AttachmentList(received: [21, 22, 23])
    let back = try Wire.decode([AttachedDescriptor].self, from: bytes, attachments: received)
    #expect(back.map(\.descriptor) == [21, 22])
    #expect(received.takeRest() == [23])
    #expect(throws: DecodingError.self) {
      try Wire.decode([AttachedDescriptor].self, from: bytes, attachments: AttachmentList(received: [1]))
    }
    #expect(throws: DecodingError.self) { try Wire.decode([AttachedDescriptor].self, from: bytes) }
    #expect(throws: EncodingError.self) { try Wire.encode(AttachedDescriptor(7)) }
  }
}
