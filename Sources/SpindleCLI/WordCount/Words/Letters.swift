/// Eight bytes at a time: which of them are ASCII letters, and the letters in lower case.
///
/// A byte's place in the text is its place in the integer, the first one lowest, so that the words up to eight letters
/// are integers of their own.
package enum Letters {
  /// The longest word whose letters fit in one integer.
  package static let perChunk = 8

  /// Whether a byte is an ASCII letter.
  @inline(__always)
  package static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

  /// The eight bytes with every ASCII letter in lower case; other bytes become something else that is no letter.
  @inline(__always)
  static func lowered(_ chunk: UInt64) -> UInt64 { chunk | 0x2020_2020_2020_2020 }

  /// 0x80 in every byte of `lowered` that is a letter, 0 in the others.
  ///
  /// In seven bits, adding 0x1F reaches 0x80 from "a" on, adding 0x05 from the byte behind "z" on. No sum exceeds 0xFF,
  /// so nothing is carried from one byte to the next.
  @inline(__always)
  static func mask(_ lowered: UInt64) -> UInt64 {
    let low = lowered & 0x7F7F_7F7F_7F7F_7F7F
    let fromA = low &+ 0x1F1F_1F1F_1F1F_1F1F
    let behindZ = low &+ 0x0505_0505_0505_0505
    return fromA & ~behindZ & ~lowered & 0x8080_8080_8080_8080
  }

  /// How many bytes come before the first one that is set in `mask`; 8 when none is.
  @inline(__always)
  static func leading(_ mask: UInt64) -> Int { mask.trailingZeroBitCount &>> 3 }

  /// The first `count` bytes (below 8) of a chunk, the others zero.
  @inline(__always)
  static func first(_ count: Int, of chunk: UInt64) -> UInt64 { chunk & ((1 &<< UInt64(count &* 8)) &- 1) }

  /// The words in an integer each, for tests and for words that come from elsewhere.
  package static func chunks(of bytes: some Sequence<UInt8>) -> [UInt64] {
    var chunks: [UInt64] = []
    var used = perChunk
    for byte in bytes {
      if used == perChunk {
        chunks.append(0)
        used = 0
      }
      chunks[chunks.count - 1] |= UInt64(byte) << UInt64(used * 8)
      used += 1
    }
    return chunks
  }

  /// The text behind chunks: the zero bytes at the end are none of it.
  package static func text(of chunks: some Sequence<UInt64>) -> String {
    var bytes: [UInt8] = []
    for chunk in chunks {
      var rest = chunk
      while rest != 0 {
        bytes.append(UInt8(truncatingIfNeeded: rest))
        rest >>= 8
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
