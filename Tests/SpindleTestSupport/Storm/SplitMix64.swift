/// A seeded source of random numbers, the same on every machine: a storm that failed can be run again.
///
///     var random = SplitMix64(seed: 42)
///     let pause = Int.random(in: 0..<10, using: &random)
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A source of its own for a thread or a task; calling it again gives another.
  package mutating func split() -> SplitMix64 { SplitMix64(seed: next()) }
}
