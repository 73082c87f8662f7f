struct KeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let source: KeyedSource

  var codingPath: [any CodingKey] { source.path.codingKeys }
  var allKeys: [Key] { source.allKeys().compactMap { Key(stringValue: $0) } }

  func contains(_ key: Key) -> Bool { source.find(key.stringValue) != nil }

  private func place(_ key: Key) throws -> Int {
    if let place = source.find(key.stringValue) { return place }
    throw source.missing(key)
  }

  @inline(__always)
  private func take<T: DirectlyCoded>(_ key: Key) throws -> T {
    let place = try place(key)
    var end = place
    guard let value = T.take(from: source.state, at: &end) else {
      throw source.state.mismatch(T.self, at: place, source.path + [.key(key)])
    }
    source.advance(to: end)
    return value
  }

  func decodeNil(forKey key: Key) throws -> Bool { source.state.byte(at: try place(key)) == WireTag.null }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try take(key) }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try take(key) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try take(key) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try take(key) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try take(key) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try take(key) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try take(key) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try take(key) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try take(key) }
  func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try take(key) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try take(key) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try take(key) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try take(key) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try take(key) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try take(key) }
  func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try take(key) }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    var place = try place(key)
    let value = try source.state.decode(type, at: &place, source.pathCount, source.extraPath, .key(key))
    source.advance(to: place)
    return value
  }

  func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
    guard var place = source.find(key.stringValue) else { return nil }
    let value = try source.state.decodeOptional(type, at: &place, source.pathCount, source.extraPath, .key(key))
    source.advance(to: place)
    return value
  }

  private func child(_ key: any CodingKey) throws -> WireDecoder {
    guard let place = source.find(key.stringValue) else { throw source.missing(key) }
    source.leave(at: place)
    return WireDecoder(
      state: source.state, place: place, pathCount: source.pathCount, extraPath: source.extraPath + [.key(key)])
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { try child(key).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try child(key).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder { try child(WireKey.superKey) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}
