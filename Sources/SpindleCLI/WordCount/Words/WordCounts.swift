/// The words of a part of the files and how often each was seen, ready to be handed to another process.
///
/// Two flat arrays, so that it crosses to another process by two copies.
package struct WordCounts: Codable, Sendable {
  /// A word of up to eight letters, its count; and so on.
  private var short: [UInt64] = []
  /// The number of chunks, the count, the chunks; and so on.
  private var long: [UInt64] = []
  private var longCount = 0

  package init() {}

  package init(_ table: borrowing WordTable) {
    var (short, long): ([UInt64], [UInt64]) = ([], [])
    short.reserveCapacity(table.shortCount * 2)
    longCount = table.uniqueCount - table.shortCount
    long.reserveCapacity(longCount * 2 + table.longChunkCount)
    unsafe table.forEach { chunks, count in
      if chunks.count == 1 {
        unsafe short.append(chunks[0])
        short.append(count)
      } else {
        long.append(UInt64(chunks.count))
        long.append(count)
        unsafe long.append(contentsOf: chunks)
      }
    }
    self.short = short
    self.long = long
  }

  /// Adds these counts to those of `table`.
  package func add(to table: inout WordTable) {
    table.reserve(short: short.count / 2, long: longCount)
    var index = 0
    while index + 1 < short.count {
      table.add(short: short[index], count: short[index + 1])
      index += 2
    }
    index = 0
    while index + 1 < long.count {
      let end = index + 2 + Int(long[index])
      table.add(long[(index + 2)..<end], count: long[index + 1])
      index = end
    }
  }
}
