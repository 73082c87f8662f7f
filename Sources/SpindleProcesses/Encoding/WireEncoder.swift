/// What `encode(to:)` sees: a handle on one node of the encoding.
struct WireEncoder: Encoder {
  let state: EncodingState
  let index: Int
  let serial: Int

  var codingPath: [any CodingKey] { state.codingPath(of: index) }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    let isOpen = state.open(.keyed, index, serial)
    return state.keyedContainer(isOpen ? index : -1, isOpen ? serial : -1, type)
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer { UnkeyedEncoding(node: opened(.unkeyed)) }

  func singleValueContainer() -> any SingleValueEncodingContainer { SingleValueEncoding(node: opened(.single)) }

  /// The node as a container of that kind, or what fails each write.
  @inline(__always)
  func opened(_ kind: EncodingState.Node.Kind) -> WireEncoder {
    let isOpen = state.open(kind, index, serial)
    return WireEncoder(state: state, index: isOpen ? index : -1, serial: isOpen ? serial : -1)
  }

  /// A node inside this one, to be filled at any time until the value has been encoded.
  func child(key: PathStep, _ kind: EncodingState.Node.Kind = .empty) -> WireEncoder {
    do {
      let node = try state.push(parent: index, key: key)
      return WireEncoder(state: state, index: node.index, serial: node.serial).opened(kind)
    } catch {
      state.fail(error)
      return WireEncoder(state: state, index: -1, serial: -1)
    }
  }

  @inline(__always)
  func prepare() throws { try state.prepare(index, serial) }

  /// Writes the value where the node stands; the caller has prepared the node and written the key.
  @inline(__always)
  func encode<T: Encodable>(_ value: T, key: PathStep, restart: Int) throws {
    try encode(value, as: ValueCoder.of(T.self), key: key, restart: restart)
  }

  /// - Parameter coder: that of T, looked up once for many.
  @inline(__always)
  func encode<T: Encodable>(_ value: T, as coder: ValueCoder, key: PathStep, restart: Int) throws {
    switch coder {
    case .codable: try state.encodeFrame(value, under: index, key: key, restart: restart)
    // SAFETY: the coder is that of T, which it reads through the pointer.
    case .direct(let put, _, _): unsafe withUnsafePointer(to: value) { unsafe put($0, state) }
    case .nested(let type):
      try unsafe withUnsafePointer(to: value) { try unsafe type.put($0, into: self, key: key, restart: restart) }
    }
  }

  /// An optional keeps its levels: what itself begins like nil or like an optional gets one more mark in front.
  func encodeOptional<T: Encodable>(_ value: T?, key: PathStep, restart: Int) throws {
    guard let value else { return state.put(WireTag.null) }
    let start = state.count
    try encode(value, key: key, restart: restart)
    let first = unsafe state.base.load(fromByteOffset: start, as: UInt8.self)
    if first == WireTag.null || first == WireTag.some { state.insert(WireTag.some, at: start) }
  }
}

/// One step of a coding path.
enum PathStep {
  case none, index(Int), key(any CodingKey)

  var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  var codingKey: (any CodingKey)? {
    switch self {
    case .none: nil
    case .index(let index): WireKey(index: index)
    case .key(let key): key
    }
  }
}

/// Steps of a coding path through nested containers, the last one first.
final class PathLink {
  let step: PathStep
  let outer: PathLink?

  init(_ step: PathStep, after outer: PathLink?) {
    self.step = step
    self.outer = outer
  }

  convenience init?(_ path: [PathStep]) {
    guard let last = path.last else { return nil }
    self.init(last, after: PathLink(path.dropLast()))
  }

  var steps: [PathStep] { (outer?.steps ?? []) + [step] }
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
