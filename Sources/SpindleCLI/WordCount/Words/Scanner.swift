/// Finds the words in bytes and counts them: the inner loop of all three modes.
package enum Scanner {
  /// How many zero bytes the buffer must have behind its contents, so that eight bytes can be read at any place.
  package static let padding = 8

  /// Counts the words that begin in `bytes[from..<limit]` and returns where it stopped.
  ///
  /// A word goes on up to `count`, which is not below `limit`. One that reaches `count` may go on behind it: unless
  /// `isEnd`, it is not counted, and its first place is returned. Otherwise all are counted, and the place returned is
  /// not below `limit`.
  @discardableResult
  package static func scan(
    _ bytes: UnsafePointer<UInt8>, from: Int, limit: Int, count: Int, isEnd: Bool, into table: inout WordTable
  ) -> Int {
    let base = unsafe UnsafeRawPointer(bytes)
    var place = from
    while place < limit {
      // Skip what is no letter.
      let ahead = Letters.mask(Letters.lowered(unsafe load(base, place)))
      place &+= Letters.leading(ahead)
      if ahead == 0 || place >= limit { continue }
      // The word begins here.
      let chunk = Letters.lowered(unsafe load(base, place))
      let others = Letters.mask(chunk) ^ 0x8080_8080_8080_8080
      if others != 0 {
        let length = Letters.leading(others)
        if place &+ length == count, !isEnd { return place }
        table.add(short: Letters.first(length, of: chunk))
        // The byte behind a word is no letter.
        place &+= length &+ 1
      } else {
        guard let end = unsafe scanLong(base, place, count, isEnd, &table) else { return place }
        place = end
      }
    }
    return min(place, count)
  }

  /// Counts the word of eight or more letters at `start` and returns the place behind it; nil when it may go on.
  @inline(__always)
  private static func scanLong(
    _ base: UnsafeRawPointer, _ start: Int, _ count: Int, _ isEnd: Bool, _ table: inout WordTable
  ) -> Int? {
    table.reserveArena(GiantWord.threshold / Letters.perChunk + 2)
    var (place, chunks, hash) = (start, 0, WordTable.seed)
    while true {
      let chunk = Letters.lowered(unsafe load(base, place))
      let others = Letters.mask(chunk) ^ 0x8080_8080_8080_8080
      let length = Letters.leading(others)
      let kept = others == 0 ? chunk : Letters.first(length, of: chunk)
      place &+= length
      if length > 0 {
        table.set(kept, at: chunks)
        chunks &+= 1
        hash = WordTable.mix(hash, kept)
      }
      if others != 0 { break }
      if place &- start > GiantWord.threshold { return unsafe scanGiant(base, start, count, isEnd, &table) }
    }
    if place == count, !isEnd { return nil }
    if place &- start > GiantWord.threshold { return unsafe scanGiant(base, start, count, isEnd, &table) }
    if chunks == 1 {
      table.add(short: Letters.lowered(unsafe load(base, start)))
    } else {
      table.add(long: chunks, hash: hash)
    }
    return place
  }

  @inline(never)
  private static func scanGiant(
    _ base: UnsafeRawPointer, _ start: Int, _ count: Int, _ isEnd: Bool, _ table: inout WordTable
  ) -> Int? {
    let bytes = unsafe UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: count)
    var end = start
    while end < count, Letters.isLetter(unsafe bytes[end]) { end += 1 }
    if end == count, !isEnd { return nil }
    var giant = GiantWord()
    unsafe giant.append(UnsafeBufferPointer(rebasing: bytes[start..<end]))
    table.add(giant.chunks)
    return end
  }

  /// Eight bytes, the first one lowest.
  @inline(__always)
  private static func load(_ base: UnsafeRawPointer, _ place: Int) -> UInt64 {
    UInt64(littleEndian: unsafe base.loadUnaligned(fromByteOffset: place, as: UInt64.self))
  }
}
