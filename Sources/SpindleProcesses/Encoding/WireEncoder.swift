/// What `encode(to:)` sees: a handle on one node of the encoding.
struct WireEncoder: Encoder {
  let state: EncodingState
  let index: Int
  let serial: Int

  var codingPath: [any CodingKey] { state.codingPath(of: index) }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(KeyedEncoding(node: opened(.keyed)))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedEncoding(node: opened(.unkeyed)) }

  func singleValueContainer() -> any SingleValueEncodingContainer { SingleValueEncoding(node: opened(.single)) }

  /// The node as a container of that kind. Codable gives no way to throw here, so a mistake fails the next write and
  /// the value as a whole.
  func opened(_ kind: EncodingState.Node.Kind) -> WireEncoder {
    do {
      if index >= 0, index < state.nodes.count, state.nodes[index].serial == serial, state.nodes[index].kind == kind {
        return self
      }
      try state.prepare(index, serial)
      guard state.nodes[index].kind == .empty || (state.nodes[index].kind == .single && kind != .written) else {
        throw state.misuse("two containers of different kinds were asked for one value", at: index)
      }
      state.nodes[index].kind = kind
      if kind == .keyed { state.put(WireTag.keyed) }
      if kind == .unkeyed { state.put(WireTag.unkeyed) }
      return self
    } catch {
      if state.failure == nil { state.failure = error as? EncodingError }
      return WireEncoder(state: state, index: -1, serial: -1)
    }
  }

  /// A node inside this one, to be filled at any time until the value has been encoded.
  func child(key: (any CodingKey)?, _ kind: EncodingState.Node.Kind = .empty) -> WireEncoder {
    do {
      let node = try state.push(parent: index, key: key)
      return WireEncoder(state: state, index: node.index, serial: node.serial).opened(kind)
    } catch {
      if state.failure == nil { state.failure = error as? EncodingError }
      return WireEncoder(state: state, index: -1, serial: -1)
    }
  }

  @inline(__always)
  func prepare() throws { try state.prepare(index, serial) }

  /// Writes the value where the node stands; the caller has prepared the node and written the key.
  @inline(__always)
  func encode<T: Encodable>(_ value: T, key: (any CodingKey)?, restart: Int) throws {
    if let direct = DirectTypes.find(T.self) {
      putDirect(value, direct)
    } else if let optional = OptionalTypes.find(T.self) {
      try putOptional(value, optional, key: key, restart: restart)
    } else {
      try state.encodeFrame(value, under: index, key: key, restart: restart)
    }
  }

  @inline(never)
  private func putDirect<T>(_ value: T, _ type: any DirectlyCoded.Type) {
    func put<D: DirectlyCoded>(_: D.Type) {
      // SAFETY: `find` returns the very type it was asked for, so D is T.
      unsafe withUnsafePointer(to: value) { pointer in
        unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: D.self).pointee.put(into: state)
      }
    }
    put(type)
  }

  @inline(never)
  private func putOptional<T>(_ value: T, _ type: any OptionalCoded.Type, key: (any CodingKey)?, restart: Int) throws {
    func put<O: OptionalCoded>(_: O.Type) throws {
      // SAFETY: as in `putDirect`.
      try unsafe withUnsafePointer(to: value) { pointer in
        try unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: O.self).pointee
          .put(into: self, key: key, restart: restart)
      }
    }
    try put(type)
  }

  /// An optional keeps its levels: what itself begins like nil or like an optional gets one more mark in front.
  func encodeOptional<T: Encodable>(_ value: T?, key: (any CodingKey)?, restart: Int) throws {
    guard let value else { return state.put(WireTag.null) }
    let start = state.count
    try encode(value, key: key, restart: restart)
    let first = unsafe state.base.load(fromByteOffset: start, as: UInt8.self)
    if first == WireTag.null || first == WireTag.some { state.insert(WireTag.some, at: start) }
  }
}

/// A key for an element's place in an unkeyed container, and for `super`.
struct WireKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(index: Int) {
    stringValue = "Index \(index)"
    intValue = index
  }
  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init?(intValue: Int) { self.init(index: intValue) }
  static var superKey: WireKey { WireKey(stringValue: "super") }
}
