/// The bytes written so far, and which containers are still open in them.
///
/// A value is written straight to its final place, with no tree in between. Codable allows more than that: a nested
/// container or `superEncoder` may still be written to after its parent went on. So every container is a node:
///
///     open     the innermost open node, `top`, is written to; going back to an outer node closes those inside it
///     closed   its end marker is in place; when it is written to again, a new segment takes the bytes, remembered
///              with the offset (a splice) at which they belong, and is put there when the frame ends
///
/// A frame is one value's `encode(to:)`. All nodes it made end with it, so splices never outlive a frame, and a handle
/// used later is recognised by its serial number. While a frame runs, containers of outer frames refuse to be written.
// SAFETY: the memory is this object's (or lent for its lifetime), and every access is bounded as said below.
@safe final class EncodingState {
  private(set) var base: UnsafeMutableRawPointer
  private(set) var count = 0
  private var capacity: Int
  private var isBorrowed: Bool
  private var top = -1
  private var topSerial = 0

  /// The caller's memory was too small, and the bytes moved to memory of our own.
  private(set) var hasOutgrown = false
  var nodes: ContiguousArray<Node> = []
  private var nextSerial = 1
  private var frameBase = 0
  private var segments: ContiguousArray<Segment> = []
  private var current = 0
  var failure: EncodingError?
  var attachments: AttachmentList?

  struct Node {
    enum Kind { case empty, single, written, keyed, unkeyed }
    var serial: Int
    var parent: Int
    var segment: Int
    var depth: Int
    var kind = Kind.empty
    var isOpen = true
    var end = 0
    var elementCount = 0
    var key: (any CodingKey)?
  }

  @safe private struct Segment {
    var base: UnsafeMutableRawPointer
    var count = 0
    var capacity: Int
    var isBorrowed = false
    var top: Int
    let owner: Int
    /// Nothing of the node, not even its end marker, is in the segment this one is spliced into.
    var isHeldPlace = false
    var splices: [(offset: Int, segment: Int)] = []
  }

  init(capacity: Int = 128) {
    unsafe base = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
    isBorrowed = false
  }

  /// Writes into the caller's memory for as long as it suffices.
  init(into memory: UnsafeMutableRawBufferPointer) {
    if let start = memory.baseAddress {
      unsafe base = start
      capacity = memory.count
      isBorrowed = true
    } else {
      unsafe base = .allocate(byteCount: 64, alignment: 16)
      capacity = 64
      isBorrowed = false
      hasOutgrown = true
    }
  }

  deinit {
    // Segments above the first exist only when an error ended the encoding; `dropSegments` has then freed them.
    if !isBorrowed { unsafe base.deallocate() }
  }

  func truncate(to newCount: Int) {
    count = newCount
    failure = nil
  }

  // MARK: Bytes

  @inline(__always)
  func reserve(_ byteCount: Int) {
    if capacity - count < byteCount { grow(byteCount) }
  }

  @inline(never)
  private func grow(_ byteCount: Int) {
    var newCapacity = max(capacity &* 2, 128)
    while newCapacity - count < byteCount { newCapacity *= 2 }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
    unsafe memory.copyMemory(from: base, byteCount: count)
    if isBorrowed { hasOutgrown = true } else { unsafe base.deallocate() }
    unsafe base = memory
    capacity = newCapacity
    isBorrowed = false
  }

  // SAFETY: every write below is preceded by `reserve` for its size, so it stays inside `base ..< base + capacity`.
  @inline(__always)
  func put(_ byte: UInt8) {
    reserve(1)
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  @inline(__always)
  func putRaw<T: BitwiseCopyable>(_ value: T) {
    reserve(MemoryLayout<T>.size)
    unsafe base.storeBytes(of: value, toByteOffset: count, as: T.self)
    count &+= MemoryLayout<T>.size
  }

  func putBytes(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count)
    unsafe (base + count).copyMemory(from: start, byteCount: bytes.count)
    count &+= bytes.count
  }

  func putVarint(_ value: Int) {
    var rest = UInt(bitPattern: value)
    while rest >= 0x80 {
      put(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    put(UInt8(truncatingIfNeeded: rest))
  }

  @inline(__always)
  func putInteger<T: FixedWidthInteger>(_ value: T) {
    if value >= 0 && value <= 127 {
      put(UInt8(truncatingIfNeeded: value))
    } else if T.isSigned && value < 0 && value >= -32 {
      put(WireTag.smallNegative + UInt8(truncatingIfNeeded: ~value))
    } else {
      let isNegative = T.isSigned && value < 0
      putMagnitude(
        UInt64(truncatingIfNeeded: isNegative ? ~value : value),
        high: T.bitWidth > 64 ? UInt64(truncatingIfNeeded: (isNegative ? ~value : value) >> 64) : 0,
        tag: isNegative ? WireTag.negative : WireTag.positive)
    }
  }

  private func putMagnitude(_ low: UInt64, high: UInt64, tag: UInt8) {
    if high != 0 {
      put(tag + 4)
      putRaw(low.littleEndian)
      putRaw(high.littleEndian)
    } else if low <= 0xFF {
      put(tag)
      put(UInt8(truncatingIfNeeded: low))
    } else if low <= 0xFFFF {
      put(tag + 1)
      putRaw(UInt16(truncatingIfNeeded: low).littleEndian)
    } else if low <= 0xFFFF_FFFF {
      put(tag + 2)
      putRaw(UInt32(truncatingIfNeeded: low).littleEndian)
    } else {
      put(tag + 3)
      putRaw(low.littleEndian)
    }
  }

  func putString(_ string: String) {
    var copy = string
     copy.withUTF8 { utf8 in
      if utf8.count < 64 {
        put(WireTag.shortString | UInt8(truncatingIfNeeded: utf8.count))
      } else {
        put(WireTag.string)
        putVarint(utf8.count)
      }
      unsafe putBytes(UnsafeRawBufferPointer(utf8))
    }
  }

  /// Puts one byte in front of what was written since `offset`.
  func insert(_ byte: UInt8, at offset: Int) {
    reserve(1)
    unsafe (base + offset + 1).copyMemory(from: base + offset, byteCount: count - offset)
    unsafe base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    count += 1
  }

  // MARK: Nodes

  /// Makes the node the one that bytes are written to.
  @inline(__always)
  func prepare(_ index: Int, _ serial: Int) throws {
    if topSerial != serial { try prepareSlowly(index, serial) }
  }

  @inline(never)
  private func prepareSlowly(_ index: Int, _ serial: Int) throws {
    if let failure { throw failure }
    guard index >= 0, index < nodes.count, nodes[index].serial == serial else {
      throw misuse("a container was written to after its value had been encoded")
    }
    guard index >= frameBase else {
      throw misuse("a container was written to while a value inside it was being encoded", at: index)
    }
    if nodes[index].isOpen {
      activate(nodes[index].segment)
      while top != index { closeTop() }
    } else {
      splice(index, at: nodes[index].end)
      activate(nodes[index].segment)
    }
  }

  func push(parent: Int, key: (any CodingKey)?) throws -> (index: Int, serial: Int) {
    let depth = parent < 0 ? 1 : nodes[parent].depth + 1
    guard depth <= WireLimit.depth else {
      throw misuse("the value nests deeper than \(WireLimit.depth) levels", at: parent)
    }
    let index = nodes.count
    let serial = nextSerial
    nextSerial += 1
    nodes.append(Node(serial: serial, parent: parent, segment: current, depth: depth, key: key))
    top = index
    topSerial = serial
    return (index, serial)
  }

  private func setTop(_ index: Int) {
    top = index
    topSerial = index < 0 ? 0 : nodes[index].serial
  }

  private func closeTop() {
    let index = top
    setTop(nodes[index].parent)
    switch nodes[index].kind {
    case .keyed, .unkeyed:
      nodes[index].end = count
      nodes[index].isOpen = false
      put(WireTag.end)
    case .written:
      nodes[index].end = count
      nodes[index].isOpen = false
    case .empty, .single:
      // Nothing yet, and perhaps something later: hold the place.
      splice(index, at: count, isHeldPlace: true)
    }
  }

  /// Gives the node a segment of its own, whose bytes belong at `offset` of the segment it was in.
  private func splice(_ index: Int, at offset: Int, isHeldPlace: Bool = false) {
    if segments.isEmpty {
      unsafe segments.append(Segment(base: base, capacity: capacity, top: top, owner: -1))
    }
    let segment = segments.count
    segments[nodes[index].segment].splices.append((offset, segment))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    unsafe segments.append(Segment(base: memory, capacity: 64, top: index, owner: index, isHeldPlace: isHeldPlace))
    nodes[index].segment = segment
    nodes[index].isOpen = true
  }

  private func activate(_ segment: Int) {
    guard segment != current else { return }
    unsafe segments[current].base = base
    segments[current].count = count
    segments[current].capacity = capacity
    segments[current].isBorrowed = isBorrowed
    segments[current].top = top
    unsafe base = segments[segment].base
    count = segments[segment].count
    capacity = segments[segment].capacity
    isBorrowed = segments[segment].isBorrowed
    current = segment
    setTop(segments[segment].top)
  }

  // MARK: Frames

  /// Runs one value's `encode(to:)`; on an error everything since `restart` is taken back.
  func encodeFrame<T: Encodable>(_ value: T, under parent: Int, key: (any CodingKey)?, restart: Int) throws {
    let savedFrame = frameBase
    let savedNodes = nodes.count
    let savedSegments = max(segments.count, 1)
    let segment = current
    let start = count
    do {
      let node = try push(parent: parent, key: key)
      frameBase = node.index
      try value.encode(to: WireEncoder(state: self, index: node.index, serial: node.serial))
      if let failure {
        self.failure = nil
        throw failure
      }
      finishFrame(node.index, segment: segment, start: start, savedSegments: savedSegments)
    } catch {
      activate(segment)
      dropSegments(downTo: savedSegments, in: segment)
      count = restart
      nodes.removeLast(nodes.count - savedNodes)
      frameBase = savedFrame
      setTop(parent)
      throw error
    }
    nodes.removeLast(nodes.count - savedNodes)
    frameBase = savedFrame
    setTop(parent)
  }

  private func finishFrame(_ index: Int, segment: Int, start: Int, savedSegments: Int) {
    activate(segment)
    while top != index { closeTop() }
    putEnd(of: index)
    guard segments.count > savedSegments else { return }
    var next = savedSegments
    while next < segments.count {  // Closing may add segments.
      activate(next)
      let owner = segments[next].owner
      while top != owner { closeTop() }
      if segments[next].isHeldPlace { putEnd(of: owner) }
      next += 1
    }
    activate(segment)
    unsafe segments[segment].base = base
    segments[segment].count = count
    let assembled = EncodingState(capacity: count - start + 64)
    assemble(segment, from: start, into: assembled)
    count = start
    unsafe putBytes(UnsafeRawBufferPointer(start: assembled.base, count: assembled.count))
    dropSegments(downTo: savedSegments, in: segment)
  }

  private func putEnd(of index: Int) {
    switch nodes[index].kind {
    case .keyed, .unkeyed: put(WireTag.end)
    case .written: break
    case .empty, .single:
      // A value that encodes nothing is an empty keyed container.
      put(WireTag.keyed)
      put(WireTag.end)
    }
  }

  private func assemble(_ segment: Int, from start: Int, into output: EncodingState) {
    var offset = start
    // Equal offsets keep the order in which they were registered, which is that of the containers.
    let splices = segments[segment].splices.filter { $0.offset >= start }.enumerated()
      .sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
    for (_, splice) in splices {
      unsafe output.putBytes(
        UnsafeRawBufferPointer(start: segments[segment].base + offset, count: splice.offset - offset))
      offset = splice.offset
      assemble(splice.segment, from: 0, into: output)
    }
    unsafe output.putBytes(
      UnsafeRawBufferPointer(start: segments[segment].base + offset, count: segments[segment].count - offset))
  }

  private func dropSegments(downTo kept: Int, in segment: Int) {
    guard segments.count > kept else { return }
    for index in kept..<segments.count { unsafe segments[index].base.deallocate() }
    segments.removeLast(segments.count - kept)
    segments[segment].splices.removeAll { $0.segment >= kept }
  }

  // MARK: Errors

  func misuse(_ description: String, at index: Int = -1) -> EncodingError {
    .invalidValue(self, .init(codingPath: codingPath(of: index), debugDescription: description))
  }

  func codingPath(of index: Int) -> [any CodingKey] {
    var path: [any CodingKey] = []
    var node = index
    while node >= 0, node < nodes.count {
      if let key = nodes[node].key { path.append(key) }
      node = nodes[node].parent
    }
    return path.reversed()
  }
}
