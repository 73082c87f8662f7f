extension String: DirectElement {
  var sizeHint: Int { utf8.count + 10 }
  static func sizeHint(of array: [String]) -> Int { 128 }

  func put(into state: EncodingState) { state.putString(self) }

  static func take(from state: DecodingState, at place: inout Int) -> String? { state.takeString(at: &place) }

  static func putArray(_ array: [String], into state: EncodingState) {
    state.put(WireTag.unkeyed)
    for element in array { state.putString(element) }
    state.put(WireTag.end)
  }

  static func takeArray(from state: DecodingState, at place: inout Int) -> [String]? {
    if state.byte(at: place) == WireTag.packed {
      guard let head = state.takePackedHead(at: &place), head.count == 0 else { return nil }
      return []
    }
    return takeSequence(from: state, at: &place)
  }
}

extension Array: DirectlyCoded where Element: DirectElement {
  var sizeHint: Int { Element.sizeHint(of: self) }

  func put(into state: EncodingState) { Element.putArray(self, into: state) }

  static func take(from state: DecodingState, at place: inout Int) -> [Element]? {
    Element.takeArray(from: state, at: &place)
  }
}

/// With strings as keys a keyed container, with any other an unkeyed one of key, value, key, value.
extension Dictionary: DirectlyCoded where Key: DirectlyCoded, Value: DirectlyCoded {
  var sizeHint: Int { 128 }

  func put(into state: EncodingState) {
    state.put(Key.self == String.self ? WireTag.keyed : WireTag.unkeyed)
    for (key, value) in self {
      key.put(into: state)
      value.put(into: state)
    }
    state.put(WireTag.end)
  }

  static func take(from state: DecodingState, at place: inout Int) -> [Key: Value]? {
    if Key.self != String.self, let head = state.takeEmptyHead(at: &place) { return head ? [:] : nil }
    guard state.byte(at: place) == (Key.self == String.self ? WireTag.keyed : WireTag.unkeyed) else { return nil }
    place += 1
    var result: [Key: Value] = [:]
    // Growing step by step costs several times what counting first does.
    if let entries = state.countTokens(from: place) { result.reserveCapacity(entries / 2) }
    while state.byte(at: place) != WireTag.end {
      guard let key = Key.take(from: state, at: &place), let value = Value.take(from: state, at: &place) else { return nil }
      result[key] = value
    }
    place += 1
    return result
  }
}

extension DecodingState {
  /// At a packed array: whether it is empty.
  fileprivate func takeEmptyHead(at place: inout Int) -> Bool? {
    guard byte(at: place) == WireTag.packed else { return nil }
    return takePackedHead(at: &place).map { $0.count == 0 }
  }
}

extension Set: DirectlyCoded where Element: DirectlyCoded {
  var sizeHint: Int { 128 }

  func put(into state: EncodingState) {
    state.put(WireTag.unkeyed)
    for element in self { element.put(into: state) }
    state.put(WireTag.end)
  }

  static func take(from state: DecodingState, at place: inout Int) -> Set<Element>? {
    var result: Set<Element> = []
    if let head = state.takePackedHead(at: &place) {
      result.reserveCapacity(head.count)
      for _ in 0..<head.count {
        guard let element = Element.unpack(head.kind, from: state, at: place) else { return nil }
        result.insert(element)
        place += head.kind.byteCount
      }
      return result
    }
    guard state.byte(at: place) == WireTag.unkeyed else { return nil }
    place += 1
    if let count = state.countTokens(from: place) { result.reserveCapacity(count) }
    while state.byte(at: place) != WireTag.end {
      guard let element = Element.take(from: state, at: &place) else { return nil }
      result.insert(element)
    }
    place += 1
    return result
  }
}

/// A vector of numbers: by itself a packed array of its scalars, many of them in one piece as they lie in memory.
protocol PackedVector: DirectElement, SIMD where Scalar: PackedElement {
  /// See PackedKind.
  static var shape: UInt8 { get }
}

extension PackedVector {
  private static var packedKind: PackedKind { PackedKind(Scalar.packedScalar, shape: shape) }

  func put(into state: EncodingState) { state.putPacked(indices.map { self[$0] }, PackedKind(Scalar.packedScalar)) }

  static func take(from state: DecodingState, at place: inout Int) -> Self? {
    guard let scalars = Scalar.takeArray(from: state, at: &place), scalars.count == scalarCount else { return nil }
    return Self(scalars)
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self? {
    guard kind.shape == shape else { return nil }
    var result = Self()
    let scalar = PackedKind(kind.scalar)
    for lane in result.indices {
      guard let value = Scalar.unpack(scalar, from: state, at: place + lane * scalar.byteCount) else { return nil }
      result[lane] = value
    }
    return result
  }

  static func putArray(_ array: [Self], into state: EncodingState) { state.putPacked(array, packedKind) }

  static func takeArray(from state: DecodingState, at place: inout Int) -> [Self]? {
    guard state.byte(at: place) == WireTag.packed else { return takeSequence(from: state, at: &place) }
    guard let head = state.takePackedHead(at: &place) else { return nil }
    let start = place
    place += head.count * head.kind.byteCount
    if head.kind == packedKind { return state.copyPacked(head.count, at: start) }
    var result: [Self] = []
    for index in 0..<head.count {
      guard let element = unpack(head.kind, from: state, at: start + index * head.kind.byteCount) else { return nil }
      result.append(element)
    }
    return result
  }
}

extension SIMD2: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 1 } }
extension SIMD3: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 2 } }
extension SIMD4: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 3 } }
extension SIMD8: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 4 } }
extension SIMD16: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 5 } }
extension SIMD32: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 6 } }
extension SIMD64: DirectlyCoded, DirectElement, PackedVector where Scalar: PackedElement { static var shape: UInt8 { 7 } }
