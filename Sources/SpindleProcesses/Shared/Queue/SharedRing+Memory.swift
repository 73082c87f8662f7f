internal import SpindleGround

/// The memory of the ring; all under its lock.
extension SharedRing {
  /// A ring larger than this is given back when it is empty.
  private static var keptSize: UInt64 { 8 << 20 }
  private static var commitStep: UInt64 { 1 << 20 }

  /// Maps the place that is in use, which another process may have changed.
  @inline(__always)
  func mapRing(_ state: RingState) throws(SharedMemoryError) {
    if unsafe ringSize != state.size { try use(map(state.size), state.size) }
  }

  private func use(_ mapping: SharedMapping, _ size: UInt64) {
    unsafe ring = mapping
    unsafe ringBase = unsafe mapping.base
    unsafe ringSize = size
  }

  private func map(_ size: UInt64) throws(SharedMemoryError) -> SharedMapping {
    guard try UInt64(file.byteCount()) >= 2 * size else { throw Self.damaged("is smaller than its ring") }
    return try SharedMapping(file, Int(size)..<2 * Int(size))
  }

  /// Sees to it that `need` more bytes can be written at the tail.
  @inline(__always)
  func makeRoom(for need: UInt64, _ state: inout RingState) throws(SharedMemoryError) {
    try mapRing(state)
    // Up to `committed` the memory has been given to us, or the ring has gone round once and all of it has.
    if state.used + need > state.size || min(state.tail & (state.size - 1) + need, state.size) > state.committed {
      try makeMoreRoom(for: need, &state)
    }
  }

  @inline(never)
  private func makeMoreRoom(for need: UInt64, _ state: inout RingState) throws(SharedMemoryError) {
    if state.used + need > state.size { try grow(to: state.used + need, &state) }
    let end = min(state.tail & (state.size - 1) + need, state.size)
    if end > state.committed {
      let target = min((end + Self.commitStep - 1) & ~(Self.commitStep - 1), state.size)
      try file.commit(Int(state.size + state.committed)..<Int(state.size + target))
      state.committed = target
    }
  }

  /// Moves the records to a larger place. Nothing of it counts before the state is committed.
  private func grow(to count: UInt64, _ state: inout RingState) throws(SharedMemoryError) {
    guard count <= RingState.lastSize else {
      throw SharedMemoryError(operation: "growing a shared queue to \(count) bytes", reason: "no queue may be so large")
    }
    let size = UInt64(1) << UInt64(UInt64.bitWidth - (count - 1).leadingZeroBitCount)
    try file.grow(to: 2 * Int(size))
    let larger = try map(size)
    // A place that was in use before, and was given back by somebody who died meanwhile, may still hold memory.
    let used = state.used
    try file.commit(Int(size)..<Int(size + used + 1))
    unsafe copy(from: state.head, to: UnsafeMutableRawBufferPointer(start: larger.base, count: Int(used)))
    let old = state.size
    state.size = size
    state.head = 0
    state.tail = used
    state.committed = used
    use(larger, size)
    unsafe left = old
  }

  /// An empty ring that has become large gives its memory back to the system.
  @inline(__always)
  func giveBack(_ state: inout RingState) {
    guard state.size > Self.keptSize else { return }
    unsafe left = state.size
    state.size = RingState.firstSize
    state.head = 0
    state.tail = 0
    state.committed = 0
  }

  // SAFETY, for all below: the ring is mapped (`mapRing`), and a position modulo its size lies in it. Positions are multiples of 8,
  // so a word never goes round the end.

  @inline(__always)
  func word(at position: UInt64) -> UnsafeMutablePointer<UInt64> {
    unsafe (ringBase! + Int(position & (ringSize - 1) & ~7)).assumingMemoryBound(to: UInt64.self)
  }

  @inline(__always)
  func copy(_ bytes: UnsafeRawBufferPointer, to position: UInt64) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    if bytes.count == 8 {
      unsafe word(at: position).pointee = source.loadUnaligned(as: UInt64.self)
      return
    }
    let offset = unsafe Int(position & (ringSize - 1))
    let first = unsafe min(bytes.count, Int(ringSize) - offset)
    unsafe (ringBase! + offset).copyMemory(from: source, byteCount: first)
    if first < bytes.count { unsafe ringBase!.copyMemory(from: source + first, byteCount: bytes.count - first) }
  }

  @inline(__always)
  func copy(from position: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
    guard let target = bytes.baseAddress, bytes.count > 0 else { return }
    if bytes.count == 8 {
      unsafe target.storeBytes(of: word(at: position).pointee, as: UInt64.self)
      return
    }
    let offset = unsafe Int(position & (ringSize - 1))
    let first = unsafe min(bytes.count, Int(ringSize) - offset)
    unsafe target.copyMemory(from: ringBase! + offset, byteCount: first)
    if first < bytes.count { unsafe (target + first).copyMemory(from: ringBase!, byteCount: bytes.count - first) }
  }
}
