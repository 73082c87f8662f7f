/// A type that the encoding writes and reads itself, without the type's `encode(to:)` and `init(from:)`.
protocol DirectlyCoded: Codable, SendableMetatype {
  func put(into state: EncodingState)
  /// Reads a value and moves `place` past it; nil, and `place` anywhere, when there is none of this type.
  static func take(from state: DecodingState, at place: inout Int) -> Self?
  /// Room for the encoded value; may be a guess.
  var sizeHint: Int { get }
  /// Reads one element of a packed array; the caller has checked that its bytes are there.
  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self?
}

extension DirectlyCoded {
  var sizeHint: Int { MemoryLayout<Self>.size + 8 }
  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self? { nil }
}

/// An element whose arrays are written in one piece.
protocol DirectElement: DirectlyCoded {
  static func putArray(_ array: [Self], into state: EncodingState)
  static func sizeHint(of array: [Self]) -> Int
  static func takeArray(from state: DecodingState, at place: inout Int) -> [Self]?
}

extension DirectElement {
  /// Right for numbers and vectors.
  static func sizeHint(of array: [Self]) -> Int { array.count * MemoryLayout<Self>.stride + 16 }

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
  static var packedScalar: PackedKind.Scalar { get }
}

extension PackedElement {
  static var packedKind: PackedKind { PackedKind(packedScalar) }

  static func putArray(_ array: [Self], into state: EncodingState) { state.putPacked(array, packedKind) }

  static func takeArray(from state: DecodingState, at place: inout Int) -> [Self]? {
    guard state.byte(at: place) == WireTag.packed else { return takeSequence(from: state, at: &place) }
    guard let head = state.takePackedHead(at: &place) else { return nil }
    let start = place
    place += head.count * head.kind.byteCount
    if head.kind == packedKind && Self.self != Bool.self { return state.copyPacked(head.count, at: start) }
    var result: [Self] = []
    result.reserveCapacity(head.count)
    for index in 0..<head.count {
      guard let element = unpack(head.kind, from: state, at: start + index * head.kind.byteCount) else { return nil }
      result.append(element)
    }
    return result
  }
}

extension EncodingState {
  @inline(__always)
  func putPacked<Element>(_ array: [Element], _ kind: PackedKind) {
    put(WireTag.packed)
    put(kind.rawValue)
    putVarint(array.count)
    unsafe array.withUnsafeBytes { unsafe putBytes($0) }
  }
}

extension DecodingState {
  /// The caller has checked that the bytes of so many elements are there, and that every bit pattern is an element.
  @inline(__always)
  func copyPacked<Element>(_ count: Int, at start: Int) -> [Element] {
    // The standard library would write its count into the one empty array that all share: no harm, and yet a race.
    if count == 0 { return [] }
    // SAFETY: as the caller says.
    return unsafe [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe UnsafeMutableRawPointer(buffer.baseAddress!)
        .copyMemory(from: base + start, byteCount: count * MemoryLayout<Element>.stride)
      initialized = count
    }
  }
}

extension PackedElement where Self: FixedWidthInteger {
  func put(into state: EncodingState) { state.putInteger(self) }

  static func take(from state: DecodingState, at place: inout Int) -> Self? { state.takeInteger(Self.self, at: &place) }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Self? {
    var at = place
    guard kind.shape == 0 else { return nil }
    switch kind.scalar {
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
    case .float16: return state.takeRaw(Float16.self, at: &at).flatMap { Self(exactly: $0) }
    case .bool: return nil
    }
  }
}

extension UInt8: PackedElement { static var packedScalar: PackedKind.Scalar { .uint8 } }
extension Int8: PackedElement { static var packedScalar: PackedKind.Scalar { .int8 } }
extension UInt16: PackedElement { static var packedScalar: PackedKind.Scalar { .uint16 } }
extension Int16: PackedElement { static var packedScalar: PackedKind.Scalar { .int16 } }
extension UInt32: PackedElement { static var packedScalar: PackedKind.Scalar { .uint32 } }
extension Int32: PackedElement { static var packedScalar: PackedKind.Scalar { .int32 } }
extension UInt64: PackedElement { static var packedScalar: PackedKind.Scalar { .uint64 } }
extension Int64: PackedElement { static var packedScalar: PackedKind.Scalar { .int64 } }
extension UInt128: PackedElement { static var packedScalar: PackedKind.Scalar { .uint128 } }
extension Int128: PackedElement { static var packedScalar: PackedKind.Scalar { .int128 } }
extension UInt: PackedElement {
  static var packedScalar: PackedKind.Scalar { MemoryLayout<UInt>.size == 8 ? .uint64 : .uint32 }
}
extension Int: PackedElement {
  static var packedScalar: PackedKind.Scalar { MemoryLayout<Int>.size == 8 ? .int64 : .int32 }
}

extension Double: PackedElement {
  static var packedScalar: PackedKind.Scalar { .double }

  func put(into state: EncodingState) {
    state.put(WireTag.double)
    state.putRaw(bitPattern.littleEndian)
  }

  @inline(__always)
  static func take(from state: DecodingState, at place: inout Int) -> Double? {
    guard state.byte(at: place) == WireTag.double else { return state.takeDouble(at: &place) }
    place &+= 1
    return state.takeRaw(UInt64.self, at: &place).map { Double(bitPattern: $0.littleEndian) }
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Double? {
    var at = place
    guard kind.shape == 0 else { return nil }
    switch kind.scalar {
    case .double: return state.takeRaw(Double.self, at: &at)
    case .float: return state.takeRaw(Float.self, at: &at).map { Double($0) }
    case .float16: return state.takeRaw(Float16.self, at: &at).map { Double($0) }
    default: return Int128.unpack(kind, from: state, at: place).map { Double($0) }
    }
  }
}

extension Float: PackedElement {
  static var packedScalar: PackedKind.Scalar { .float }

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
    if kind == packedKind { return state.takeRaw(Float.self, at: &at) }
    return Double.unpack(kind, from: state, at: place).map { Float($0) }
  }
}

extension Float16: PackedElement {
  static var packedScalar: PackedKind.Scalar { .float16 }

  // As the standard library does.
  func put(into state: EncodingState) { Float(self).put(into: state) }

  static func take(from state: DecodingState, at place: inout Int) -> Float16? {
    state.takeDouble(at: &place).map { Float16($0) }
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Float16? {
    var at = place
    if kind == packedKind { return state.takeRaw(Float16.self, at: &at) }
    return Double.unpack(kind, from: state, at: place).map { Float16($0) }
  }
}

extension Bool: PackedElement {
  static var packedScalar: PackedKind.Scalar { .bool }

  func put(into state: EncodingState) { state.put(self ? WireTag.trueValue : WireTag.falseValue) }

  static func take(from state: DecodingState, at place: inout Int) -> Bool? {
    let tag = state.byte(at: place)
    place += 1
    return tag == WireTag.trueValue ? true : tag == WireTag.falseValue ? false : nil
  }

  static func unpack(_ kind: PackedKind, from state: DecodingState, at place: Int) -> Bool? {
    guard kind == packedKind, let byte = state.byte(at: place), byte <= 1 else { return nil }
    return byte == 1
  }
}
