/// The state of a `Barrier` in one word: the number of the round that fills, how many are there, and three marks.
struct BarrierRound {
  private(set) var word: UInt

  /// The most parties.
  static var most: Int { 1 << 24 - 1 }
  private static var brokenBit: UInt { 1 << 24 }
  private static var partedBit: UInt { 1 << 25 }
  private static var closingBit: UInt { 1 << 26 }
  private static var numberShift: UInt { 27 }

  init(_ word: UInt) { self.word = word }

  /// Goes up whenever a round ends, passed or broken. Of 37 bits: nobody sleeps through so many.
  var number: UInt { word >> Self.numberShift }

  /// How many have arrived and not been cancelled.
  var present: Int { Int(word) & Self.most }

  /// Nobody may come until `reset()`.
  var isBroken: Bool { word & Self.brokenBit != 0 }

  /// One who had arrived was cancelled while others stayed: there is a note, and who comes now must read it.
  var isParted: Bool { word & Self.partedBit != 0 }

  /// All are there and the action runs: who comes now waits for the next round.
  var isClosing: Bool { word & Self.closingBit != 0 }

  /// The same with one more.
  var joined: BarrierRound { BarrierRound(word + 1) }

  /// The same with one less; with none left it is as new.
  var parted: BarrierRound {
    BarrierRound(present == 1 ? (word - 1) & ~Self.partedBit : (word - 1) | Self.partedBit)
  }

  /// The same with all there.
  var closing: BarrierRound { BarrierRound((word + 1) | Self.closingBit) }

  /// The next round.
  func next(isBroken: Bool) -> BarrierRound {
    BarrierRound((number &+ 1) << Self.numberShift | (isBroken ? Self.brokenBit : 0))
  }

  func marked(isBroken: Bool) -> BarrierRound {
    BarrierRound(isBroken ? word | Self.brokenBit : word & ~Self.brokenBit)
  }
}

/// What those who waited must know of a round that did not just fill up and pass.
struct BarrierNote {
  /// How many will still read it.
  var readers: Int
  var isBroken = false
  /// The places in line of those who were cancelled.
  var parted: [Int] = []
}
