/// A word too long to be kept: its beginning, its length and a digest stand for it.
///
/// A run of letters may be as long as a file, and memory must not grow with it. Two such words are told apart by their
/// first letters, their length and 128 bits of digest. It counts as one word, and is shown as
/// `abcd...[70000 letters, 0123456789abcdef0123456789abcdef]`.
struct GiantWord {
  /// Words of more letters than this are giants.
  static let threshold = 65_536

  private static let shown = 48

  private var beginning: [UInt8] = []
  private var length = 0
  // FNV-1a with its own start and with another one. Source: Fowler, Noll, Vo, draft-eastlake-fnv.
  private var first: UInt64 = 0xCBF2_9CE4_8422_2325
  private var second: UInt64 = 0x6C62_272E_07BB_0142

  /// Adds letters, of either case.
  mutating func append(_ letters: UnsafeBufferPointer<UInt8>) {
    for index in letters.indices {
      let lowered = unsafe letters[index] | 0x20
      if beginning.count < Self.shown { beginning.append(lowered) }
      first = (first ^ UInt64(lowered)) &* 0x100_0000_01B3
      second = (second ^ UInt64(lowered)) &* 0x9E37_79B9_7F4A_7C15
      second ^= second >> 31
    }
    length += letters.count
  }

  /// What stands for the word in a table. No word of letters alone is the same.
  var chunks: [UInt64] {
    func hexadecimal(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let rest = "...[\(length) letters, \(hexadecimal(first))\(hexadecimal(second))]"
    return Letters.chunks(of: beginning + Array(rest.utf8))
  }
}
