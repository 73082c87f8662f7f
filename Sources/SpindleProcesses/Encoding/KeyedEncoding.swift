struct KeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: WireEncoder

  var codingPath: [any CodingKey] { node.codingPath }

  @inline(__always)
  private func put<T: DirectlyCoded>(_ value: T, _ key: Key) throws {
    try node.prepare()
    node.state.putString(key.stringValue)
    value.put(into: node.state)
  }

  func encodeNil(forKey key: Key) throws {
    try node.prepare()
    node.state.putString(key.stringValue)
    node.state.put(WireTag.null)
  }
  func encode(_ value: Bool, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: String, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Double, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Float, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int8, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int16, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int32, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int64, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: Int128, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt8, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt16, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt32, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt64, forKey key: Key) throws { try put(value, key) }
  func encode(_ value: UInt128, forKey key: Key) throws { try put(value, key) }

  func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    try node.prepare()
    let restart = node.state.count
    node.state.putString(key.stringValue)
    try node.encode(value, key: .key(key), restart: restart)
  }

  func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
    guard value != nil else { return }
    try node.prepare()
    let restart = node.state.count
    node.state.putString(key.stringValue)
    try node.encodeOptional(value, key: .key(key), restart: restart)
  }

  private func child(_ key: any CodingKey, _ kind: EncodingState.Node.Kind) -> WireEncoder {
    do {
      try node.prepare()
      node.state.putString(key.stringValue)
    } catch {
      node.state.fail(error)
      return WireEncoder(state: node.state, index: -1, serial: -1)
    }
    return node.child(key: .key(key), kind)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    KeyedEncodingContainer(KeyedEncoding<Nested>(node: child(key, .keyed)))
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    UnkeyedEncoding(node: child(key, .unkeyed))
  }
  func superEncoder() -> any Encoder { child(WireKey.superKey, .empty) }
  func superEncoder(forKey key: Key) -> any Encoder { child(key, .empty) }
}
