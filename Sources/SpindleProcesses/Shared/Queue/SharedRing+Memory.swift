internal import SpindleGround

/// A place of a ring in this process's memory: the one that a side used last. Belongs to that side's lock.
@safe struct MappedPlace {
  private var mapping: SharedMapping?
  private var base: UnsafeMutableRawPointer?
  private(set) var size: UInt64 = 0

  /// Maps the place of that size, if it is not the one that is mapped.
  @inline(__always)
  mutating func use(_ size: UInt64, of file: SharedFile) throws(SharedMemoryError) {
    if self.size != size { try map(size, file) }
  }

  @inline(never)
  private mutating func map(_ size: UInt64, _ file: SharedFile) throws(SharedMemoryError) {
    guard RingState.isSize(size) else { throw SharedRing.impossible }
    guard try UInt64(file.byteCount()) >= 2 * size else { throw SharedRing.damaged("is smaller than its ring") }
    let mapping = try SharedMapping(file, Int(size)..<2 * Int(size))
    self.mapping = mapping
    unsafe base = unsafe mapping.base
    self.size = size
  }

  // SAFETY, for all below: the place is mapped (`use`), and a position modulo its size lies in it; no more bytes are copied than it
  // has. Positions are multiples of 8, so a word never goes round the end.

  @inline(__always)
  func word(at position: UInt64) -> UnsafeMutablePointer<UInt64> {
    unsafe (base! + Int(position & (size - 1) & ~7)).assumingMemoryBound(to: UInt64.self)
  }

  @inline(__always)
  func copy(_ bytes: UnsafeRawBufferPointer, to position: UInt64) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    if bytes.count == 8 {
      unsafe word(at: position).pointee = source.loadUnaligned(as: UInt64.self)
      return
    }
    let offset = Int(position & (size - 1))
    let first = min(bytes.count, Int(size) - offset)
    unsafe (base! + offset).copyMemory(from: source, byteCount: first)
    if first < bytes.count { unsafe base!.copyMemory(from: source + first, byteCount: bytes.count - first) }
  }

  @inline(__always)
  func copy(from position: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
    guard let target = bytes.baseAddress, bytes.count > 0 else { return }
    if bytes.count == 8 {
      unsafe target.storeBytes(of: word(at: position).pointee, as: UInt64.self)
      return
    }
    let offset = Int(position & (size - 1))
    let first = min(bytes.count, Int(size) - offset)
    unsafe target.copyMemory(from: base! + offset, byteCount: first)
    if first < bytes.count { unsafe (target + first).copyMemory(from: base!, byteCount: bytes.count - first) }
  }
}

/// The memory of the ring; all under the lock of the putters.
extension SharedRing {
  /// A place larger than this is given back when it is empty.
  static var keptSize: UInt64 { 8 << 20 }
  private static var givenStep: UInt64 { 1 << 20 }

  /// Sees to it that `need` more bytes, and a jump, can be written at the tail.
  @inline(__always)
  func makeRoom(for need: UInt64, _ state: inout PutState) throws(SharedMemoryError) {
    unsafe try putPlace.use(state.size, of: file)
    let end = state.tail + need + Self.jumpSize
    if end - sides.headSeenByPutters > state.size || end > state.given { try makeMoreRoom(for: need, &state) }
  }

  @inline(never)
  private func makeMoreRoom(for need: UInt64, _ state: inout PutState) throws(SharedMemoryError) {
    let room = need + Self.jumpSize
    if state.tail + room - sides.headSeenByPutters > state.size {
      sides.lookAtTakers()
      guard isPlausible(state) else { throw Self.impossible }
      let used = state.tail - sides.headSeenByPutters
      if used + room > state.size { try grow(to: used + Self.jumpSize + room, &state) }
    }
    try take(upTo: state.tail + room, &state)
  }

  /// Gets memory for the place up to that position.
  private func take(upTo end: UInt64, _ state: inout PutState) throws(SharedMemoryError) {
    guard end > state.given else { return }
    let last = state.start &+ state.size
    guard state.start <= state.given, state.given <= last else { throw Self.impossible }
    let target = min((end + Self.givenStep - 1) & ~(Self.givenStep - 1), last)
    // Round the end of the place these are two pieces.
    let mask = state.size - 1
    let first = state.given & mask, count = target - state.given
    let piece = min(count, state.size - first)
    try file.commit(Int(state.size + first)..<Int(state.size + first + piece))
    if piece < count { try file.commit(Int(state.size)..<Int(state.size + count - piece)) }
    state.given = target == last ? PutState.all : target
    state.isMoved = true
  }

  /// Goes on in a larger place. Nothing of it counts before the state is committed.
  private func grow(to count: UInt64, _ state: inout PutState) throws(SharedMemoryError) {
    guard count <= RingState.lastSize else {
      throw SharedMemoryError(operation: "growing a shared queue to \(count) bytes", reason: "no queue may be so large")
    }
    let size = UInt64(1) << UInt64(UInt64.bitWidth - (count - 1).leadingZeroBitCount)
    try file.grow(to: 2 * Int(size))
    // The memory for the jump was made sure of by the put before, and for the first by none.
    try take(upTo: state.tail + Self.jumpSize, &state)
    unsafe putPlace.word(at: state.tail).pointee = Self.isJump | size
    state.tail += Self.jumpSize
    state.size = size
    state.start = state.tail
    state.given = state.tail
    state.isMoved = true
    unsafe try putPlace.use(size, of: file)
  }
}
