/// Everything a `SharedRing` knows about itself, as one value: 64 bytes, a line of the cache.
struct RingState {
  /// Bytes taken and bytes put since the ring has its size; each record lies at its position modulo `size`.
  var head: UInt64 = 0
  var tail: UInt64 = 0
  /// Elements put, taken, and said to be done, since the beginning.
  var puts: UInt64 = 0
  var takes: UInt64 = 0
  var done: UInt64 = 0
  /// How large the ring is, a power of two. It is also where in the file it lies, so that a ring of each size has a
  /// place of its own.
  var size: UInt64 = Self.firstSize
  /// So many bytes from the ring's beginning the system has given us already.
  var committed: UInt64 = 0
  var isShutDown: UInt64 = 0

  static let firstSize: UInt64 = 1 << 16
  static let lastSize: UInt64 = 1 << 40
  static let wordCount = 8
  /// Positions and counts stay below it, far from where sums overflow: it takes centuries to reach.
  private static let limit: UInt64 = 1 << 62

  var used: UInt64 { tail &- head }
  var count: UInt64 { puts &- takes }

  /// Whether it can have been written by this code. What fails this was damaged, and nothing in it may be used.
  var isPlausible: Bool {
    size >= Self.firstSize && size <= Self.lastSize && size & (size - 1) == 0 && tail >= head && tail - head <= size
      && tail < Self.limit && puts < Self.limit && puts >= takes
      && done <= puts && committed <= size && (head == tail) == (puts == takes) && isShutDown <= 1
  }
}
