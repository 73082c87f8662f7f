/// What a count comes to: how many words, how many different ones, the most frequent ones.
package struct WordSummary: Equatable, Sendable {
  package struct Entry: Equatable, Sendable {
    package let word: String
    package let count: UInt64

    package init(word: String, count: UInt64) {
      self.word = word
      self.count = count
    }
  }

  package private(set) var words: UInt64 = 0
  package private(set) var unique = 0
  /// A sum over all words and counts that does not depend on their order: equal counts have equal sums.
  package private(set) var fingerprint: UInt64 = 0
  /// The most frequent words first; of equally frequent ones the one that comes first in the alphabet.
  package private(set) var top: [Entry] = []

  package init(_ table: borrowing WordTable, top limit: Int) {
    var (words, fingerprint, best): (UInt64, UInt64, [Entry]) = (0, 0, [])
    var least: UInt64 = 1
    unsafe table.forEach { chunks, count in
      words += count
      var hash = WordTable.seed
      for index in chunks.indices { hash = WordTable.mix(hash, unsafe chunks[index]) }
      fingerprint &+= WordTable.mix(hash ^ count &* 0xD6E8_FEB8_6659_FD93)
      guard limit > 0, count >= least else { return }
      unsafe best.append(Entry(word: Letters.text(of: chunks), count: count))
      // Twice as many as asked for, then cut: each cut pays for as many entries as it sorts.
      if best.count >= max(64, limit) * 2 {
        Self.cut(&best, to: limit)
        least = best.last!.count
      }
    }
    Self.cut(&best, to: limit)
    unique = table.uniqueCount
    (self.words, self.fingerprint, self.top) = (words, fingerprint, best)
  }

  private static func cut(_ entries: inout [Entry], to limit: Int) {
    entries.sort { $0.count != $1.count ? $0.count > $1.count : $0.word.utf8.lexicographicallyPrecedes($1.word.utf8) }
    if entries.count > limit { entries.removeSubrange(limit...) }
  }
}
