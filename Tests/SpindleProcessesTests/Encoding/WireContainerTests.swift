import SpindleProcesses
import Testing

private enum Key: String, CodingKey { case a, b, c, d, absent }

/// A type whose coding is written out by the test.
private struct Custom: Encodable {
  let body: @Sendable (any Encoder) throws -> Void
  func encode(to encoder: any Encoder) throws { try body(encoder) }
}

private struct Reader: Decodable {
  nonisolated(unsafe) static var body: ((any Decoder) throws -> Void)?
  init(from decoder: any Decoder) throws { try unsafe Self.body?(decoder) }
}

private func decode(_ bytes: [UInt8], _ body: @escaping (any Decoder) throws -> Void) throws {
  unsafe Reader.body = body
  defer { unsafe Reader.body = nil }
  _ = try Wire.decode(Reader.self, from: bytes)
}

class Animal: Codable {
  var name: String
  private var id = 1
  init(name: String) { self.name = name }
}

final class Dog: Animal {
  var tricks: [String]
  enum CodingKeys: CodingKey { case tricks }
  init(name: String, tricks: [String]) {
    self.tricks = tricks
    super.init(name: name)
  }
  required init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    tricks = try container.decode([String].self, forKey: .tricks)
    try super.init(from: container.superDecoder())
  }
  override func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try super.encode(to: container.superEncoder())
    try container.encode(tricks, forKey: .tricks)
  }
}

final class Cat: Animal {
  var lives: Int
  enum CodingKeys: CodingKey { case lives }
  init(name: String, lives: Int) {
    self.lives = lives
    super.init(name: name)
  }
  required init(from decoder: any Decoder) throws {
    lives = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .lives)
    try super.init(from: decoder)
  }
  override func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(lives, forKey: .lives)
    try super.encode(to: encoder)  // Into the same keyed container.
  }
}

@Suite(.serialized) struct WireContainerTests {
  @Test func classHierarchiesComeBackInBothStyles() throws {
    let dog = try Wire.decode([Dog].self, from: Wire.encode([Dog(name: "Rex", tricks: ["sit"])]))[0]
    #expect(dog.name == "Rex" && dog.tricks == ["sit"])
    let cat = try Wire.decode([Cat].self, from: Wire.encode([Cat(name: "Tom", lives: 9)]))[0]
    #expect(cat.name == "Tom" && cat.lives == 9)
  }

  @Test func fieldsAreFoundInAnyOrderAndSkippedOnesIgnored() throws {
    let bytes = try Wire.encode(
      Custom { encoder in
        var container = encoder.container(keyedBy: Key.self)
        try container.encode([["x": [1, 2]]], forKey: .a)
        try container.encode("b", forKey: .b)
        try container.encodeNil(forKey: .c)
        try container.encode(4, forKey: .d)
      })
    try decode(bytes) { decoder in
      let container = try decoder.container(keyedBy: Key.self)
      #expect(container.allKeys == [.a, .b, .c, .d])
      #expect(try container.decode(Int.self, forKey: .d) == 4)
      #expect(try container.decodeNil(forKey: .c))
      #expect(try !container.decodeNil(forKey: .d))
      #expect(try container.decode(String.self, forKey: .b) == "b")
      #expect(try container.decodeIfPresent(String.self, forKey: .c) == nil)
      #expect(try container.decodeIfPresent(Int.self, forKey: .absent) == nil)
      #expect(!container.contains(.absent) && container.contains(.a))
      #expect(throws: DecodingError.self) { try container.decode(Int.self, forKey: .absent) }
      #expect(decoder.userInfo.isEmpty)
    }
  }

  @Test func manyKeysAreFoundInAnyOrder() throws {
    let bytes = try Wire.encode((0..<500).reduce(into: [:]) { $0["key \($1)"] = [$1] })
    struct AnyKey: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }
    try decode(bytes) { decoder in
      let container = try decoder.container(keyedBy: AnyKey.self)
      for number in (0..<500).reversed() {
        #expect(try container.decode([Int].self, forKey: AnyKey(stringValue: "key \(number)")) == [number])
      }
    }
  }

  @Test func nestedContainersMayBeWrittenAlternately() throws {
    let bytes = try Wire.encode(
      [Custom { encoder in
        var outer = encoder.container(keyedBy: Key.self)
        var first = outer.nestedUnkeyedContainer(forKey: .a)
        var second = outer.nestedContainer(keyedBy: Key.self, forKey: .b)
        var columns = (0..<3).map { _ in first.nestedUnkeyedContainer() }
        for row in 0..<4 {
          for column in columns.indices { try columns[column].encode(row * 10 + column) }
          try second.encode([row], forKey: [Key.a, .b, .c, .d][row])
        }
        try outer.encode("end", forKey: .c)
        try first.encode(["late": "x"])
        let late = outer.superEncoder(forKey: .d)
        let unused = first.superEncoder()
        try columns[1].encode("last")
        var container = late.unkeyedContainer()
        try container.encode(first.count)
        _ = unused
      }])
    struct Back: Decodable {
      var b: [String: [Int]]
      var c: String
      var d: [Int]
      init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        var a = try container.nestedUnkeyedContainer(forKey: .a)
        #expect(a.count == 5)
        for column in 0..<3 {
          var numbers = try a.nestedUnkeyedContainer()
          for row in 0..<4 { #expect(try numbers.decode(Int.self) == row * 10 + column) }
          if column == 1 { #expect(try numbers.decode(String.self) == "last") }
          #expect(numbers.isAtEnd)
        }
        #expect(try a.decode([String: String].self) == ["late": "x"])
        #expect(try a.decode([String: Int].self) == [:])
        #expect(a.isAtEnd)
        b = try container.decode([String: [Int]].self, forKey: .b)
        c = try container.decode(String.self, forKey: .c)
        d = try container.decode([Int].self, forKey: .d)
      }
    }
    let back = try Wire.decode([Back].self, from: bytes)[0]
    #expect(back.b == ["a": [0], "b": [1], "c": [2], "d": [3]])
    #expect(back.c == "end" && back.d == [5])
  }

  @Test func aFieldThatFailsIsTakenBackWhenTheTypeCatchesTheError() throws {
    struct Broken: Encodable {
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        var early = container.nestedUnkeyedContainer()
        try container.encode(1)
        try early.encode(2)
        throw CancellationError()
      }
    }
    let bytes = try Wire.encode(
      Custom { encoder in
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: .a)
        try? container.encode(Broken(), forKey: .b)
        try container.encode(3, forKey: .c)
      })
    #expect(try Wire.decode([String: Int].self, from: bytes) == ["a": 1, "c": 3])
  }

  @Test func misuseIsAnErrorAndNeverATrap() throws {
    #expect(throws: EncodingError.self) {
      try Wire.encode(Custom { encoder in
        _ = encoder.container(keyedBy: Key.self)
        _ = encoder.unkeyedContainer()
      })
    }
    #expect(throws: EncodingError.self) {
      try Wire.encode(Custom { encoder in
        var container = encoder.singleValueContainer()
        try container.encode(1)
        try container.encode(2)
      })
    }
    nonisolated(unsafe) var kept: (any UnkeyedEncodingContainer)?
    _ = try Wire.encode([Custom { unsafe kept = $0.unkeyedContainer() }])
    #expect(throws: EncodingError.self) { try unsafe kept?.encode(1) }
    nonisolated(unsafe) var decoder: (any Decoder)?
    try decode(Wire.encode(5)) { unsafe decoder = $0 }
    #expect(throws: DecodingError.self) { try unsafe decoder!.singleValueContainer().decode(Int.self) }
  }

  @Test func aTypeThatEncodesNothingComesBackAsEmpty() throws {
    struct Empty: Codable, Equatable {}
    #expect(try Wire.decode([Empty].self, from: Wire.encode([Empty(), Empty()])) == [Empty(), Empty()])
    #expect(try Wire.decode([String: Int].self, from: Wire.encode(Custom { _ in })) == [:])
  }
}
