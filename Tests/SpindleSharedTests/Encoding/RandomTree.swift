import SpindleTestSupport

/// A value of every shape Codable synthesises.
indirect enum Tree: Codable, Equatable {
  case empty
  case number(Int)
  case labelled(name: String, value: Double?)
  case list([Tree])
  case table([String: Tree])
  case byNumber([Int: Tree])
  case bytes([UInt8])
  case doubles([Double])
  case wide(Int128)
  case optional(Int??)
  case leaf(Leaf)

  struct Leaf: Codable, Equatable {
    var flag: Bool
    var small: Int8
    var text: String?
    var set: Set<UInt16>
    var child: Tree?
    var flags: [Bool]
    var real: Float
  }

  static func random(depth: Int, using generator: inout SplitMix64) -> Tree {
    switch Int.random(in: 0..<(depth > 0 ? 11 : 7), using: &generator) {
    case 0: return .empty
    case 1: return .number(Int.random(in: .min ... .max, using: &generator) >> Int.random(in: 0..<64, using: &generator))
    case 2: return .labelled(name: text(&generator), value: Bool.random(using: &generator) ? nil : .random(in: -1e9...1e9, using: &generator))
    case 3: return .bytes((0..<Int.random(in: 0..<80, using: &generator)).map { _ in .random(in: 0...255, using: &generator) })
    case 4: return .doubles((0..<Int.random(in: 0..<9, using: &generator)).map { _ in .random(in: -1...1, using: &generator) })
    case 5: return .wide(Int128(Int.random(in: .min ... .max, using: &generator)) << Int128.random(in: 0..<64, using: &generator))
    case 6: return .optional([.none, .some(.none), .some(.some(5))].randomElement(using: &generator)!)
    case 7: return .list((0..<Int.random(in: 0..<4, using: &generator)).map { _ in random(depth: depth - 1, using: &generator) })
    case 8:
      var table: [String: Tree] = [:]
      for _ in 0..<Int.random(in: 0..<4, using: &generator) { table[text(&generator)] = random(depth: depth - 1, using: &generator) }
      return .table(table)
    case 9:
      var table: [Int: Tree] = [:]
      for _ in 0..<Int.random(in: 0..<4, using: &generator) { table[.random(in: -99...99, using: &generator)] = random(depth: depth - 1, using: &generator) }
      return .byNumber(table)
    default:
      return .leaf(
        Leaf(
          flag: .random(using: &generator), small: .random(in: -128...127, using: &generator),
          text: Bool.random(using: &generator) ? nil : text(&generator),
          set: Set((0..<3).map { _ in UInt16.random(in: 0...999, using: &generator) }),
          child: Bool.random(using: &generator) ? nil : random(depth: depth - 1, using: &generator),
          flags: (0..<3).map { _ in .random(using: &generator) }, real: .random(in: 0...1, using: &generator)))
    }
  }

  private static func text(_ generator: inout SplitMix64) -> String {
    let scalars: [Character] = ["a", "Z", "0", "é", "ß", "中", "🧵", "👩‍👩‍👧", "\u{0}", "\n", "e\u{301}"]
    let count = [0, 1, 5, 15, 16, 63, 64, 200].randomElement(using: &generator)!
    return String((0..<count).map { _ in scalars.randomElement(using: &generator)! })
  }
}
