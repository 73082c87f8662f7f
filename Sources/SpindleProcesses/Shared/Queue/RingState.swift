/// What the putters of a `SharedRing` know of it, as one value that changes in one step.
struct PutState {
  /// The position behind the last record. Positions count bytes since the beginning, jumps included; a record lies at its
  /// position modulo the size of its place.
  var tail: UInt64 = 0
  /// Elements put since the beginning.
  var puts: UInt64 = 0
  /// How large the place is that is written to, a power of two. It is also where in the file it lies, so that there is a
  /// place of each size.
  var size: UInt64 = RingState.firstSize
  /// The position at which that place was begun.
  var start: UInt64 = 0
  /// Up to this position the system has given us the place's memory; `all` when it has been gone round.
  var given: UInt64 = 0
  /// Whether the change being made concerns the last three.
  var isMoved = false

  static let all = UInt64.max
}

/// What the takers know.
struct TakeState {
  /// The position of the next record.
  var head: UInt64 = 0
  /// Elements taken since the beginning.
  var takes: UInt64 = 0
  /// The place in which the next record lies, or a jump to where it does.
  var size: UInt64 = RingState.firstSize
}

/// Both, of one moment.
struct RingState {
  var head: UInt64 = 0
  var tail: UInt64 = 0
  var puts: UInt64 = 0
  var takes: UInt64 = 0
  var size: UInt64 = Self.firstSize
  var isShutDown = false

  static let firstSize: UInt64 = 1 << 16
  static let lastSize: UInt64 = 1 << 40
  /// Positions and counts stay below it, far from where sums overflow: it takes centuries to reach.
  static let limit: UInt64 = 1 << 62

  var count: UInt64 { puts &- takes }

  static func isSize(_ size: UInt64) -> Bool {
    size >= firstSize && size <= lastSize && size & (size - 1) == 0
  }

  /// Whether it can have been written by this code. What fails this was damaged, and nothing in it may be used.
  var isPlausible: Bool {
    Self.isSize(size) && tail >= head && tail - head <= size && tail < Self.limit && puts < Self.limit && puts >= takes
  }
}
