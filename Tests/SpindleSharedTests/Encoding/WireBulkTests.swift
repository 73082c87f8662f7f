import SpindleProcesses
import Testing

/// What the encoding writes in one piece, and what must not change because of it.
@Suite struct WireBulkTests {
  private func roundTrip<T: Codable & Equatable>(_ value: T) throws {
    #expect(try Wire.decode(T.self, from: Wire.encode(value)) == value)
  }

  @Test("vectors of every shape come back, alone and in arrays")
  func vectors() throws {
    try roundTrip(SIMD2<Int8>(-1, 2))
    try roundTrip(SIMD3<Double>(1, 2, 3))
    try roundTrip([SIMD2<UInt16>(1, 2), SIMD2(3, 4)])
    try roundTrip([SIMD3<Float>(1, 2, 3), SIMD3(4, 5, .infinity)])
    try roundTrip([SIMD4<Int>(1, 2, 3, 4)])
    try roundTrip([SIMD8<Int32>(repeating: 7), SIMD8(repeating: -7)])
    try roundTrip([SIMD16<UInt8>(repeating: 200)])
    try roundTrip([SIMD32<Float>(repeating: 0.5)])
    try roundTrip([SIMD64<Double>(repeating: 0.25), SIMD64(repeating: -1)])
    try roundTrip(SIMD64<Int64>(repeating: .min))
    try roundTrip([[SIMD4<Float>]](repeating: [SIMD4(1, 2, 3, 4)], count: 3))
    try roundTrip(["a": [SIMD2<Double>(1, 2)]])
    try roundTrip([SIMD4<Float>]())
    try roundTrip(Set([SIMD2<Int>(1, 2), SIMD2(3, 4)]))
  }

  @Test("an array of vectors takes the bytes of its elements and a few more")
  func vectorSize() throws {
    let bytes = try Wire.encode([SIMD4<Float>](repeating: .one, count: 1000))
    #expect(bytes.count < 16_000 + 16)
  }

  @Test("a vector is read from any array of numbers of its length, and from no other")
  func vectorsFromArrays() throws {
    #expect(try Wire.decode(SIMD4<Float>.self, from: Wire.encode([1, 2, 3, 4])) == SIMD4(1, 2, 3, 4))
    #expect(try Wire.decode([SIMD2<Double>].self, from: Wire.encode([SIMD2<Float>(1, 2)])) == [SIMD2(1, 2)])
    #expect(try Wire.decode([[Float]].self, from: Wire.encode([SIMD3<Float>(1, 2, 3)])) == [[1, 2, 3]])
    #expect(throws: DecodingError.self) { try Wire.decode(SIMD4<Float>.self, from: Wire.encode([1, 2, 3])) }
    #expect(throws: DecodingError.self) { try Wire.decode([SIMD2<Float>].self, from: Wire.encode([1, 2])) }
    #expect(throws: DecodingError.self) { try Wire.decode([Int].self, from: Wire.encode([SIMD2<Int>(1, 2)])) }
    #expect(throws: DecodingError.self) {
      try Wire.decode([SIMD2<Int8>].self, from: Wire.encode([SIMD2<Int>(1, 1000)]))
    }
  }

  @Test("half precision comes back bit for bit")
  func halves() throws {
    try roundTrip(Float16(1.5))
    try roundTrip([Float16.greatestFiniteMagnitude, -0.0, .leastNonzeroMagnitude])
    #expect(try Wire.decode([Double].self, from: Wire.encode([Float16(0.5)])) == [0.5])
  }

  @Test("sets and dictionaries of numbers and strings come back")
  func collections() throws {
    try roundTrip(Set(0..<3000))
    try roundTrip(Set((0..<300).map { "element \($0)" }))
    try roundTrip(Dictionary(uniqueKeysWithValues: (-500..<500).map { ($0, $0 * 2) }))
    try roundTrip(Dictionary(uniqueKeysWithValues: (0..<500).map { ($0, "value \($0)") }))
    try roundTrip([1.5: [true], 2.5: []])
    try roundTrip([[1, 2]: "a"])
    try roundTrip([Int: Int]())
    try roundTrip(Set<String>())
    try roundTrip(["x": Set([1, 2])])
  }

  @Test("arrays of anything come back, at any level")
  func nestedArrays() throws {
    struct Item: Codable, Equatable {
      var name: String
      var rows: [[Double?]]
      var inner: [Item]
    }
    let item = Item(name: "n", rows: [[1, nil], [], [nil]], inner: [])
    try roundTrip((0..<50).map { Item(name: "\($0)", rows: [[Double($0)]], inner: [item, item]) })
    try roundTrip([[[[[1]]]]])
    try roundTrip([[Int?]?]([[1, nil], nil, []]))
    try roundTrip([[String: [Item]]](repeating: ["a": [item]], count: 3))
  }

  @Test("an element that fails takes the whole array back, and its path names the place")
  func failingElement() throws {
    struct Picky: Codable {
      var isBad = false
      func encode(to encoder: any Encoder) throws {
        if isBad {
          throw EncodingError.invalidValue(self, .init(codingPath: encoder.codingPath, debugDescription: "bad"))
        }
        var container = encoder.singleValueContainer()
        try container.encode(1)
      }
    }
    struct Holder: Encodable {
      enum Key: CodingKey { case list, after }
      func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try? container.encode([Picky(), Picky(), Picky(isBad: true)], forKey: .list)
        try container.encode(5, forKey: .after)
      }
    }
    #expect(try Wire.decode([String: Int].self, from: Wire.encode(Holder())) == ["after": 5])
    let error = #expect(throws: EncodingError.self) { try Wire.encode(["list": [Picky(), Picky(isBad: true)]]) }
    guard case .invalidValue(_, let context) = error else { return #expect(Bool(false)) }
    #expect(context.codingPath.last?.intValue == 1)

    let bytes = try Wire.encode([["a": 1], ["a": 300]])
    let wrong = #expect(throws: DecodingError.self) { try Wire.decode([[String: Int8?]].self, from: bytes) }
    guard case .typeMismatch(_, let place) = wrong else { return #expect(Bool(false)) }
    #expect(place.codingPath.first?.intValue == 1)
  }

  @Test("large arrays are written into memory of the right size")
  func sizeHint() throws {
    let numbers = [Double](repeating: 1, count: 100_000)
    let bytes = try Wire.encode(numbers)
    #expect(Wire.sizeHint(numbers) >= bytes.count && Wire.sizeHint(numbers) < bytes.count + 64)
    #expect(bytes.capacity < bytes.count + 4096)
    #expect(Wire.sizeHint(String(repeating: "x", count: 1000)) >= 1002)
    try roundTrip((0..<20_000).map { "item number \($0)" })
  }

  @Test("more types than the table of coders holds are coded all the same")
  func manyTypes() throws {
    // Each level is a type of its own that nothing else in the process uses.
    struct Wrapped<T: Codable>: Codable {
      var value: T?
      static func nest(_ levels: Int) throws -> Int {
        let bytes = try Wire.encode(Wrapped(value: nil))
        _ = try Wire.decode(Wrapped.self, from: bytes)
        return levels == 0 ? 0 : try 1 + Wrapped<Wrapped>.nest(levels - 1)
      }
    }
    struct Pair<A: Codable, B: Codable>: Codable {
      var a: A
      var b: B
    }
    #expect(try Wrapped<Int>.nest(20) == 20)
    let kinds: [any Codable.Type] = [Int.self, String.self, Bool.self, Int8.self, [Int].self, Float.self, UInt.self]
    var count = 0
    func pair<A: Codable, B: Codable>(_: A.Type, _: B.Type, _ levels: Int) throws {
      _ = try Wire.decode([Pair<A, B>].self, from: Wire.encode([Pair<A, B>]()))
      count += 1
      guard levels > 0 else { return }
      for kind in kinds { try open(Pair<A, B>.self, kind, levels - 1) }
    }
    func open<A: Codable>(_: A.Type, _ kind: any Codable.Type, _ levels: Int) throws {
      func inner<B: Codable>(_: B.Type) throws { try pair(A.self, B.self, levels) }
      try inner(kind)
    }
    for kind in kinds { try open(Int.self, kind, 3) }
    #expect(count > 2000)
    try roundTrip([1: [Optional("x"), nil]])
  }
}
