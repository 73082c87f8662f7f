struct KeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let source: KeyedSource

  var codingPath: [any CodingKey] { source.path.codingKeys }
  var allKeys: [Key] {
    var keys: [Key] = []
    source.forEachKey { if let key = Key(stringValue: $0) { keys.append(key) } }
    return keys
  }

  func contains(_ key: Key) -> Bool { source.find(key) != nil }

  private func place(_ key: Key) throws -> Int {
    if let place = source.find(key) { return place }
    throw source.missing(key)
  }

  @inline(__always)
  private func take<T: DirectlyCoded>(_ key: Key) throws -> T {
    let place = try place(key)
    var end = place
    guard let value = T.take(from: source.state, at: &end) else {
      throw source.mismatch(T.self, at: place, key)
    }
    source.advance(to: end)
    return value
  }

  @inline(__always)
  private func takeIfPresent<T: DirectlyCoded>(_ key: Key) throws -> T? {
    guard let place = source.find(key) else { return nil }
    var end = place
    let tag = source.state.byte(at: place)
    if tag == WireTag.null {
      source.advance(to: place + 1)
      return nil
    }
    if tag == WireTag.some { end += 1 }
    guard let value = T.take(from: source.state, at: &end) else {
      throw source.mismatch(T.self, at: place, key)
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

  func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: Int128.Type, forKey key: Key) throws -> Int128? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try takeIfPresent(key) }
  func decodeIfPresent(_ type: UInt128.Type, forKey key: Key) throws -> UInt128? { try takeIfPresent(key) }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    var place = try place(key)
    let value = try source.state.decode(type, at: &place, source.pathCount, source.extraPath, .key(key))
    source.advance(to: place)
    return value
  }

  func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
    guard var place = source.find(key) else { return nil }
    let value = try source.state.decodeOptional(type, at: &place, source.pathCount, source.extraPath, .key(key))
    source.advance(to: place)
    return value
  }

  private func child(_ key: some CodingKey, _ place: Int?) throws -> WireDecoder {
    guard let place else { throw source.missing(key) }
    source.leave(at: place)
    return WireDecoder(
      state: source.state, place: place, pathCount: source.pathCount, extraPath: PathLink(.key(key), after: source.extraPath))
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { try child(key, source.find(key)).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try child(key, source.find(key)).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder { try child(WireKey.superKey, source.find(name: "super")) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try child(key, source.find(key)) }
}

/// As `keyedEncodingContainer`.
@_silgen_name("spindle_decoding_container_of_box")
@unsafe func keyedDecodingContainer<Key: CodingKey>(of box: AnyObject, _: Key.Type) -> KeyedDecodingContainer<Key>
