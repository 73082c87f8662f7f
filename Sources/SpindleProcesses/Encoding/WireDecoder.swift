/// What `init(from:)` sees: a place in the bytes.
struct WireDecoder: Decoder {
  let state: DecodingState
  let place: Int
  let pathCount: Int
  let extraPath: [any CodingKey]

  var codingPath: [any CodingKey] { state.path(pathCount, extraPath) }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard state.byte(at: place) == WireTag.keyed else {
      throw state.mismatch([String: Any].self, at: place, codingPath)
    }
    return KeyedDecodingContainer(
      KeyedDecoding<Key>(
        source: KeyedSource(state: state, origin: place, pathCount: pathCount, extraPath: extraPath)))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try UnkeyedDecoding(state: state, origin: place, pathCount: pathCount, extraPath: extraPath)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { SingleValueDecoding(decoder: self) }
}

/// The entries of one keyed container. Fields read in the order in which they were written are found at the cursor;
/// the first one that is not there makes an index of the entries.
final class KeyedSource {
  let state: DecodingState
  let origin: Int
  let pathCount: Int
  let extraPath: [any CodingKey]
  private var cursor: Int
  private var pending = -1
  private var entries: ContiguousArray<Entry>?
  private var places: [String: Int]?

  private struct Entry {
    let start: Int
    let count: Int
    let value: Int
  }

  init(state: DecodingState, origin: Int, pathCount: Int, extraPath: [any CodingKey]) {
    self.state = state
    self.origin = origin
    self.pathCount = pathCount
    self.extraPath = extraPath
    cursor = origin + 1
  }

  var codingPath: [any CodingKey] { state.path(pathCount, extraPath) }

  /// The value was read, the next entry begins at `place`.
  func advance(to place: Int) {
    cursor = place
    pending = -1
    state.noteProgress(in: origin, at: place)
  }

  /// The value will be read through a decoder of its own.
  func leave(at place: Int) { pending = place }

  func missing(_ key: any CodingKey) -> DecodingError {
    if state.skip(from: origin) == nil { return state.malformed(at: origin, codingPath) }
    return .keyNotFound(
      key, .init(codingPath: codingPath, debugDescription: "no value was encoded for \(key.stringValue)"))
  }

  /// Where the key's value begins.
  func find(_ key: String) -> Int? {
    if pending >= 0 {
      guard let end = state.skip(from: pending) else { return nil }
      cursor = end
      pending = -1
    }
    var copy = key
    return copy.withUTF8 { utf8 in
      var place = cursor
      if let found = state.takeStringRange(at: &place), unsafe matches(found, utf8) { return place }
      return unsafe findInIndex(key, utf8)
    }
  }

  private func matches(_ range: (start: Int, count: Int), _ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
    // SAFETY: the range was checked against the end of the bytes when it was taken.
    guard range.count == utf8.count else { return false }
    return unsafe UnsafeRawBufferPointer(start: state.base + range.start, count: range.count)
      .elementsEqual(UnsafeRawBufferPointer(utf8))
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
    return result
  }

  private func name(of entry: Entry) -> String? {
    unsafe UnsafeRawBufferPointer(start: state.base + entry.start, count: entry.count)
      .withMemoryRebound(to: UInt8.self) { unsafe String(validating: $0, as: UTF8.self) }
  }

  func allKeys() -> [String] { indexed().compactMap { name(of: $0) } }
}
