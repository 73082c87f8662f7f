import SpindleCLI
import SpindleTestSupport
import Testing

@Suite(.watchdog(seconds: 60)) struct PieceTests {
  /// Counts a file in pieces that end at `cuts`, in the given order; the words and the sum of the bytes.
  private func count(_ path: String, cuts: [Int], reversed: Bool = false) -> (words: [String: Int], bytes: Int) {
    var counter = PieceCounter()
    var bytes = 0
    let ends = cuts + [Int.max]
    var pieces = zip([0] + cuts, ends).map { Piece(path: FilePath(path), start: $0, end: $1) }
    if reversed { pieces.reverse() }
    for piece in pieces {
      let outcome = counter.count(piece)
      #expect(outcome.problem == nil)
      bytes += outcome.bytes
    }
    return (words(counter.table), bytes)
  }

  @Test func `a cut at any place changes no count`() {
    let scratch = Scratch()
    let text = Array("One two-three  fourfourfour x yy zzz, seventeenletterss and onE".utf8)
    let path = scratch.file("text", text)
    let expected = slowCounts(text)
    for cut in 1..<text.count {
      let (words, bytes) = count(path, cuts: [cut])
      #expect(words == expected && bytes == text.count, "cut at \(cut)")
    }
    let everywhere = count(path, cuts: Array(1..<text.count), reversed: true)
    #expect(everywhere.words == expected && everywhere.bytes == text.count)
  }

  @Test func `random cuts of a file larger than the buffer change no count`() {
    var random = SplitMix64(seed: 5)
    let scratch = Scratch()
    let text = randomText(300_000, &random)
    let path = scratch.file("text", text)
    let expected = slowCounts(text)
    for _ in 0..<4 {
      let cuts = Set((0..<5).map { _ in Int.random(in: 1..<text.count, using: &random) }).sorted()
      let (words, bytes) = count(path, cuts: cuts)
      #expect(words == expected && bytes == text.count, "cuts at \(cuts)")
    }
  }

  @Test func `a word longer than the buffer and all pieces is one word, whatever the cuts`() {
    let scratch = Scratch()
    let giant = [UInt8](repeating: UInt8(ascii: "W"), count: 900_000)
    let text = Array("start ".utf8) + giant + Array(" end".utf8)
    let path = scratch.file("text", text)
    let whole = count(path, cuts: [])
    #expect(whole.words.count == 3 && whole.words["start"] == 1 && whole.words["end"] == 1)
    #expect(whole.words.keys.contains { $0.hasPrefix("wwww") && $0.contains("[900000 letters") })
    for cuts in [[3], [6], [7], [100_000], [262_144, 524_288], [6, 900_006], [900_005], [900_007, 900_008]] {
      let (words, bytes) = count(path, cuts: cuts)
      #expect(words == whole.words && bytes == text.count, "cuts at \(cuts)")
    }
  }

  @Test func `a giant word is the same inside a buffer and across several`() {
    let scratch = Scratch()
    let giant = (0..<70_000).map { UInt8(ascii: "a") + UInt8($0 % 23) }
    let inside = count(scratch.file("inside", giant + [32]), cuts: []).words
    let across = count(scratch.file("across", [UInt8](repeating: 32, count: 200_000) + giant), cuts: []).words
    #expect(inside == across && inside.count == 1)
    var other = giant
    other[69_999] ^= 1
    #expect(count(scratch.file("other", other), cuts: []).words != inside)
  }

  @Test func `words up to the longest that is kept are kept as they are`() {
    let scratch = Scratch()
    let word = [UInt8](repeating: UInt8(ascii: "k"), count: 65_536)
    let words = count(scratch.file("text", word + [10] + word + Array("k".utf8)), cuts: []).words
    #expect(words.count == 2)
    #expect(words[String(decoding: word, as: UTF8.self)] == 1)
  }

  @Test func `a file shorter than it was said to be is counted to its end`() {
    let scratch = Scratch()
    var counter = PieceCounter()
    let path = FilePath(scratch.file("text", "one two"))
    #expect(counter.count(Piece(path: path, start: 0, end: 4096)).bytes == 7)
    #expect(counter.count(Piece(path: path, start: 4096, end: 8192)) == PieceCounter.Outcome())
    #expect(words(counter.table) == ["one": 1, "two": 1])
  }

  @Test func `files that say they are empty and are not are read to their end`() {
    var counter = PieceCounter()
    let outcome = counter.count(Piece(path: FilePath("/proc/self/status"), start: 0, end: .max))
    #expect(outcome.problem == nil && outcome.bytes > 0)
    #expect(words(counter.table)["pid", default: 0] >= 1)
  }

  @Test func `what cannot be opened or read is a problem that names the file`() {
    let scratch = Scratch()
    var counter = PieceCounter()
    let missing = counter.count(Piece(path: FilePath(scratch.at("none")), start: 0, end: .max))
    #expect(missing.problem?.operation == "open")
    // The memory at address 0 cannot be read, whoever asks.
    let memory = counter.count(Piece(path: FilePath("/proc/self/mem"), start: 0, end: .max))
    #expect(memory.problem?.operation == "read" && memory.problem!.description.contains("/proc/self/mem"))
    scratch.pipe("pipe")
    let pipe = counter.count(Piece(path: FilePath(scratch.at("pipe")), start: 0, end: .max))
    #expect(pipe.problem?.description.contains("regular") == true)
  }

  @Test func `a batch gives back its pieces as they were`() {
    let pieces = [
      Piece(path: FilePath("/a b/ü"), start: 0, end: .max),
      Piece(path: FilePath([0xFF, 0x2F, 0x41]), start: 4096, end: 8192),
    ]
    var batch = Batch()
    for piece in pieces { batch.append(piece) }
    var seen: [Piece] = []
    batch.each { piece in
      seen.append(piece)
      return true
    }
    #expect(seen == pieces)
  }

  @Test func `an identity is new once`() {
    var identities = FileIdentities()
    var random = SplitMix64(seed: 9)
    var known: Set<[UInt64]> = []
    for _ in 0..<20_000 {
      let pair = [UInt64.random(in: 0...2, using: &random), UInt64.random(in: 0...9000, using: &random)]
      #expect(identities.insert(device: pair[0], inode: pair[1]) == known.insert(pair).inserted)
    }
  }
}
