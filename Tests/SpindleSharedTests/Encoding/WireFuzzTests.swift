import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

/// So many rounds, or as many as find room in SPINDLE_STORM_SECONDS.
private func fuzz(rounds: Int, _ body: () throws -> Void) rethrows {
  for _ in 0..<rounds { try body() }
  guard let seconds = unsafe getenv("SPINDLE_STORM_SECONDS").flatMap({ unsafe Double(String(cString: $0)) }) else { return }
  let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
  while clock.now < end { try body() }
}

@Suite struct WireFuzzTests {
  @Test func randomTreesComeBackEqual() throws {
    var generator = SplitMix64(seed: 1)
    try fuzz(rounds: 400) {
      let tree = Tree.random(depth: 4, using: &generator)
      let same = try Wire.decode(Tree.self, from: Wire.encode(tree))
      #expect(same == tree)
    }
  }

  @Test func everyPrefixOfAValueIsAnError() throws {
    var generator = SplitMix64(seed: 2)
    for _ in 0..<60 {
      let bytes = try Wire.encode(Tree.random(depth: 3, using: &generator))
      for count in 0..<min(bytes.count, 400) {
        #expect(throws: DecodingError.self) { try Wire.decode(Tree.self, from: Array(bytes[..<count])) }
      }
    }
  }

  @Test func flippedBitsGiveAValueOrAnErrorAndNeverATrap() throws {
    var generator = SplitMix64(seed: 3)
    try fuzz(rounds: 60) {
      var bytes = try Wire.encode(Tree.random(depth: 3, using: &generator))
      for _ in 0..<40 {
        let place = Int.random(in: bytes.indices, using: &generator)
        let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
        bytes[place] ^= bit
        do { _ = try Wire.decode(Tree.self, from: bytes) } catch { #expect(error is DecodingError) }
        if Bool.random(using: &generator) { bytes[place] ^= bit }
      }
    }
  }

  @Test func randomBytesGiveAValueOrAnErrorAndNeverATrap() {
    var generator = SplitMix64(seed: 4)
    fuzz(rounds: 3000) {
      let bytes = (0..<Int.random(in: 0..<60, using: &generator)).map { _ -> UInt8 in
        Bool.random(using: &generator) ? .random(in: 0x80...0x8B, using: &generator) : .random(in: 0...255, using: &generator)
      }
      func attempt<T: Decodable>(_ type: T.Type) {
        do { _ = try Wire.decode(type, from: bytes) } catch { #expect(error is DecodingError, "\(type)") }
      }
      attempt(Tree.self)
      attempt(Tree.Leaf.self)
      attempt([String: [Int]].self)
      attempt([Int].self)
      attempt(Set<String>.self)
      attempt([Bool].self)
      attempt(Int128.self)
      attempt(Int???.self)
      attempt([[String: Double?]].self)
      attempt([SIMD3<Float>].self)
      attempt(SIMD8<UInt8>.self)
      attempt([Int: [Float16]].self)
      attempt([Tree?]?.self)
    }
  }

  @Test func aClaimedLengthBeyondTheBytesIsAnErrorBeforeAnyAllocation() {
    // A packed array, a string, and each with a length near the largest there is.
    for head: [UInt8] in [[0x89, 7], [0x89, 0], [0x89, 12], [0x89, 0x7B], [0x86]] {
      for length: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [9], Array(repeating: 0xFF, count: 40)] {
        #expect(throws: DecodingError.self) { try Wire.decode([Int].self, from: head + length) }
        #expect(throws: DecodingError.self) { try Wire.decode(String.self, from: head + length) }
        #expect(throws: DecodingError.self) { try Wire.decode(Set<Int>.self, from: head + length) }
        #expect(throws: DecodingError.self) { try Wire.decode([SIMD64<Double>].self, from: head + length) }
        #expect(throws: DecodingError.self) { try Wire.decode([Int?].self, from: head + length) }
      }
    }
  }

  @Test func bytesThatNestWithoutEndAreAnError() {
    struct Node: Codable { var next: [Node] }
    let keyed = (0..<200_000).flatMap { _ -> [UInt8] in [0x87, 0xC4] + Array("next".utf8) + [0x88] }
    #expect(throws: DecodingError.self) { try Wire.decode(Node.self, from: keyed) }
    #expect(throws: DecodingError.self) { try Wire.decode([Node?].self, from: [0x88] + keyed) }
    #expect(throws: DecodingError.self) { try Wire.decode(Int.self, from: [UInt8](repeating: 0x88, count: 1_000_000)) }
    #expect(throws: DecodingError.self) { try Wire.decode(Int?.self, from: [UInt8](repeating: 0x8A, count: 1_000_000)) }
    #expect(throws: DecodingError.self) {
      try Wire.decode([String: Int].self, from: [0x87, 0xC1, 0x61] + [UInt8](repeating: 0x8A, count: 1_000_000))
    }
  }
}
