/// The keys of one type as they lie in the encoding, found by the byte that such a key is: keys are mostly cases of an enum, and to
/// ask each time what it is called costs more than to write it.
///
/// For key types of one byte at most; those of others, long names and cases beyond the first are asked each time.
// SAFETY: `words` has room for `count` entries, which are only used below that bound.
@safe struct KeyTable {
  /// A short string's tag and up to 15 bytes of text.
  struct Word {
    /// 0 for a key that has not been seen yet.
    var low: UInt64 = 0
    var high: UInt64 = 0

    /// Of the key in the encoding: 1...16.
    @inline(__always)
    var byteCount: Int { Int(truncatingIfNeeded: low & 0x3F) &+ 1 }
  }

  private static let count = 32
  private let words: UnsafeMutablePointer<Word>?
  /// A type of no size has one key, and to read its byte would be to read another's.
  private let hasOneKey: Bool

  /// - Parameter isUsedAgain: otherwise it is not worth while.
  init<Key: CodingKey>(_: Key.Type, isUsedAgain: Bool) {
    hasOneKey = MemoryLayout<Key>.size == 0
    unsafe words = isUsedAgain && MemoryLayout<Key>.size <= 1 ? .allocate(capacity: Self.count) : nil
    unsafe words?.initialize(repeating: Word(), count: Self.count)
  }

  func free() { unsafe words?.deallocate() }

  /// The key's word; nil when it has none.
  @inline(__always)
  func word<Key: CodingKey>(of key: Key) -> Word? {
    guard let words = unsafe words else { return nil }
    // SAFETY: a table exists only for keys of a byte, or of none.
    let index = hasOneKey ? 0 : Int(unsafe unsafeBitCast(key, to: UInt8.self))
    guard index < Self.count else { return nil }
    let word = unsafe words[index]
    return unsafe word.low != 0 ? word : Self.make(key, words + index)
  }

  @inline(never)
  private static func make<Key: CodingKey>(_ key: Key, _ place: UnsafeMutablePointer<Word>) -> Word? {
    let text = key.stringValue.utf8
    guard text.count <= 15 else { return nil }
    var bytes: UInt128 = 0
    for byte in text.reversed() { bytes = bytes << 8 | UInt128(byte) }
    bytes = bytes << 8 | UInt128(WireTag.shortString | UInt8(text.count))
    let word = Word(low: UInt64(truncatingIfNeeded: bytes), high: UInt64(truncatingIfNeeded: bytes >> 64))
    unsafe place.pointee = word
    return word
  }
}

extension EncodingState {
  @inline(__always)
  func putKey(_ word: KeyTable.Word) {
    reserve(16)
    unsafe base.storeBytes(of: word.low.littleEndian, toByteOffset: count, as: UInt64.self)
    unsafe base.storeBytes(of: word.high.littleEndian, toByteOffset: count &+ 8, as: UInt64.self)
    advance(word.byteCount)
  }
}

extension DecodingState {
  /// The place after the key; nil when something else is there.
  // SAFETY: `place` is not negative, and as many bytes are read as there are.
  @inline(__always)
  func placeAfter(_ word: KeyTable.Word, at place: Int) -> Int? {
    let count = word.byteCount
    let rest = size &- place
    // The bits of `difference` that belong to the key are moved to the top.
    if count <= 8 {
      guard rest >= 8 else { return placeAfterAtEnd(word, at: place) }
      let difference = unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: place, as: UInt64.self)) ^ word.low
      return difference &<< UInt64(truncatingIfNeeded: 64 &- 8 &* count) == 0 ? place &+ count : nil
    }
    guard rest >= 16 else { return placeAfterAtEnd(word, at: place) }
    let low = unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    let difference = unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: place &+ 8, as: UInt64.self)) ^ word.high
    return low == word.low && difference &<< UInt64(truncatingIfNeeded: 128 &- 8 &* count) == 0 ? place &+ count : nil
  }

  @inline(never)
  private func placeAfterAtEnd(_ word: KeyTable.Word, at place: Int) -> Int? {
    let bytes = UInt128(word.high) << 64 | UInt128(word.low)
    for index in 0..<word.byteCount where byte(at: place + index) != UInt8(truncatingIfNeeded: bytes >> UInt128(8 * index)) {
      return nil
    }
    return place + word.byteCount
  }
}
