import Spindle

/// The words of a part of the files and how often each was seen, ready to be handed to another process.
///
/// In shared memory, written once and read where it was written.
package struct WordCounts: Codable, Sendable {
  /// A word of up to eight letters, its count; and so on. Then of each longer one the number of chunks, the count, the chunks.
  private let numbers: SharedArray<UInt64>
  private let shortCount: Int
  private let longCount: Int

  /// Throws when there is no memory.
  package init(_ table: borrowing WordTable) throws {
    shortCount = table.shortCount
    longCount = table.uniqueCount - shortCount
    numbers = try SharedArray(committing: 2 * table.uniqueCount + table.longChunkCount)
    var (short, long) = (0, 2 * shortCount)
    unsafe table.forEach { chunks, count in
      if chunks.count == 1 {
        numbers[short] = unsafe chunks[0]
        numbers[short + 1] = count
        short += 2
      } else {
        numbers[long] = UInt64(chunks.count)
        numbers[long + 1] = count
        for index in chunks.indices { numbers[long + 2 + index] = unsafe chunks[index] }
        long += 2 + chunks.count
      }
    }
  }

  /// Adds these counts to those of `table`.
  package func add(to table: inout WordTable) {
    table.reserve(short: shortCount, long: longCount)
    unsafe numbers.withContiguousStorageIfAvailable { numbers in
      var index = 0
      while index < 2 * shortCount {
        unsafe table.add(short: numbers[index], count: numbers[index + 1])
        index += 2
      }
      while index < numbers.count {
        let end = unsafe index + 2 + Int(numbers[index])
        unsafe table.add(UnsafeBufferPointer(rebasing: numbers[(index + 2)..<end]), count: numbers[index + 1])
        index = end
      }
    }
  }
}
