/// What the containers of one node refer to, and later those of another: see `ContainerShelf`.
// SAFETY: a container lives within the value it was made for, whose state somebody has; one that is kept for longer
// keeps the state too. `@exclusivity(unchecked)`: as in EncodingState.
@safe final class KeyedHandle: ShelfContent {
  /// Not counted while the handle is on the shelf, which is the state's. No `unowned` reference, because those are counted at each use.
  let state: EncodingState
  private var isOnShelf = true
  @exclusivity(unchecked) private var index = -1
  @exclusivity(unchecked) private var serial = -1
  private let keys: KeyTable

  init(state: EncodingState, keys: KeyTable) {
    self.state = state
    self.keys = keys
    unsafe Unmanaged.passUnretained(state).release()
  }

  deinit {
    if isOnShelf { leaveShelf() }  // The reference is about to be released.
    keys.free()
  }

  func leaveShelf() {
    isOnShelf = false
    _ = unsafe Unmanaged.passRetained(state)
  }

  var node: WireEncoder { unsafe WireEncoder(state: state, index: index, serial: serial) }

  /// For this node from now on.
  @inline(__always)
  func begin(_ index: Int, _ serial: Int) {
    unsafe self.index = index
    unsafe self.serial = serial
  }

  func end() {}

  @inline(__always)
  func prepare() throws { unsafe try state.prepare(index, serial) }

  @inline(__always)
  func put<Key: CodingKey>(_ key: Key) {
    if let word = keys.word(of: key) { state.putKey(word) } else { state.putString(key.stringValue) }
  }
}

struct KeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let handle: KeyedHandle

  var codingPath: [any CodingKey] { handle.node.codingPath }

  @inline(__always)
  private func put<T: DirectlyCoded>(_ value: T, _ key: Key) throws {
    try handle.prepare()
    handle.put(key)
    value.put(into: handle.state)
  }

  @inline(__always)
  private func putIfPresent<T: DirectlyCoded>(_ value: T?, _ key: Key) throws {
    if let value { try put(value, key) }
  }

  func encodeNil(forKey key: Key) throws {
    try handle.prepare()
    handle.put(key)
    handle.state.put(WireTag.null)
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

  func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: String?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Double?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Float?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int16?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: Int128?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws { try putIfPresent(value, key) }
  func encodeIfPresent(_ value: UInt128?, forKey key: Key) throws { try putIfPresent(value, key) }

  func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    try handle.prepare()
    let restart = handle.state.count
    handle.put(key)
    try handle.node.encode(value, key: .key(key), restart: restart)
  }

  func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
    guard value != nil else { return }
    try handle.prepare()
    let restart = handle.state.count
    handle.put(key)
    try handle.node.encodeOptional(value, key: .key(key), restart: restart)
  }

  private func child(_ key: any CodingKey, _ kind: EncodingState.Node.Kind) -> WireEncoder {
    let node = handle.node
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
    let node = child(key, .keyed)
    return node.state.keyedContainer(node.index, node.serial, type)
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    UnkeyedEncoding(node: child(key, .unkeyed))
  }
  func superEncoder() -> any Encoder { child(WireKey.superKey, .empty) }
  func superEncoder(forKey key: Key) -> any Encoder { child(key, .empty) }
}

/// The container whose box that is. In C, because the compiler would look up the type of the container, only to copy it.
// SAFETY: the box was made for this type of keys.
@_silgen_name("spindle_encoding_container_of_box")
@unsafe func keyedEncodingContainer<Key: CodingKey>(of box: AnyObject, _: Key.Type) -> KeyedEncodingContainer<Key>
