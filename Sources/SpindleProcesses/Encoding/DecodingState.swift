/// The bytes being read. Places are offsets, every read is checked against the end, nothing is copied before it is wanted.
///
/// Reading a field does not tell where a nested value ends, because only the user's code knows what it read. Skipping
/// it again at every level would be quadratic in the depth, so two notes are kept: how far the container read last has
/// been read (`noteProgress`), and where the value decoded last ended. `skip` jumps over what they cover.
// SAFETY: no bytes are read but through `byte`, `takeRaw` and ranges that `takeStringRange` and `takePackedHead` checked.
// `@exclusivity(unchecked)`: as in EncodingState.
@safe final class DecodingState {
  @exclusivity(unchecked) private(set) var base: UnsafeRawPointer
  @exclusivity(unchecked) private var storedSize: Int
  private(set) var size: Int {
    @inline(__always) get { unsafe storedSize }
    @inline(__always) _modify { yield unsafe &storedSize }
  }
  @exclusivity(unchecked) private var storedProgressOrigin = -1
  private var progressOrigin: Int {
    @inline(__always) get { unsafe storedProgressOrigin }
    @inline(__always) _modify { yield unsafe &storedProgressOrigin }
  }
  @exclusivity(unchecked) private var storedProgressPlace = -1
  private var progressPlace: Int {
    @inline(__always) get { unsafe storedProgressPlace }
    @inline(__always) _modify { yield unsafe &storedProgressPlace }
  }
  @exclusivity(unchecked) private var storedKnownStart = -1
  private var knownStart: Int {
    @inline(__always) get { unsafe storedKnownStart }
    @inline(__always) _modify { yield unsafe &storedKnownStart }
  }
  @exclusivity(unchecked) private var storedKnownEnd = -1
  private var knownEnd: Int {
    @inline(__always) get { unsafe storedKnownEnd }
    @inline(__always) _modify { yield unsafe &storedKnownEnd }
  }
  @exclusivity(unchecked) private var storedDepth = 0
  private var depth: Int {
    @inline(__always) get { unsafe storedDepth }
    @inline(__always) _modify { yield unsafe &storedDepth }
  }
  @exclusivity(unchecked) private var storedCurrentPath = Stack<PathStep>()
  private var currentPath: Stack<PathStep> {
    @inline(__always) get { unsafe storedCurrentPath }
    @inline(__always) _modify { yield unsafe &storedCurrentPath }
  }
  @exclusivity(unchecked) private var storedShelf = ContainerShelf<KeyedSource>()
  private var shelf: ContainerShelf<KeyedSource> {
    @inline(__always) get { unsafe storedShelf }
    @inline(__always) _modify { yield unsafe &storedShelf }
  }
  private var owned: UnsafeMutableRawPointer?
  var attachments: AttachmentList?
  var actors: ActorContext?

  /// There are no bytes yet.
  init() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
    unsafe owned = memory
    unsafe base = UnsafeRawPointer(memory)
    unsafe storedSize = 0
  }

  /// Reads these bytes from now on. Only for who alone has a reference: a decoder that was kept would read them too.
  func reset(to bytes: UnsafeRawBufferPointer) {
    size = 0
    progressOrigin = -1
    progressPlace = -1
    knownStart = -1
    knownEnd = -1
    depth = 0
    currentPath.remove(downTo: 0)
    guard let start = bytes.baseAddress else { return }
    unsafe base = start
    size = bytes.count
  }

  /// A copy of the bytes, for what must outlive the caller's.
  init(copying source: EncodingState) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(source.count, 1), alignment: 1)
    unsafe memory.copyMemory(from: source.base, byteCount: source.count)
    unsafe owned = memory
    unsafe base = UnsafeRawPointer(memory)
    unsafe storedSize = source.count
  }

  deinit {
    currentPath.free()
    shelf.free()
    unsafe owned?.deallocate()
  }

  /// The caller's bytes are about to go: a decoder that was kept reads nothing any more.
  func invalidate() { size = 0 }

  func rest() {
    if attachments != nil { attachments = nil }
    if actors != nil { actors = nil }
  }

  // MARK: Bytes

  @inline(__always)
  func byte(at place: Int) -> UInt8? {
    // SAFETY: the bound is checked here, and `base` is valid for `size` bytes until `invalidate`.
    place >= 0 && place < size ? unsafe base.load(fromByteOffset: place, as: UInt8.self) : nil
  }

  @inline(__always)
  func takeRaw<T: BitwiseCopyable>(_ type: T.Type, at place: inout Int) -> T? {
    guard place >= 0, size &- place >= MemoryLayout<T>.size else { return nil }
    let value = unsafe base.loadUnaligned(fromByteOffset: place, as: T.self)
    place &+= MemoryLayout<T>.size
    return value
  }

  func takeVarint(at place: inout Int) -> Int? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while shift < 63, let byte = byte(at: place) {
      place += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return Int(exactly: value) }
      shift += 7
    }
    return nil
  }

  @inline(__always)
  func takeInteger<T: FixedWidthInteger>(_ type: T.Type, at place: inout Int) -> T? {
    guard let tag = byte(at: place) else { return nil }
    if tag < 0x80 {
      place &+= 1
      return T(exactly: tag)
    }
    return takeWideInteger(type, at: &place)
  }

  private func takeWideInteger<T: FixedWidthInteger>(_ type: T.Type, at place: inout Int) -> T? {
    guard let tag = byte(at: place) else { return nil }
    var end = place + 1
    let isNegative: Bool
    let magnitude: UInt128
    switch tag {
    case 0xA0...0xBF:
      isNegative = true
      magnitude = UInt128(tag - WireTag.smallNegative)
    case 0x90...0x94, 0x98...0x9C:
      isNegative = tag >= WireTag.negative
      switch tag & 7 {
      case 0: guard let value = takeRaw(UInt8.self, at: &end) else { return nil }; magnitude = UInt128(value)
      case 1: guard let value = takeRaw(UInt16.self, at: &end) else { return nil }; magnitude = UInt128(value.littleEndian)
      case 2: guard let value = takeRaw(UInt32.self, at: &end) else { return nil }; magnitude = UInt128(value.littleEndian)
      case 3: guard let value = takeRaw(UInt64.self, at: &end) else { return nil }; magnitude = UInt128(value.littleEndian)
      default:
        guard let low = takeRaw(UInt64.self, at: &end), let high = takeRaw(UInt64.self, at: &end) else { return nil }
        magnitude = UInt128(high.littleEndian) << 64 | UInt128(low.littleEndian)
      }
    default:
      // A whole number that was written as a floating-point one.
      guard tag == WireTag.double || tag == WireTag.float, let value = takeFloating(at: &end, tag: tag) else { return nil }
      guard let integer = T(exactly: value) else { return nil }
      place = end
      return integer
    }
    guard magnitude <= UInt128(Int128.max) || !isNegative else { return nil }
    guard let value = isNegative ? T(exactly: ~Int128(magnitude)) : T(exactly: magnitude) else { return nil }
    place = end
    return value
  }

  private func takeFloating(at place: inout Int, tag: UInt8) -> Double? {
    if tag == WireTag.double { return takeRaw(UInt64.self, at: &place).map { Double(bitPattern: $0.littleEndian) } }
    return takeRaw(UInt32.self, at: &place).map { Double(Float(bitPattern: $0.littleEndian)) }
  }

  func takeDouble(at place: inout Int) -> Double? {
    guard let tag = byte(at: place) else { return nil }
    if tag == WireTag.double || tag == WireTag.float {
      var end = place + 1
      guard let value = takeFloating(at: &end, tag: tag) else { return nil }
      place = end
      return value
    }
    return takeInteger(Int128.self, at: &place).map { Double($0) }
  }

  /// The bytes of a string: where they start and how many.
  @inline(__always)
  func takeStringRange(at place: inout Int) -> (start: Int, count: Int)? {
    guard let tag = byte(at: place) else { return nil }
    var start = place + 1
    let count: Int
    if tag >= WireTag.shortString {
      count = Int(tag & 0x3F)
    } else {
      guard tag == WireTag.string, let long = takeVarint(at: &start) else { return nil }
      count = long
    }
    guard count <= size - start else { return nil }
    place = start + count
    return (start, count)
  }

  func takeString(at place: inout Int) -> String? {
    var end = place
    guard let range = takeStringRange(at: &end), let string = string(range.start, range.count) else { return nil }
    place = end
    return string
  }

  /// From a range that `takeStringRange` has given; nil when the bytes are not valid UTF-8.
  func string(_ start: Int, _ count: Int) -> String? {
    let bytes = unsafe UnsafeBufferPointer(start: (base + start).assumingMemoryBound(to: UInt8.self), count: count)
    // `String(validating:as:)` says the same and takes three times as long: it is generic and not specialised.
    guard let text = unsafe try? UTF8Span(validating: Span(_unsafeElements: bytes)) else { return nil }
    return String(copying: text)
  }

  /// The head of a packed array whose elements are all there.
  func takePackedHead(at place: inout Int) -> (kind: PackedKind, count: Int)? {
    var start = place + 1
    guard byte(at: place) == WireTag.packed, let raw = byte(at: start), let kind = PackedKind(rawValue: raw) else {
      return nil
    }
    start += 1
    guard let count = takeVarint(at: &start), count <= (size - start) / kind.byteCount else { return nil }
    place = start
    return (kind, count)
  }

  // MARK: Skipping

  func noteProgress(in origin: Int, at place: Int) {
    progressOrigin = origin
    progressPlace = place
  }

  @inline(__always)
  func noteEnd(of start: Int, at end: Int) {
    knownStart = start
    knownEnd = end
  }

  /// The same as `skip`, of a value that was mostly read to its end.
  @inline(__always)
  private func endAfterReading(_ place: Int) -> Int? {
    place == progressOrigin && byte(at: progressPlace) == WireTag.end ? progressPlace &+ 1 : skip(from: place)
  }

  /// The place after the value, or nil when the bytes are malformed. No recursion: bytes may nest as deep as they like.
  func skip(from place: Int) -> Int? {
    var at = place
    var open = 0
    repeat {
      if at == knownStart {
        at = knownEnd
        continue
      }
      if at == progressOrigin {
        at = progressPlace
        open += 1
        continue
      }
      guard let tag = byte(at: at) else { return nil }
      switch tag {
      case 0...0x7F, 0xA0...0xBF, WireTag.null, WireTag.falseValue, WireTag.trueValue: at += 1
      case WireTag.end:
        at += 1
        open -= 1
        if open < 0 { return nil }
      case WireTag.keyed, WireTag.unkeyed:
        at += 1
        open += 1
      case WireTag.some:
        at += 1
        if open == 0 { open = -1 }
      case WireTag.float: at += 5
      case WireTag.double: at += 9
      case 0x90...0x94, 0x98...0x9C: at += 1 + (1 << Int(tag & 7))
      case WireTag.attachment:
        at += 1
        guard takeVarint(at: &at) != nil else { return nil }
      case WireTag.packed:
        guard let head = takePackedHead(at: &at) else { return nil }
        at += head.count * head.kind.byteCount
      default: guard takeStringRange(at: &at) != nil else { return nil }
      }
      if open == -1 {
        // A mark in front of an optional's value: the value itself is still to come.
        open = 0
        if byte(at: at) == WireTag.end { return nil }
        continueOptional: while byte(at: at) == WireTag.some { at += 1 }
        guard let end = skip(from: at) else { return nil }
        at = end
      }
    } while open > 0
    return at <= size ? at : nil
  }

  /// How many keys and values there are until the container's end; nil when the bytes are malformed.
  func countTokens(from place: Int) -> Int? {
    var at = place
    var count = 0
    while byte(at: at) != WireTag.end {
      guard let end = skip(from: at) else { return nil }
      at = end
      count += 1
    }
    return count
  }

  // MARK: Values

  @inline(__always)
  func decode<T: Decodable>(
    _ type: T.Type, at place: inout Int, _ pathCount: Int, _ extraPath: PathLink?, _ key: consuming PathStep
  ) throws -> T {
    try decode(type, as: ValueCoder.of(type), at: &place, pathCount, extraPath, key)
  }

  /// - Parameter coder: that of T, looked up once for many.
  func decode<T: Decodable>(
    _ type: T.Type, as coder: ValueCoder, at place: inout Int, _ pathCount: Int, _ extraPath: PathLink?,
    _ key: consuming PathStep
  ) throws -> T {
    if case .codable = coder { return try decodeFrame(type, at: &place, pathCount, extraPath, key) }
    return try decodeInMemory(type, as: coder, at: &place, pathCount, extraPath, key)
  }

  /// What the encoding reads itself. Apart from the above, because temporary memory looks the type of its outcome up, which the
  /// compiler does first thing in a function.
  @inline(never)
  private func decodeInMemory<T: Decodable>(
    _ type: T.Type, as coder: ValueCoder, at place: inout Int, _ pathCount: Int, _ extraPath: PathLink?,
    _ key: PathStep
  ) throws -> T {
    switch coder {
    case .codable: return try decodeFrame(type, at: &place, pathCount, extraPath, key)
    case .direct(_, let take, _):
      let start = place
      // SAFETY: the coder is that of T, and has initialised the memory when it says so. Nothing here is of a type made
      // from T, such as T?: in code that is not specialised each of those is looked up anew.
      func move(_ memory: UnsafeMutableRawPointer) throws -> T {
        guard unsafe take(self, &place, memory) else { throw mismatch(T.self, at: start, path(pathCount, extraPath, key)) }
        noteEnd(of: start, at: place)
        return unsafe memory.assumingMemoryBound(to: T.self).move()
      }
      if MemoryLayout<T>.size <= 16 {
        var memory: UInt128 = 0
        return try unsafe withUnsafeMutableBytes(of: &memory) { try unsafe move($0.baseAddress!) }
      }
      return try unsafe withUnsafeTemporaryAllocation(
        byteCount: MemoryLayout<T>.size, alignment: MemoryLayout<T>.alignment
      ) { try unsafe move($0.baseAddress!) }
    case .nested(let nested):
      // SAFETY: as above.
      return try unsafe withUnsafeTemporaryAllocation(
        byteCount: max(MemoryLayout<T>.size, 1), alignment: MemoryLayout<T>.alignment
      ) { memory in
        let memory = memory.baseAddress!
        try unsafe nested.take(into: memory, from: self, at: &place, pathCount, extraPath, key)
        return unsafe memory.assumingMemoryBound(to: T.self).move()
      }
    }
  }

  /// The value's coding path, while it is being read.
  func enter(_ pathCount: Int, _ extraPath: PathLink?, _ key: consuming PathStep) throws -> (saved: Int, pathCount: Int) {
    guard depth < WireLimit.depth else {
      throw tooDeep(path(pathCount, extraPath, key))
    }
    depth += 1
    let saved = currentPath.count
    if let extraPath { take(extraPath) }
    if !key.isNone { currentPath.append(key) }
    return (saved, currentPath.count)
  }

  private func take(_ path: PathLink) {
    if let outer = path.outer { take(outer) }
    currentPath.append(path.step)
  }

  func leave(_ frame: (saved: Int, pathCount: Int)) {
    depth -= 1
    currentPath.remove(downTo: frame.saved)
  }

  func decodeFrame<T: Decodable>(
    _ type: T.Type, at place: inout Int, _ pathCount: Int, _ extraPath: PathLink?, _ key: consuming PathStep
  ) throws -> T {
    let frame = try enter(pathCount, extraPath, key)
    defer { leave(frame) }
    let containers = shelf.openCount
    defer { shelf.close(downTo: containers) }
    guard byte(at: place) != nil else { throw malformed(at: place, path(currentPath.count, nil)) }
    let value = try T(from: WireDecoder(state: self, place: place, pathCount: frame.pathCount, extraPath: nil))
    guard let end = endAfterReading(place) else { throw malformed(at: place, path(currentPath.count, nil)) }
    noteEnd(of: place, at: end)
    place = end
    return value
  }

  /// A container for the fields of the value at `origin`.
  @inline(__always)
  func keyedContainer<Key: CodingKey>(
    _ origin: Int, _ pathCount: Int, _ extraPath: PathLink?, _: Key.Type
  ) -> KeyedDecodingContainer<Key> {
    // One of a decoder that was kept is no frame's, at whose end it would be closed.
    let place = depth > 0 ? shelf.open(Key.self, level: depth) : -1
    if place >= 0, let box = shelf[place].box {
      shelf[place].content?.begin(origin, pathCount, extraPath)
      return unsafe keyedDecodingContainer(of: box, Key.self)
    }
    return newKeyedContainer(origin, pathCount, extraPath, place)
  }

  @inline(never)
  private func newKeyedContainer<Key: CodingKey>(
    _ origin: Int, _ pathCount: Int, _ extraPath: PathLink?, _ place: Int
  ) -> KeyedDecodingContainer<Key> {
    let source = KeyedSource(state: self, keys: KeyTable(Key.self, isUsedAgain: place >= 0))
    source.begin(origin, pathCount, extraPath)
    let container = KeyedDecodingContainer(KeyedDecoding<Key>(source: source))
    if place >= 0 {
      shelf[place].content = source
      // SAFETY: such a container is one reference, to its box.
      shelf[place].box = unsafe unsafeBitCast(container, to: AnyObject.self)
    } else {
      source.leaveShelf()
    }
    return container
  }

  func decodeOptional<T: Decodable>(
    _ type: T.Type, at place: inout Int, _ pathCount: Int, _ extraPath: PathLink?, _ key: consuming PathStep
  ) throws -> T? {
    let tag = byte(at: place)
    if tag == WireTag.null {
      place += 1
      return nil
    }
    if tag == WireTag.some { place += 1 }
    return try decode(type, at: &place, pathCount, extraPath, key)
  }

  /// One element of a packed array as a value of its own, for types that want a decoder.
  func unpacked(_ kind: PackedKind, at place: Int, _ path: [PathStep]) throws -> (DecodingState, Int) {
    let single = EncodingState(capacity: 32)
    func put<T: DirectlyCoded>(_: T.Type) throws {
      guard let value = T.unpack(kind, from: self, at: place) else { throw malformed(at: place, path) }
      value.put(into: single)
    }
    if kind.shape != 0 {
      let scalar = PackedKind(kind.scalar)
      single.put(WireTag.packed)
      single.put(scalar.rawValue)
      single.putVarint(kind.laneCount)
      // SAFETY: the caller has checked that the element's bytes are there.
      unsafe single.putBytes(UnsafeRawBufferPointer(start: base + place, count: kind.laneCount * scalar.byteCount))
    } else {
      switch kind.scalar {
      case .double: try put(Double.self)
      case .float, .float16: try put(Float.self)
      case .bool: try put(Bool.self)
      case .uint128: try put(UInt128.self)
      default: try put(Int128.self)
      }
    }
    let state = DecodingState(copying: single)
    state.depth = depth
    state.actors = actors
    return (state, 0)
  }

  // MARK: Errors

  func path(_ count: Int, _ extra: PathLink?, _ key: PathStep = .none) -> [PathStep] {
    (0..<min(count, currentPath.count)).map { currentPath[$0] } + (extra?.steps ?? []) + [key]
  }

  // Not as a `DecodingError`: see `EncodingState.failure`.
  @inline(never)
  private func tooDeep(_ path: [PathStep]) -> any Error {
    DecodingError.dataCorrupted(
      .init(codingPath: path.codingKeys, debugDescription: "the value nests deeper than \(WireLimit.depth) levels"))
  }

  @inline(never)
  func malformed(at place: Int, _ path: [PathStep]) -> any Error {
    DecodingError.dataCorrupted(.init(codingPath: path.codingKeys, debugDescription: "malformed bytes at offset \(place) of \(size)"))
  }

  /// Why the value at `place` could not be read as that type.
  @inline(never)
  func mismatch(_ type: Any.Type, at place: Int, _ path: [PathStep]) -> any Error {
    guard let tag = byte(at: place), skip(from: place) != nil else { return malformed(at: place, path) }
    if tag == WireTag.null {
      return DecodingError.valueNotFound(type, .init(codingPath: path.codingKeys, debugDescription: "found nil in place of \(type)"))
    }
    if type == String.self && (tag >= WireTag.shortString || tag == WireTag.string) {
      return DecodingError.dataCorrupted(.init(codingPath: path.codingKeys, debugDescription: "the string is not valid UTF-8"))
    }
    return DecodingError.typeMismatch(
      type, .init(codingPath: path.codingKeys, debugDescription: "found \(WireTag.name(tag)), which does not fit \(type)"))
  }
}

extension [PathStep] {
  var codingKeys: [any CodingKey] { compactMap(\.codingKey) }
}

extension WireTag {
  static func name(_ tag: UInt8) -> String {
    switch tag {
    case 0...0x7F, 0x90...0x94, 0x98...0x9C, 0xA0...0xBF: "an integer"
    case falseValue, trueValue: "a Bool"
    case float, double: "a floating-point number"
    case string, 0xC0...0xFF: "a string"
    case keyed: "a keyed container"
    case unkeyed, packed: "an unkeyed container"
    case some: "an optional"
    case attachment: "a file descriptor"
    default: "the byte \(tag)"
    }
  }
}
