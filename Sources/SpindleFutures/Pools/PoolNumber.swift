import SpindleGround

/// A number that no other pool has while this one lives, from 1 on: half a word, of which every future holds one.
struct PoolNumber: ~Copyable, Sendable {
  let value: UInt32

  private static let free = RawGuarded<(last: UInt32, returned: [UInt32])>((0, []))

  init() {
    value = Self.free.withLock { free in
      if let number = free.returned.popLast() { return number }
      free.last += 1
      return free.last
    }
  }

  deinit { Self.free.withLock { [value] in $0.returned.append(value) } }
}
