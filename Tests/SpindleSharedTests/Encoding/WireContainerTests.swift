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

  @Test func aKeyedContainerThatWasKeptIsNotUsedForAnotherValue() throws {
    nonisolated(unsafe) var kept: KeyedEncodingContainer<Key>?
    let first = Custom { encoder in
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(1, forKey: .a)
      unsafe kept = container
    }
    let second = Custom { encoder in
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(2, forKey: .a)
      #expect(throws: EncodingError.self) { try unsafe kept?.encode(3, forKey: .b) }
      try container.encode(4, forKey: .c)
    }
    for value in [[first, second], [second]] {
      let back = try Wire.decode([[String: Int]].self, from: Wire.encode(value))
      #expect(back.last == ["a": 2, "c": 4])
    }
    #expect(throws: EncodingError.self) { try unsafe kept?.encode(3, forKey: .b) }
  }

  @Test func aKeyedContainerThatWasKeptGoesOnReadingItsOwnValue() throws {
    nonisolated(unsafe) var kept: [KeyedDecodingContainer<Key>] = []
    struct Keeper: Decodable {
      nonisolated(unsafe) static var keep: ((KeyedDecodingContainer<Key>) -> Void)?
      init(from decoder: any Decoder) throws { try unsafe Self.keep?(decoder.container(keyedBy: Key.self)) }
    }
    unsafe Keeper.keep = { unsafe kept.append($0) }
    defer { unsafe Keeper.keep = nil }
    struct Both: Decodable {
      init(from decoder: any Decoder) throws {
        _ = try [Keeper](from: decoder)
        try unsafe Self.look?()
      }
      nonisolated(unsafe) static var look: (() throws -> Void)?
    }
    unsafe Both.look = {
      let (b, a) = try unsafe (
        kept.map { try $0.decode(Int.self, forKey: .b) }, kept.map { try $0.decode(Int.self, forKey: .a) })
      #expect(b == [2, 20] && a == [1, 10])
    }
    defer { unsafe Both.look = nil }
    _ = try Wire.decode(Both.self, from: Wire.encode([["a": 1, "b": 2], ["a": 10, "b": 20]].map(Fields.init)))
    #expect(throws: DecodingError.self) { try unsafe kept[0].decode(Int.self, forKey: .a) }
  }

  private struct Fields: Encodable {
    let fields: [String: Int]
    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
        try container.encode(value, forKey: Key(rawValue: name)!)
      }
    }
  }

  @Test func keysOfEveryKindAreFound() throws {
    enum Only: String, CodingKey { case one }
    enum Named: String, CodingKey {
      case empty = ""
      case fifteen = "a name of 15 by"
      case sixteen = "a name of 16 byt"
      case foreign = "größe"
      case long = "a name that does not fit into sixty-four bytes, whatever one may try to leave out of it"
    }
    enum Many: String, CodingKey, CaseIterable {
      case a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9
      case c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9
    }
    struct Wide: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }
    func check<Name: CodingKey & Sendable>(_ keys: [Name]) throws {
      let value = Custom { encoder in
        var container = encoder.container(keyedBy: Name.self)
        for (index, key) in keys.enumerated() { try container.encode(index, forKey: key) }
      }
      for _ in 0..<2 {
        let bytes = try Wire.encode(value)
        for order in [Array(keys.indices), keys.indices.reversed()] {
          try decode(bytes) { decoder in
            let container = try decoder.container(keyedBy: Name.self)
            for index in order { #expect(try container.decode(Int.self, forKey: keys[index]) == index) }
            #expect(container.allKeys.map(\.stringValue) == keys.map(\.stringValue))
          }
        }
      }
    }
    try check([Only.one])
    try check([Named.empty, .fifteen, .sixteen, .foreign, .long])
    try check(Many.allCases)
    try check((0..<50).map { Wide(stringValue: "key \($0)") })
  }

  @Test func manyContainersOfOneKindMayBeOpenAtOnce() throws {
    let bytes = try Wire.encode(
      Custom { encoder in
        var outer = encoder.unkeyedContainer()
        var inner = (0..<100).map { _ in outer.nestedContainer(keyedBy: Key.self) }
        for key in [Key.a, .b] { for index in inner.indices { try inner[index].encode(index, forKey: key) } }
      })
    try decode(bytes) { decoder in
      var outer = try decoder.unkeyedContainer()
      let inner = try (0..<100).map { _ in try outer.nestedContainer(keyedBy: Key.self) }
      for key in [Key.b, .a] {
        let numbers = try inner.map { try $0.decode(Int.self, forKey: key) }
        #expect(numbers == Array(0..<100))
      }
    }
  }

  @Test func anEncodingMayBeUsedInsideOfAnother() throws {
    struct Letter: Codable, Equatable {
      var text: String
      var depth: Int
      enum CodingKeys: CodingKey { case text, inner }
      init(text: String, depth: Int) { (self.text, self.depth) = (text, depth) }
      func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(text, forKey: .text)
        if depth > 0 { try container.encode(Wire.encode(Letter(text: text, depth: depth - 1)), forKey: .inner) }
      }
      init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let inner = try container.decodeIfPresent([UInt8].self, forKey: .inner)
        depth = try inner.map { try Wire.decode(Letter.self, from: $0).depth + 1 } ?? 0
        text = try container.decode(String.self, forKey: .text)
      }
    }
    let letter = Letter(text: "hello", depth: 5)
    #expect(try Wire.decode(Letter.self, from: Wire.encode(letter)) == letter)
  }

  @Test func aTypeThatEncodesNothingComesBackAsEmpty() throws {
    struct Empty: Codable, Equatable {}
    #expect(try Wire.decode([Empty].self, from: Wire.encode([Empty(), Empty()])) == [Empty(), Empty()])
    #expect(try Wire.decode([String: Int].self, from: Wire.encode(Custom { _ in })) == [:])
  }
}
