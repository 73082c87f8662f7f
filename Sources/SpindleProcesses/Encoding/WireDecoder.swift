internal import Distributed

/// What `init(from:)` sees: a place in the bytes.
struct WireDecoder: Decoder {
  let state: DecodingState
  /// Both in one word, so that an `any Decoder` has room for the struct and need not be allocated.
  private let placeAndCount: UInt64
  let extraPath: PathLink?

  init(state: DecodingState, place: Int, pathCount: Int, extraPath: PathLink?) {
    self.state = state
    // A path of more steps than that is cut in error messages.
    placeAndCount = UInt64(truncatingIfNeeded: place) << 16 | UInt64(UInt16(clamping: pathCount))
    self.extraPath = extraPath
  }

  var place: Int { Int(placeAndCount >> 16) }
  var pathCount: Int { Int(placeAndCount & 0xFFFF) }
  var path: [PathStep] { state.path(pathCount, extraPath) }
  var codingPath: [any CodingKey] { path.codingKeys }
  /// For references to distributed actors, which are made by their system.
  var userInfo: [CodingUserInfoKey: Any] { state.actors.map { [.actorSystemKey: $0.system] } ?? [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard state.byte(at: place) == WireTag.keyed else { throw state.mismatch([String: Any].self, at: place, path) }
    return state.keyedContainer(place, pathCount, extraPath, type)
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try UnkeyedDecoding(state: state, origin: place, pathCount: pathCount, extraPath: extraPath)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { SingleValueDecoding(decoder: self) }
}

/// The entries of one keyed container. Fields read in the order in which they were written are found at the cursor;
/// the first one that is not there makes an index of the entries.
///
/// What the containers of one value refer to, and later those of another: see `ContainerShelf`.
// SAFETY and `@exclusivity(unchecked)`: as in KeyedHandle.
@safe final class KeyedSource: ShelfContent {
  /// Not counted while the source is on the shelf, as in KeyedHandle.
  let state: DecodingState
  private var isOnShelf = true
  @exclusivity(unchecked) private var storedOrigin = 0
  private(set) var origin: Int {
    @inline(__always) get { unsafe storedOrigin }
    @inline(__always) set { unsafe storedOrigin = newValue }
  }
  @exclusivity(unchecked) private var storedPathCount = 0
  private(set) var pathCount: Int {
    @inline(__always) get { unsafe storedPathCount }
    @inline(__always) set { unsafe storedPathCount = newValue }
  }
  @exclusivity(unchecked) private var storedExtraPath: PathLink?
  private(set) var extraPath: PathLink? {
    @inline(__always) get { unsafe storedExtraPath }
    @inline(__always) set { unsafe storedExtraPath = newValue }
  }
  @exclusivity(unchecked) private var storedCursor = 0
  private var cursor: Int {
    @inline(__always) get { unsafe storedCursor }
    @inline(__always) set { unsafe storedCursor = newValue }
  }
  @exclusivity(unchecked) private var storedPending = -1
  private var pending: Int {
    @inline(__always) get { unsafe storedPending }
    @inline(__always) set { unsafe storedPending = newValue }
  }
  private let keys: KeyTable
  private var hasIndex = false
  private var entries: ContiguousArray<Entry>?
  private var places: [String: Int]?

  private struct Entry {
    let start: Int
    let count: Int
    let value: Int
  }

  init(state: DecodingState, keys: KeyTable) {
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

  /// For the value at this place from now on.
  @inline(__always)
  func begin(_ origin: Int, _ pathCount: Int, _ extraPath: PathLink?) {
    self.origin = origin
    self.pathCount = pathCount
    if extraPath != nil { self.extraPath = extraPath }
    cursor = origin &+ 1
    pending = -1
  }

  @inline(__always)
  func end() {
    if extraPath != nil { extraPath = nil }
    if hasIndex { forgetIndex() }
  }

  @inline(never)
  private func forgetIndex() {
    entries = nil
    places = nil
    hasIndex = false
  }

  var path: [PathStep] { state.path(pathCount, extraPath) }

  /// The value was read, the next entry begins at `place`.
  func advance(to place: Int) {
    cursor = place
    pending = -1
    state.noteProgress(in: origin, at: place)
  }

  /// The value will be read through a decoder of its own.
  func leave(at place: Int) { pending = place }

  @inline(never)
  func missing(_ key: any CodingKey) -> any Error {
    if state.skip(from: origin) == nil { return state.malformed(at: origin, path) }
    return DecodingError.keyNotFound(
      key, .init(codingPath: path.codingKeys, debugDescription: "no value was encoded for \(key.stringValue)"))
  }

  @inline(never)
  func mismatch(_ type: Any.Type, at place: Int, _ key: any CodingKey) -> any Error {
    state.mismatch(type, at: place, path + [.key(key)])
  }

  /// Where the key's value begins.
  @inline(__always)
  func find<Key: CodingKey>(_ key: Key) -> Int? {
    if let word = keys.word(of: key), pending < 0, let place = state.placeAfter(word, at: cursor) { return place }
    return find(name: key.stringValue)
  }

  func find(name key: String) -> Int? {
    if pending >= 0 {
      guard let end = state.skip(from: pending) else { return nil }
      cursor = end
      pending = -1
    }
    func find(_ utf8: UnsafeBufferPointer<UInt8>) -> Int? {
      var place = cursor
      if let found = state.takeStringRange(at: &place), unsafe matches(found, utf8) { return place }
      return unsafe findInIndex(key, utf8)
    }
    if let place = unsafe key.utf8.withContiguousStorageIfAvailable({ unsafe find($0) }) { return place }
    var copy = key
    return copy.withUTF8 { unsafe find($0) }
  }

  private func matches(_ range: (start: Int, count: Int), _ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
    // SAFETY: the range was checked against the end of the bytes when it was taken.
    guard range.count == utf8.count else { return false }
    guard let wanted = unsafe UnsafeRawPointer(utf8.baseAddress) else { return true }
    let found = unsafe state.base + range.start
    var place = 0
    while range.count &- place >= 8 {
      guard
        unsafe found.loadUnaligned(fromByteOffset: place, as: UInt64.self)
          == wanted.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      else { return false }
      place &+= 8
    }
    while place < range.count {
      guard
        unsafe found.load(fromByteOffset: place, as: UInt8.self) == wanted.load(fromByteOffset: place, as: UInt8.self)
      else { return false }
      place &+= 1
    }
    return true
  }

  private func findInIndex(_ key: String, _ utf8: UnsafeBufferPointer<UInt8>) -> Int? {
    let entries = indexed()
    guard entries.count > 16 else {
      return entries.first { unsafe matches(($0.start, $0.count), utf8) }?.value
    }
    if places == nil {
      var places: [String: Int] = [:]
      for entry in entries { if let name = name(of: entry), places[name] == nil { places[name] = entry.value } }
      self.places = places
    }
    return places?[key]
  }

  private func indexed() -> ContiguousArray<Entry> {
    if state.size == 0 { return [] }  // The bytes are gone.
    if let entries { return entries }
    var result: ContiguousArray<Entry> = []
    var place = origin + 1
    // Malformed bytes end the index early; whoever misses a key, or skips the container, finds and reports it.
    while let range = state.takeStringRange(at: &place) {
      result.append(Entry(start: range.start, count: range.count, value: place))
      guard let end = state.skip(from: place) else { break }
      place = end
    }
    entries = result
    hasIndex = true
    return result
  }

  private func name(of entry: Entry) -> String? { state.string(entry.start, entry.count) }

  func forEachKey(_ body: (String) -> Void) {
    for entry in indexed() { if let name = name(of: entry) { body(name) } }
  }
}
