/// How often each word was seen: two open-addressing tables, made for one thread.
///
///     var table = WordTable()
///     Scanner.scan(bytes, ..., into: &table)
///     let words = table.entries()
///
/// A word of up to eight letters is an integer and is its own key. The letters of longer words are kept in one arena
/// in chunks of eight, the last one filled with zeros. Both tables are at most half full.
///
/// Memory: 16 bytes for each slot of a short word, 32 and the letters for a longer one.
// SAFETY: the three buffers are owned by this value alone and freed in `deinit`. Every index is masked to the table's
// size, or below `arenaCount`, which `reserveArena` keeps below the arena's capacity.
@safe package struct WordTable: ~Copyable {
  @safe struct ShortSlot {
    /// 0: empty. No word is, since its first letter is not zero.
    var word: UInt64
    var count: UInt64
  }

  @safe struct LongSlot {
    var hash: UInt64
    var start: Int
    /// 0: empty.
    var chunks: Int
    var count: UInt64
  }

  private var short: UnsafeMutablePointer<ShortSlot>
  private var shortBits: UInt64
  private var shortUsed = 0

  private var long: UnsafeMutablePointer<LongSlot>
  private var longBits: UInt64
  private var longUsed = 0

  private var arena: UnsafeMutablePointer<UInt64>
  private var arenaCapacity: Int
  private var arenaCount = 0

  package init() {
    shortBits = 12
    longBits = 10
    arenaCapacity = 4096
    unsafe short = Self.makeShort(bits: shortBits)
    unsafe long = Self.makeLong(bits: longBits)
    unsafe arena = .allocate(capacity: arenaCapacity)
  }

  deinit {
    unsafe short.deallocate()
    unsafe long.deallocate()
    unsafe arena.deallocate()
  }

  /// How many different words there are.
  package var uniqueCount: Int { shortUsed + longUsed }
  /// Of these, those of up to eight letters.
  var shortCount: Int { shortUsed }
  /// How many chunks all longer words have together.
  var longChunkCount: Int { arenaCount }

  // MARK: Counting

  /// Counts a word of one to eight letters.
  @inline(__always)
  mutating func add(short word: UInt64, count: UInt64 = 1) {
    let mask = (1 &<< Int(shortBits)) &- 1
    var index = Int(truncatingIfNeeded: Self.mix(word) &>> (64 &- shortBits))
    while true {
      let found = unsafe short[index].word
      if found == word {
        unsafe short[index].count &+= count
        return
      }
      if found == 0 { break }
      index = (index &+ 1) & mask
    }
    insert(short: word, count: count, at: index)
  }

  @inline(never)
  private mutating func insert(short word: UInt64, count: UInt64, at index: Int) {
    unsafe short[index] = ShortSlot(word: word, count: count)
    shortUsed += 1
    if shortUsed > 1 << Int(shortBits - 1) { growShort(to: shortBits + 1) }
  }

  /// Begins a longer word: its chunks are written behind the arena's end, where `chunk` says, until `add(long:)`.
  @inline(__always)
  mutating func reserveArena(_ chunks: Int) {
    if arenaCount &+ chunks > arenaCapacity { growArena(chunks) }
  }

  /// Writes the chunk number `index` of the word that is being read.
  @inline(__always)
  mutating func set(_ chunk: UInt64, at index: Int) { unsafe arena[arenaCount &+ index] = chunk }

  /// Counts the word whose first `chunks` chunks were written with `set`; it stays in the arena if it is new.
  @inline(__always)
  mutating func add(long chunks: Int, hash: UInt64, count: UInt64 = 1) {
    let mask = (1 &<< Int(longBits)) &- 1
    var index = Int(truncatingIfNeeded: hash &>> (64 &- longBits))
    while unsafe long[index].chunks != 0 {
      if unsafe long[index].hash == hash, unsafe long[index].chunks == chunks, isEqual(unsafe long[index].start, chunks)
      {
        unsafe long[index].count &+= count
        return
      }
      index = (index &+ 1) & mask
    }
    insert(long: chunks, hash: hash, count: count, at: index)
  }

  @inline(__always)
  private func isEqual(_ start: Int, _ chunks: Int) -> Bool {
    for index in 0..<chunks where unsafe arena[start &+ index] != arena[arenaCount &+ index] { return false }
    return true
  }

  @inline(never)
  private mutating func insert(long chunks: Int, hash: UInt64, count: UInt64, at index: Int) {
    unsafe long[index] = LongSlot(hash: hash, start: arenaCount, chunks: chunks, count: count)
    arenaCount += chunks
    longUsed += 1
    if longUsed > 1 << Int(longBits - 1) { growLong(to: longBits + 1) }
  }

  /// Counts a word given as chunks, as the scanner would.
  package mutating func add(_ chunks: some RandomAccessCollection<UInt64>, count: UInt64 = 1) {
    if chunks.count == 1 { return add(short: chunks.first!, count: count) }
    reserveArena(chunks.count)
    var hash = Self.seed
    for (index, chunk) in chunks.enumerated() {
      set(chunk, at: index)
      hash = Self.mix(hash, chunk)
    }
    add(long: chunks.count, hash: hash, count: count)
  }

  /// Adds the words of another table.
  mutating func add(_ other: borrowing WordTable) {
    reserve(short: other.shortUsed, long: other.longUsed)
    unsafe other.forEach { chunks, count in
      if chunks.count == 1 { add(short: unsafe chunks[0], count: count) } else { unsafe add(chunks, count: count) }
    }
  }

  // MARK: Hashing

  static var seed: UInt64 { 0x243F_6A88_85A3_08D3 }

  /// Multiplying by an odd number close to 2^64 divided by the golden ratio spreads the low bits over the high ones,
  /// which are those that choose the slot. Source: Knuth, The Art of Computer Programming, 6.4.
  @inline(__always)
  static func mix(_ word: UInt64) -> UInt64 {
    // Words that differ in their last letters only differ in high bits only: bring those down first.
    (word ^ (word &>> 29)) &* 0x9E37_79B9_7F4A_7C15
  }

  @inline(__always)
  static func mix(_ hash: UInt64, _ chunk: UInt64) -> UInt64 { mix((hash &<< 7 | hash &>> 57) ^ chunk) }

  // MARK: Growing

  private static func makeShort(bits: UInt64) -> UnsafeMutablePointer<ShortSlot> {
    let slots = UnsafeMutablePointer<ShortSlot>.allocate(capacity: 1 << Int(bits))
    unsafe slots.initialize(repeating: ShortSlot(word: 0, count: 0), count: 1 << Int(bits))
    return unsafe slots
  }

  private static func makeLong(bits: UInt64) -> UnsafeMutablePointer<LongSlot> {
    let slots = UnsafeMutablePointer<LongSlot>.allocate(capacity: 1 << Int(bits))
    unsafe slots.initialize(repeating: LongSlot(hash: 0, start: 0, chunks: 0, count: 0), count: 1 << Int(bits))
    return unsafe slots
  }

  /// Makes the table as large as one of so many words of each kind.
  ///
  /// Before the words of another table are added, this is a must: they come in the order of their hashes, and would all
  /// fall into the first part of a smaller table, where each had to be put behind all that came before. Most of them are
  /// here already, as a rule; so no more room is made than that.
  mutating func reserve(short: Int, long: Int) {
    let shortWanted = Self.bits(for: short)
    if shortWanted > shortBits { growShort(to: shortWanted) }
    let longWanted = Self.bits(for: long)
    if longWanted > longBits { growLong(to: longWanted) }
  }

  /// The size, as a power of two, of a table that is at most half full with so many words.
  private static func bits(for words: Int) -> UInt64 { UInt64(Int.bitWidth - (2 * words).leadingZeroBitCount) }

  private mutating func growShort(to bits: UInt64) {
    let (old, size) = unsafe (short, 1 << Int(shortBits))
    shortBits = bits
    unsafe short = Self.makeShort(bits: shortBits)
    let mask = (1 << Int(shortBits)) - 1
    for slot in 0..<size where unsafe old[slot].word != 0 {
      var index = Int(truncatingIfNeeded: Self.mix(unsafe old[slot].word) >> (64 - shortBits))
      while unsafe short[index].word != 0 { index = (index + 1) & mask }
      unsafe short[index] = old[slot]
    }
    unsafe old.deallocate()
  }

  private mutating func growLong(to bits: UInt64) {
    let (old, size) = unsafe (long, 1 << Int(longBits))
    longBits = bits
    unsafe long = Self.makeLong(bits: longBits)
    let mask = (1 << Int(longBits)) - 1
    for slot in 0..<size where unsafe old[slot].chunks != 0 {
      var index = Int(truncatingIfNeeded: unsafe old[slot].hash >> (64 - longBits))
      while unsafe long[index].chunks != 0 { index = (index + 1) & mask }
      unsafe long[index] = old[slot]
    }
    unsafe old.deallocate()
  }

  @inline(never)
  private mutating func growArena(_ chunks: Int) {
    let capacity = max(arenaCapacity * 2, arenaCount + chunks)
    let new = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
    unsafe new.update(from: arena, count: arenaCount)
    unsafe arena.deallocate()
    unsafe arena = new
    arenaCapacity = capacity
  }

  // MARK: Reading

  /// Calls `body` with every word and its count, in no order.
  func forEach(_ body: (_ chunks: UnsafeBufferPointer<UInt64>, _ count: UInt64) -> Void) {
    for index in 0..<(1 << Int(shortBits)) where unsafe short[index].word != 0 {
      unsafe withUnsafePointer(to: short[index].word) {
        unsafe body(UnsafeBufferPointer(start: $0, count: 1), short[index].count)
      }
    }
    for index in 0..<(1 << Int(longBits)) where unsafe long[index].chunks != 0 {
      let slot = unsafe long[index]
      unsafe body(UnsafeBufferPointer(start: arena + slot.start, count: slot.chunks), slot.count)
    }
  }
}
