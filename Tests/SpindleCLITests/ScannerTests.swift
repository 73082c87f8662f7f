import SpindleCLI
import SpindleTestSupport
import Testing

/// Words counted one byte at a time, the slow and obvious way.
func slowCounts(_ text: [UInt8]) -> [String: Int] {
  var counts: [String: Int] = [:]
  var word: [UInt8] = []
  for byte in text + [0] {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte + 32)
    case UInt8(ascii: "a")...UInt8(ascii: "z"): word.append(byte)
    default:
      if !word.isEmpty { counts[String(decoding: word, as: UTF8.self), default: 0] += 1 }
      word = []
    }
  }
  return counts
}

/// All words of a table.
func words(_ table: borrowing WordTable) -> [String: Int] {
  let summary = WordSummary(table, top: .max / 4)
  return Dictionary(uniqueKeysWithValues: summary.top.map { ($0.word, Int($0.count)) })
}

func scanned(_ text: [UInt8]) -> [String: Int] {
  var table = WordTable()
  let padded = text + [UInt8](repeating: 0, count: Scanner.padding)
  unsafe padded.withUnsafeBufferPointer { bytes in
    _ = unsafe Scanner.scan(
      bytes.baseAddress!, from: 0, limit: text.count, count: text.count, isEnd: true, into: &table)
  }
  return words(table)
}

/// Letters, gaps and strange bytes in the proportions of a text, with words of 1 to 40 letters.
func randomText(_ count: Int, _ random: inout SplitMix64) -> [UInt8] {
  var text: [UInt8] = []
  while text.count < count {
    for _ in 0..<Int.random(in: 0...3, using: &random) { text.append(UInt8.random(in: 0...255, using: &random)) }
    let length =
      Int.random(in: 0...9, using: &random) == 0
      ? Int.random(in: 1...40, using: &random) : Int.random(in: 1...9, using: &random)
    // Few letters, so that words repeat.
    for _ in 0..<length {
      text.append(UInt8(ascii: "a") + UInt8.random(in: 0...2, using: &random) &- (Bool.random(using: &random) ? 32 : 0))
    }
  }
  return Array(text.prefix(count))
}

/// A number as a word: every number another one.
private func letters(_ number: Int) -> [UInt8] {
  String(number, radix: 26).utf8.map { $0 < UInt8(ascii: "a") ? $0 + 49 : $0 + 10 }
}

@Suite(.watchdog(seconds: 60)) struct ScannerTests {
  @Test func `exactly the bytes A to Z and a to z are letters, at every place of a chunk`() {
    for byte in UInt8.min...UInt8.max {
      for place in 0..<9 {
        var text = [UInt8](repeating: UInt8(ascii: "x"), count: 9)
        text[place] = byte
        #expect(scanned(text) == slowCounts(text), "byte \(byte) at \(place)")
      }
    }
  }

  @Test func `words of every length are counted, whatever is around them`() {
    for length in 0...70 {
      let word = [UInt8]((0..<length).map { UInt8(ascii: "A") + UInt8($0 % 26) })
      for before in 0...9 {
        let text = [UInt8](repeating: 0xC3, count: before) + word + [0x60] + word + [0x7B]
        #expect(scanned(text) == slowCounts(text), "\(length) letters behind \(before)")
      }
    }
  }

  @Test func `words that differ in one letter only are different`() {
    var text: [UInt8] = []
    for length in 1...24 {
      for place in 0..<length {
        var word = [UInt8](repeating: UInt8(ascii: "q"), count: length)
        word[place] = UInt8(ascii: "r")
        text += word + [32]
      }
    }
    #expect(scanned(text) == slowCounts(text))
    #expect(scanned(text).count == 24 * 25 / 2)
  }

  @Test func `random text is counted as by the slow way`() {
    var random = SplitMix64(seed: 7)
    for round in 0..<200 {
      let text = randomText(round * 7, &random)
      #expect(scanned(text) == slowCounts(text), "round \(round)")
    }
  }

  @Test func `a table that has grown many times has lost nothing`() {
    var table = WordTable()
    var expected: [String: Int] = [:]
    for round in 0..<2 {
      for number in 0..<60_000 {
        let word = letters(number)
        let longer = word + word + word + [UInt8(ascii: "a") + UInt8(round)]
        for word in [word, longer] {
          table.add(Letters.chunks(of: word))
          expected[String(decoding: word, as: UTF8.self), default: 0] += 1
        }
      }
    }
    let isSame = words(table) == expected
    #expect(isSame && table.uniqueCount == expected.count)
  }

  @Test func `counts handed over and added up are the counts of the whole`() throws {
    var random = SplitMix64(seed: 11)
    let texts = (0..<5).map { _ in randomText(3000, &random) + [32] }
    var sum = WordTable()
    for text in texts {
      var part = WordTable()
      let padded = text + [UInt8](repeating: 0, count: Scanner.padding)
      unsafe padded.withUnsafeBufferPointer { bytes in
        _ = unsafe Scanner.scan(
          bytes.baseAddress!, from: 0, limit: text.count, count: text.count, isEnd: true, into: &part)
      }
      try WordCounts(part).add(to: &sum)
    }
    #expect(words(sum) == slowCounts(texts.flatMap { $0 }))
  }

  @Test func `the most frequent words come first, equally frequent ones by the alphabet`() {
    var table = WordTable()
    for (word, count) in [("pear", 3), ("fig", 5), ("apple", 3), ("cherry", 3), ("nectarines", 3), ("kiwi", 1)] {
      table.add(Letters.chunks(of: word.utf8), count: UInt64(count))
    }
    let top = WordSummary(table, top: 4)
    #expect(top.top.map(\.word) == ["fig", "apple", "cherry", "nectarines"])
    #expect(top.words == 18 && top.unique == 6)
    #expect(WordSummary(table, top: 0).top.isEmpty)
  }

  @Test func `the top of many words is that of a full sort`() {
    var table = WordTable()
    var all: [(String, Int)] = []
    var random = SplitMix64(seed: 3)
    for number in 0..<5000 {
      let word = letters(number)
      let count = Int.random(in: 1...50, using: &random)
      table.add(Letters.chunks(of: word), count: UInt64(count))
      all.append((String(decoding: word, as: UTF8.self), count))
    }
    all.sort { ($1.1, $0.0) < ($0.1, $1.0) }
    for limit in [1, 10, 200, 4999, 6000] {
      let isSame = WordSummary(table, top: limit).top.map(\.word) == all.prefix(limit).map(\.0)
      #expect(isSame, "the first \(limit)")
    }
  }
}
