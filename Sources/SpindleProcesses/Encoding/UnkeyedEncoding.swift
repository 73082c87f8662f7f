struct UnkeyedEncoding: UnkeyedEncodingContainer {
  let node: WireEncoder

  var codingPath: [any CodingKey] { node.codingPath }
  var count: Int { node.index < 0 ? 0 : node.state.nodes[node.index].elementCount }

  @inline(__always)
  private func begin() throws {
    try node.prepare()
    node.state.nodes[node.index].elementCount += 1
  }

  @inline(__always)
  private func put<T: DirectlyCoded>(_ value: T) throws {
    try begin()
    value.put(into: node.state)
  }

  func encodeNil() throws {
    try begin()
    node.state.put(WireTag.null)
  }
  func encode(_ value: Bool) throws { try put(value) }
  func encode(_ value: String) throws { try put(value) }
  func encode(_ value: Double) throws { try put(value) }
  func encode(_ value: Float) throws { try put(value) }
  func encode(_ value: Int) throws { try put(value) }
  func encode(_ value: Int8) throws { try put(value) }
  func encode(_ value: Int16) throws { try put(value) }
  func encode(_ value: Int32) throws { try put(value) }
  func encode(_ value: Int64) throws { try put(value) }
  func encode(_ value: Int128) throws { try put(value) }
  func encode(_ value: UInt) throws { try put(value) }
  func encode(_ value: UInt8) throws { try put(value) }
  func encode(_ value: UInt16) throws { try put(value) }
  func encode(_ value: UInt32) throws { try put(value) }
  func encode(_ value: UInt64) throws { try put(value) }
  func encode(_ value: UInt128) throws { try put(value) }

  func encode<T: Encodable>(_ value: T) throws {
    try begin()
    do {
      try node.encode(value, key: .index(count - 1), restart: node.state.count)
    } catch {
      node.state.nodes[node.index].elementCount -= 1
      throw error
    }
  }

  private func child(_ kind: EncodingState.Node.Kind) -> WireEncoder {
    do { try begin() } catch {
      node.state.fail(error)
      return WireEncoder(state: node.state, index: -1, serial: -1)
    }
    return node.child(key: .index(count - 1), kind)
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
    let child = child(.keyed)
    return node.state.keyedContainer(child.index, child.serial, type)
  }
  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedEncoding(node: child(.unkeyed)) }
  func superEncoder() -> any Encoder { child(.empty) }
}

struct SingleValueEncoding: SingleValueEncodingContainer {
  let node: WireEncoder

  var codingPath: [any CodingKey] { node.codingPath }

  @inline(__always)
  private func begin() throws {
    try node.prepare()
    guard node.state.nodes[node.index].kind == .single else {
      throw node.state.misuse("a second value was encoded into a single-value container", at: node.index)
    }
  }

  @inline(__always)
  private func put<T: DirectlyCoded>(_ value: T) throws {
    try begin()
    value.put(into: node.state)
    node.state.nodes[node.index].kind = .written
  }

  func encodeNil() throws {
    try begin()
    node.state.put(WireTag.null)
    node.state.nodes[node.index].kind = .written
  }
  func encode(_ value: Bool) throws { try put(value) }
  func encode(_ value: String) throws { try put(value) }
  func encode(_ value: Double) throws { try put(value) }
  func encode(_ value: Float) throws { try put(value) }
  func encode(_ value: Int) throws { try put(value) }
  func encode(_ value: Int8) throws { try put(value) }
  func encode(_ value: Int16) throws { try put(value) }
  func encode(_ value: Int32) throws { try put(value) }
  func encode(_ value: Int64) throws { try put(value) }
  func encode(_ value: Int128) throws { try put(value) }
  func encode(_ value: UInt) throws { try put(value) }
  func encode(_ value: UInt8) throws { try put(value) }
  func encode(_ value: UInt16) throws { try put(value) }
  func encode(_ value: UInt32) throws { try put(value) }
  func encode(_ value: UInt64) throws { try put(value) }
  func encode(_ value: UInt128) throws { try put(value) }

  func encode<T: Encodable>(_ value: T) throws {
    try begin()
    try node.encode(value, key: .none, restart: node.state.count)
    node.state.nodes[node.index].kind = .written
  }
}
