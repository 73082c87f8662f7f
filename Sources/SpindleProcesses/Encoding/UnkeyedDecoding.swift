struct UnkeyedDecoding: UnkeyedDecodingContainer {
  let state: DecodingState
  let origin: Int
  let pathCount: Int
  let extraPath: PathLink?
  private(set) var currentIndex = 0
  private var cursor: Int
  /// A nested container's place, when the cursor has yet to be moved past it.
  private var pending = -1
  private var packed: PackedKind?
  private var packedEnd = 0

  init(state: DecodingState, origin: Int, pathCount: Int, extraPath: PathLink?) throws {
    self.state = state
    self.origin = origin
    self.pathCount = pathCount
    self.extraPath = extraPath
    cursor = origin + 1
    switch state.byte(at: origin) {
    case WireTag.unkeyed: break
    case WireTag.packed:
      var start = origin
      guard let array = state.takePackedHead(at: &start) else {
        throw state.mismatch([Int].self, at: origin, state.path(pathCount, extraPath))
      }
      packed = array.kind
      cursor = start
      packedEnd = start + array.count * array.kind.byteCount
    default: throw state.mismatch([Int].self, at: origin, state.path(pathCount, extraPath))
    }
  }

  private var path: [PathStep] { state.path(pathCount, extraPath) }
  var codingPath: [any CodingKey] { path.codingKeys }

  /// Where the next element begins, or nil when the bytes are malformed.
  private var next: Int? { pending < 0 ? cursor : state.skip(from: pending) }

  var count: Int? {
    if let packed { return currentIndex + (packedEnd - cursor) / packed.byteCount }
    guard var place = next else { return nil }
    var count = currentIndex
    while let tag = state.byte(at: place), tag != WireTag.end {
      guard let end = state.skip(from: place) else { return nil }
      place = end
      count += 1
    }
    return count
  }

  var isAtEnd: Bool {
    if packed != nil { return cursor >= packedEnd }
    guard let next else { return false }  // The next decoding reports it.
    return state.byte(at: next) == WireTag.end
  }

  private var elementPath: [PathStep] { path + [.index(currentIndex)] }

  /// The place of the next element.
  private mutating func begin(_ type: Any.Type) throws -> Int {
    guard let next else { throw state.malformed(at: pending, elementPath) }
    cursor = next
    pending = -1
    if isAtEnd {
      throw noMore(type)
    }
    return cursor
  }

  @inline(never)
  private func noMore(_ type: Any.Type) -> any Error {
    DecodingError.valueNotFound(
      type, .init(codingPath: elementPath.codingKeys, debugDescription: "the unkeyed container has no more elements"))
  }

  private mutating func advance(to end: Int) {
    cursor = end
    currentIndex += 1
    if packed == nil { state.noteProgress(in: origin, at: end) }
  }

  private mutating func take<T: DirectlyCoded>() throws -> T {
    let place = try begin(T.self)
    if let packed {
      guard let value = T.unpack(packed, from: state, at: place) else {
        throw DecodingError.typeMismatch(
          T.self, .init(codingPath: elementPath.codingKeys, debugDescription: "the array holds \(packed) elements"))
      }
      advance(to: place + packed.byteCount)
      return value
    }
    var end = place
    guard let value = T.take(from: state, at: &end) else { throw state.mismatch(T.self, at: place, elementPath) }
    advance(to: end)
    return value
  }

  mutating func decodeNil() throws -> Bool {
    let place = try begin(Never.self)
    guard packed == nil, state.byte(at: place) == WireTag.null else { return false }
    advance(to: place + 1)
    return true
  }
  mutating func decode(_ type: Bool.Type) throws -> Bool { try take() }
  mutating func decode(_ type: String.Type) throws -> String { try take() }
  mutating func decode(_ type: Double.Type) throws -> Double { try take() }
  mutating func decode(_ type: Float.Type) throws -> Float { try take() }
  mutating func decode(_ type: Int.Type) throws -> Int { try take() }
  mutating func decode(_ type: Int8.Type) throws -> Int8 { try take() }
  mutating func decode(_ type: Int16.Type) throws -> Int16 { try take() }
  mutating func decode(_ type: Int32.Type) throws -> Int32 { try take() }
  mutating func decode(_ type: Int64.Type) throws -> Int64 { try take() }
  mutating func decode(_ type: Int128.Type) throws -> Int128 { try take() }
  mutating func decode(_ type: UInt.Type) throws -> UInt { try take() }
  mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try take() }
  mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try take() }
  mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try take() }
  mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try take() }
  mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try take() }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    var place = try begin(type)
    if let packed {
      let (single, start) = try state.unpacked(packed, at: place, elementPath)
      var end = start
      let value = try single.decode(type, at: &end, 0, PathLink(elementPath), .none)
      advance(to: place + packed.byteCount)
      return value
    }
    let value = try state.decode(type, at: &place, pathCount, extraPath, .index(currentIndex))
    advance(to: place)
    return value
  }

  mutating func decodeIfPresent<T: Decodable>(_ type: T.Type) throws -> T? {
    guard !isAtEnd else { return nil }
    if packed != nil { return try decode(type) }
    var place = try begin(type)
    let value = try state.decodeOptional(type, at: &place, pathCount, extraPath, .index(currentIndex))
    advance(to: place)
    return value
  }

  private mutating func child() throws -> WireDecoder {
    let place = try begin((any Decoder).self)
    let path = PathLink(.index(currentIndex), after: extraPath)
    if let packed {
      let (single, start) = try state.unpacked(packed, at: place, elementPath)
      let decoder = WireDecoder(state: single, place: start, pathCount: 0, extraPath: PathLink(elementPath))
      advance(to: place + packed.byteCount)
      return decoder
    }
    pending = place
    currentIndex += 1
    return WireDecoder(state: state, place: place, pathCount: pathCount, extraPath: path)
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> { try child().container(keyedBy: type) }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try child().unkeyedContainer() }
  mutating func superDecoder() throws -> any Decoder { try child() }
}

struct SingleValueDecoding: SingleValueDecodingContainer {
  let decoder: WireDecoder

  var codingPath: [any CodingKey] { decoder.codingPath }

  @inline(__always)
  private func take<T: DirectlyCoded>() throws -> T {
    var end = decoder.place
    guard let value = T.take(from: decoder.state, at: &end) else {
      throw decoder.state.mismatch(T.self, at: decoder.place, decoder.path)
    }
    return value
  }

  func decodeNil() -> Bool { decoder.state.byte(at: decoder.place) == WireTag.null }
  func decode(_ type: Bool.Type) throws -> Bool { try take() }
  func decode(_ type: String.Type) throws -> String { try take() }
  func decode(_ type: Double.Type) throws -> Double { try take() }
  func decode(_ type: Float.Type) throws -> Float { try take() }
  func decode(_ type: Int.Type) throws -> Int { try take() }
  func decode(_ type: Int8.Type) throws -> Int8 { try take() }
  func decode(_ type: Int16.Type) throws -> Int16 { try take() }
  func decode(_ type: Int32.Type) throws -> Int32 { try take() }
  func decode(_ type: Int64.Type) throws -> Int64 { try take() }
  func decode(_ type: Int128.Type) throws -> Int128 { try take() }
  func decode(_ type: UInt.Type) throws -> UInt { try take() }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try take() }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try take() }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try take() }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try take() }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try take() }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    var end = decoder.place
    return try decoder.state.decode(type, at: &end, decoder.pathCount, decoder.extraPath, .none)
  }
}
