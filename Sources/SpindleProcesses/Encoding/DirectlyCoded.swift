/// A type that the encoding writes and reads itself, without the type's `encode(to:)` and `init(from:)`.
protocol DirectlyCoded: Codable, SendableMetatype {
  func put(into state: EncodingState)
  /// Reads a value and moves `place` past it; nil, and `place` anywhere, when there is none of this type.
  static func take(from state: DecodingState, at place: inout Int) -> Self?
  /// Reads one element of a packed array; the caller has checked that its bytes are there.
  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self?
}

extension DirectlyCoded {
  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self? { nil }
}

/// An element whose arrays are written in one piece.
protocol DirectElement: DirectlyCoded {
  static func putArray(_ array: [Self], into state: EncodingState)
  static func takeArray(from state: DecodingState, at place: inout Int) -> [Self]?
}

extension DirectElement {
  /// The elements of an unkeyed container that was written one by one.
  static func takeSequence(from state: DecodingState, at place: inout Int) -> [Self]? {
    guard state.byte(at: place) == WireTag.unkeyed else { return nil }
    place += 1
    var result: [Self] = []
    while state.byte(at: place) != WireTag.end {
      guard let element = Self.take(from: state, at: &place) else { return nil }
      result.append(element)
    }
    place += 1
    return result
  }
}

/// A number, whose arrays are copied as they lie in memory. Little-endian, which every system we run on is.
protocol PackedElement: DirectElement, BitwiseCopyable {
  static var packedKind: PackedKind { get }
}

extension PackedElement {
  static func putArray(_ array: [Self], into state: EncodingState) {
    state.put(WireTag.packed)
    state.put(packedKind.rawValue)
    state.putVarint(array.count)
    unsafe array.withUnsafeBytes { unsafe state.putBytes($0) }
  }

  static func takeArray(from state: DecodingState, at place: inout Int) -> [Self]? {
    guard state.byte(at: place) == WireTag.packed else { return takeSequence(from: state, at: &place) }
    guard let head = state.takePackedHead(at: &place) else { return nil }
    let start = place
    place += head.count * head.kind.byteCount
    guard head.kind == packedKind, Self.self != Bool.self else {
      var result: [Self] = []
      result.reserveCapacity(head.count)
      for index in 0..<head.count {
        guard let element = unpack(head.kind, from: state, at: start + index * head.kind.byteCount) else { return nil }
        result.append(element)
      }
      return result
    }
    // SAFETY: the head was checked: `count` elements are there, and every bit pattern is a value of these types.
    return unsafe [Self](unsafeUninitializedCapacity: head.count) { buffer, initialized in
      if head.count > 0 {
        unsafe UnsafeMutableRawPointer(buffer.baseAddress!)
          .copyMemory(from: state.base + start, byteCount: head.count * MemoryLayout<Self>.stride)
      }
      initialized = head.count
    }
  }
}

extension PackedElement where Self: FixedWidthInteger {
  func put(into state: EncodingState) { state.putInteger(self) }

  static func take(from state: DecodingState, at place: inout Int) -> Self? { state.takeInteger(Self.self, at: &place) }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self? {
    var at = place
    switch kind {
    case .uint8: return state.takeRaw(UInt8.self, at: &at).flatMap { Self(exactly: $0) }
    case .int8: return state.takeRaw(Int8.self, at: &at).flatMap { Self(exactly: $0) }
    case .uint16: return state.takeRaw(UInt16.self, at: &at).flatMap { Self(exactly: $0) }
    case .int16: return state.takeRaw(Int16.self, at: &at).flatMap { Self(exactly: $0) }
    case .uint32: return state.takeRaw(UInt32.self, at: &at).flatMap { Self(exactly: $0) }
    case .int32: return state.takeRaw(Int32.self, at: &at).flatMap { Self(exactly: $0) }
    case .uint64: return state.takeRaw(UInt64.self, at: &at).flatMap { Self(exactly: $0) }
    case .int64: return state.takeRaw(Int64.self, at: &at).flatMap { Self(exactly: $0) }
    case .uint128: return state.takeRaw(UInt128.self, at: &at).flatMap { Self(exactly: $0) }
    case .int128: return state.takeRaw(Int128.self, at: &at).flatMap { Self(exactly: $0) }
    case .float: return state.takeRaw(Float.self, at: &at).flatMap { Self(exactly: $0) }
    case .double: return state.takeRaw(Double.self, at: &at).flatMap { Self(exactly: $0) }
    case .bool: return nil
    }
  }
}

extension UInt8: PackedElement { static var packedKind: PackedKind { .uint8 } }
extension Int8: PackedElement { static var packedKind: PackedKind { .int8 } }
extension UInt16: PackedElement { static var packedKind: PackedKind { .uint16 } }
extension Int16: PackedElement { static var packedKind: PackedKind { .int16 } }
extension UInt32: PackedElement { static var packedKind: PackedKind { .uint32 } }
extension Int32: PackedElement { static var packedKind: PackedKind { .int32 } }
extension UInt64: PackedElement { static var packedKind: PackedKind { .uint64 } }
extension Int64: PackedElement { static var packedKind: PackedKind { .int64 } }
extension UInt128: PackedElement { static var packedKind: PackedKind { .uint128 } }
extension Int128: PackedElement { static var packedKind: PackedKind { .int128 } }
extension UInt: PackedElement {
  static var packedKind: PackedKind { MemoryLayout<UInt>.size == 8 ? .uint64 : .uint32 }
}
extension Int: PackedElement {
  static var packedKind: PackedKind { MemoryLayout<Int>.size == 8 ? .int64 : .int32 }
}

extension Double: PackedElement {
  static var packedKind: PackedKind { .double }

  func put(into state: EncodingState) {
    state.put(WireTag.double)
    state.putRaw(bitPattern.littleEndian)
  }

  static func take(from state: DecodingState, at place: inout Int) -> Double? { state.takeDouble(at: &place) }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Double? {
    var at = place
    switch kind {
    case .double: return state.takeRaw(Double.self, at: &at)
    case .float: return state.takeRaw(Float.self, at: &at).map { Double($0) }
    default: return Int128.unpack(kind, from: state, at: place).map { Double($0) }
    }
  }
}

extension Float: PackedElement {
  static var packedKind: PackedKind { .float }

  func put(into state: EncodingState) {
    state.put(WireTag.float)
    state.putRaw(bitPattern.littleEndian)
  }

  static func take(from state: DecodingState, at place: inout Int) -> Float? {
    if state.byte(at: place) == WireTag.float {
      place += 1
      return state.takeRaw(UInt32.self, at: &place).map { Float(bitPattern: $0.littleEndian) }
    }
    return state.takeDouble(at: &place).map { Float($0) }
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Float? {
    var at = place
    if kind == .float { return state.takeRaw(Float.self, at: &at) }
    return Double.unpack(kind, from: state, at: place).map { Float($0) }
  }
}

extension Bool: PackedElement {
  static var packedKind: PackedKind { .bool }

  func put(into state: EncodingState) { state.put(self ? WireTag.trueValue : WireTag.falseValue) }

  static func take(from state: DecodingState, at place: inout Int) -> Bool? {
    let tag = state.byte(at: place)
    place += 1
    return tag == WireTag.trueValue ? true : tag == WireTag.falseValue ? false : nil
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Bool? {
    guard kind == .bool, let byte = state.byte(at: place), byte <= 1 else { return nil }
    return byte == 1
  }
}

extension String: DirectElement {
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
  func put(into state: EncodingState) { Element.putArray(self, into: state) }

  static func take(from state: DecodingState, at place: inout Int) -> [Element]? {
    Element.takeArray(from: state, at: &place)
  }
}

extension Dictionary: DirectlyCoded where Key == String, Value: DirectlyCoded {
  func put(into state: EncodingState) {
    state.put(WireTag.keyed)
    for (key, value) in self {
      state.putString(key)
      value.put(into: state)
    }
    state.put(WireTag.end)
  }

  static func take(from state: DecodingState, at place: inout Int) -> [String: Value]? {
    guard state.byte(at: place) == WireTag.keyed else { return nil }
    place += 1
    var result: [String: Value] = [:]
    // Growing step by step costs several times what counting first does.
    if let entries = state.countTokens(from: place) { result.reserveCapacity(entries / 2) }
    while state.byte(at: place) != WireTag.end {
      guard let key = state.takeString(at: &place), let value = Value.take(from: state, at: &place) else { return nil }
      result[key] = value
    }
    place += 1
    return result
  }
}

/// The types that are coded directly, found by the address of their metadata.
enum DirectTypes {
  private struct Slot: Sendable {
    var type: ObjectIdentifier
    var coded: any DirectlyCoded.Type
  }

  private static let slots: [Slot?] = {
    func family<E: DirectElement>(_: E.Type) -> [any DirectlyCoded.Type] { [E.self, [E].self, [String: E].self] }
    let types =
      family(Int.self) + family(Int8.self) + family(Int16.self) + family(Int32.self) + family(Int64.self)
      + family(Int128.self) + family(UInt.self) + family(UInt8.self) + family(UInt16.self) + family(UInt32.self)
      + family(UInt64.self) + family(UInt128.self) + family(Float.self) + family(Double.self) + family(Bool.self)
      + family(String.self)
    var slots = [Slot?](repeating: nil, count: 256)
    for type in types {
      var index = place(of: ObjectIdentifier(type))
      while slots[index] != nil { index = (index + 1) & 255 }
      slots[index] = Slot(type: ObjectIdentifier(type), coded: type)
    }
    return slots
  }()

  @inline(__always)
  private static func place(of type: ObjectIdentifier) -> Int {
    Int(truncatingIfNeeded: (UInt64(UInt(bitPattern: type)) &* 0x9E37_79B9_7F4A_7C15) >> 56)
  }

  @inline(__always)
  static func find(_ type: Any.Type) -> (any DirectlyCoded.Type)? {
    let wanted = ObjectIdentifier(type)
    var index = place(of: wanted)
    while let slot = slots[index] {
      if slot.type == wanted { return slot.coded }
      index = (index + 1) & 255
    }
    return nil
  }
}

/// An optional as such: the standard library's own coding would make one nil of `.none` and `.some(.none)`.
protocol OptionalCoded {
  func put(into node: WireEncoder, key: (any CodingKey)?, restart: Int) throws
  static func decodeAny(
    from state: DecodingState, at place: inout Int, _ pathCount: Int, _ extraPath: [any CodingKey],
    _ key: (any CodingKey)?
  ) throws -> Any
}

extension Optional: OptionalCoded where Wrapped: Codable {
  func put(into node: WireEncoder, key: (any CodingKey)?, restart: Int) throws {
    try node.encodeOptional(self, key: key, restart: restart)
  }

  static func decodeAny(
    from state: DecodingState, at place: inout Int, _ pathCount: Int, _ extraPath: [any CodingKey],
    _ key: (any CodingKey)?
  ) throws -> Any {
    try state.decodeOptional(Wrapped.self, at: &place, pathCount, extraPath, key) as Any
  }
}

enum OptionalTypes {
  /// The first word of a type's metadata says which kind it is. Asking for it first saves the search for a conformance,
  /// which would cost more than encoding a small value.
  private static let kind = kindWord(of: Int?.self)

  @inline(__always)
  private static func kindWord(of type: Any.Type) -> Int {
    // SAFETY: a metatype is the address of the type's metadata, whose first word is its kind; part of Swift's ABI.
    unsafe unsafeBitCast(type, to: UnsafePointer<Int>.self).pointee
  }

  @inline(__always)
  static func find(_ type: Any.Type) -> (any OptionalCoded.Type)? {
    kindWord(of: type) == kind ? type as? any OptionalCoded.Type : nil
  }
}
