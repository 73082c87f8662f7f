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
// `@exclusivity(unchecked)` on what every byte goes through, because the checks cost more than the bytes: no property here
// is lent to code of others, and one writer belongs to one thread.
@safe final class EncodingState {
  @exclusivity(unchecked) private(set) var base: UnsafeMutableRawPointer
  @exclusivity(unchecked) private var storedCount = 0
  private(set) var count: Int {
    @inline(__always) get { unsafe storedCount }
    @inline(__always) _modify { yield unsafe &storedCount }
  }
  @exclusivity(unchecked) private var storedCapacity: Int
  private var capacity: Int {
    @inline(__always) get { unsafe storedCapacity }
    @inline(__always) _modify { yield unsafe &storedCapacity }
  }
  /// The bytes go to memory of the caller, or to `home`.
  private var isBorrowed = true
  /// Memory that is kept for one writer after the other.
  private let home: UnsafeMutableRawBufferPointer
  @exclusivity(unchecked) private var storedTop = -1
  private var top: Int {
    @inline(__always) get { unsafe storedTop }
    @inline(__always) _modify { yield unsafe &storedTop }
  }
  @exclusivity(unchecked) private var storedTopSerial = 0
  private var topSerial: Int {
    @inline(__always) get { unsafe storedTopSerial }
    @inline(__always) _modify { yield unsafe &storedTopSerial }
  }

  /// The caller's memory was too small, and the bytes moved to memory of our own.
  private(set) var hasOutgrown = false
  @exclusivity(unchecked) private var storedNodes = Stack<Node>()
  // Indices come from handles whose serial number was compared first, or from nodes that are still there.
  var nodes: Stack<Node> {
    @inline(__always) get { unsafe storedNodes }
    @inline(__always) _modify { yield unsafe &storedNodes }
  }
  @exclusivity(unchecked) private var storedNextSerial = 1
  private var nextSerial: Int {
    @inline(__always) get { unsafe storedNextSerial }
    @inline(__always) _modify { yield unsafe &storedNextSerial }
  }
  @exclusivity(unchecked) private var storedFrameBase = 0
  private var frameBase: Int {
    @inline(__always) get { unsafe storedFrameBase }
    @inline(__always) _modify { yield unsafe &storedFrameBase }
  }
  @exclusivity(unchecked) private var storedSegments: ContiguousArray<Segment> = []
  private var segments: ContiguousArray<Segment> {
    @inline(__always) get { unsafe storedSegments }
    @inline(__always) _modify { yield unsafe &storedSegments }
  }
  @exclusivity(unchecked) private var storedCurrent = 0
  private var current: Int {
    @inline(__always) get { unsafe storedCurrent }
    @inline(__always) _modify { yield unsafe &storedCurrent }
  }
  /// Arrays that are being written by themselves, without a node.
  @exclusivity(unchecked) private var storedArrayDepth = 0
  private var arrayDepth: Int {
    @inline(__always) get { unsafe storedArrayDepth }
    @inline(__always) _modify { yield unsafe &storedArrayDepth }
  }
  /// An error of ours, see `fail`. Here and below not as an `EncodingError`, whose size the compiler does not know: a function that
  /// may throw one would look its type up in the beginning.
  @exclusivity(unchecked) private var failure: (any Error)?
  @exclusivity(unchecked) private var storedShelf = ContainerShelf<KeyedHandle>()
  private var shelf: ContainerShelf<KeyedHandle> {
    @inline(__always) get { unsafe storedShelf }
    @inline(__always) _modify { yield unsafe &storedShelf }
  }
  var attachments: AttachmentList?
  /// A list is made when the first value is attached, which few messages have.
  var makesAttachments = false
  var actors: ActorContext?

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
    var key: PathStep
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

  init(capacity: Int = EncodingState.usualCapacity) {
    unsafe home = .allocate(byteCount: capacity, alignment: 16)
    unsafe base = home.baseAddress!
    unsafe storedCapacity = capacity
  }

  /// Writes into the caller's memory for as long as it suffices.
  convenience init(into memory: UnsafeMutableRawBufferPointer) {
    self.init(capacity: 64)
    unsafe write(into: memory)
  }

  deinit {
    // Segments above the first exist only when an error ended the encoding; `dropSegments` has then freed them.
    nodes.free()
    shelf.free()
    if !isBorrowed { unsafe base.deallocate() }
    unsafe home.deallocate()
  }

  // MARK: One writer after the other

  static let usualCapacity = 512
  var isReusable: Bool { unsafe home.count == Self.usualCapacity }

  func write(into memory: UnsafeMutableRawBufferPointer) {
    guard let start = memory.baseAddress else { return hasOutgrown = true }
    unsafe base = start
    capacity = memory.count
  }

  func rest() {
    truncate(to: 0)
    if !isBorrowed { unsafe base.deallocate() }
    isBorrowed = true
    unsafe base = home.baseAddress!
    capacity = unsafe home.count
    hasOutgrown = false
    if attachments != nil { attachments = nil }
    makesAttachments = false
    if actors != nil { actors = nil }
  }

  /// What descriptors are added to; nil where they cannot travel.
  func attachmentsToAddTo() -> AttachmentList? {
    if attachments == nil, makesAttachments { attachments = AttachmentList() }
    return attachments
  }

  func truncate(to newCount: Int) {
    count = newCount
    if unsafe failure != nil { unsafe failure = nil }
  }

  // MARK: Bytes

  @inline(__always)
  func reserve(_ byteCount: Int) {
    if capacity - count < byteCount { grow(byteCount) }
  }

  @inline(never)
  private func grow(_ byteCount: Int) {
    // Large arrays come in one piece: no more than what they need, and room for what follows.
    let newCapacity = max(capacity &* 2, 128, count + byteCount + byteCount / 64 + 64)
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

  /// So many bytes were stored, for which there was room.
  @inline(__always)
  func advance(_ byteCount: Int) { count &+= byteCount }

  @inline(__always)
  func putString(_ string: String) {
    if unsafe string.utf8.withContiguousStorageIfAvailable({ unsafe putText($0) }) == nil { putForeignString(string) }
  }

  @inline(never)
  private func putForeignString(_ string: String) {
    var copy = string
    copy.withUTF8 { unsafe putText($0) }
  }

  @inline(__always)
  private func putText(_ utf8: UnsafeBufferPointer<UInt8>) {
    let count = utf8.count
    guard count < 64, let start = utf8.baseAddress else { return unsafe putLongText(utf8) }
    reserve(count &+ 1)
    unsafe base.storeBytes(of: WireTag.shortString | UInt8(truncatingIfNeeded: count), toByteOffset: self.count, as: UInt8.self)
    unsafe (base + self.count + 1).copyMemory(from: start, byteCount: count)
    self.count &+= count &+ 1
  }

  @inline(never)
  private func putLongText(_ utf8: UnsafeBufferPointer<UInt8>) {
    guard !utf8.isEmpty else { return put(WireTag.shortString) }
    put(WireTag.string)
    putVarint(utf8.count)
    unsafe putBytes(UnsafeRawBufferPointer(utf8))
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
    if let failure = unsafe failure { throw failure }
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

  /// Makes the node a container of that kind. Codable gives no way to throw here, so a mistake fails the next write and
  /// the value as a whole.
  @inline(__always)
  func open(_ kind: Node.Kind, _ index: Int, _ serial: Int) -> Bool {
    guard topSerial == serial, nodes[index].kind == .empty else { return openSlowly(kind, index, serial) }
    begin(kind, index)
    return true
  }

  @inline(__always)
  private func begin(_ kind: Node.Kind, _ index: Int) {
    nodes[index].kind = kind
    if kind == .keyed { put(WireTag.keyed) }
    if kind == .unkeyed { put(WireTag.unkeyed) }
  }

  @inline(never)
  private func openSlowly(_ kind: Node.Kind, _ index: Int, _ serial: Int) -> Bool {
    do {
      if index >= 0, index < nodes.count, nodes[index].serial == serial, nodes[index].kind == kind { return true }
      try prepare(index, serial)
      guard nodes[index].kind == .empty || (nodes[index].kind == .single && kind != .written) else {
        throw misuse("two containers of different kinds were asked for one value", at: index)
      }
      begin(kind, index)
      return true
    } catch {
      fail(error)
      return false
    }
  }

  func push(parent: Int, key: consuming PathStep) throws -> (index: Int, serial: Int) {
    let depth = parent < 0 ? 1 : nodes[parent].depth + 1
    guard depth + arrayDepth <= WireLimit.depth else { throw tooDeep(at: parent) }
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

  @inline(never)
  private func tooDeep(at index: Int) -> any Error {
    misuse("the value nests deeper than \(WireLimit.depth) levels", at: index)
  }

  // MARK: Frames

  /// Writes elements one after the other as an unkeyed container that nobody else can have a handle on, so that it needs
  /// no node; on an error everything since `restart` is taken back.
  func encodeArray(under parent: Int, restart: Int, _ body: () throws -> Void) throws {
    guard (parent < 0 ? 0 : nodes[parent].depth) + arrayDepth < WireLimit.depth else { throw tooDeep(at: parent) }
    arrayDepth += 1
    defer { arrayDepth -= 1 }
    put(WireTag.unkeyed)
    do { try body() } catch {
      count = restart
      throw error
    }
    put(WireTag.end)
  }

  /// Runs one value's `encode(to:)`; on an error everything since `restart` is taken back.
  func encodeFrame<T: Encodable>(_ value: T, under parent: Int, key: consuming PathStep, restart: Int) throws {
    let frame = Frame(
      parent: parent, base: frameBase, nodes: nodes.count, containers: shelf.openCount,
      segments: max(segments.count, 1), segment: current, start: count)
    do {
      let node = try push(parent: parent, key: key)
      frameBase = node.index
      try value.encode(to: WireEncoder(state: self, index: node.index, serial: node.serial))
      try finish(frame)
    } catch {
      abandon(frame, restart)
      throw error
    }
  }

  /// What there was when a value began.
  private struct Frame {
    let parent: Int
    let base: Int
    let nodes: Int
    let containers: Int
    let segments: Int
    let segment: Int
    let start: Int
  }

  private func finish(_ frame: Frame) throws {
    if let failure = unsafe failure {
      unsafe self.failure = nil
      throw failure
    }
    if top == frameBase, segments.count <= frame.segments {
      putEnd(of: frameBase)
    } else {
      finishFrame(frameBase, segment: frame.segment, start: frame.start, savedSegments: frame.segments)
    }
    leave(frame)
  }

  @inline(never)
  private func abandon(_ frame: Frame, _ restart: Int) {
    activate(frame.segment)
    dropSegments(downTo: frame.segments, in: frame.segment)
    count = restart
    leave(frame)
  }

  @inline(__always)
  private func leave(_ frame: Frame) {
    shelf.close(downTo: frame.containers)
    nodes.remove(downTo: frame.nodes)
    frameBase = frame.base
    setTop(frame.parent)
  }

  /// A container for the fields of a node, which has been opened as one.
  @inline(__always)
  func keyedContainer<Key: CodingKey>(_ index: Int, _ serial: Int, _: Key.Type) -> KeyedEncodingContainer<Key> {
    // One of a mistake is no frame's, at whose end it would be closed.
    let place = index >= 0 ? shelf.open(Key.self, level: index) : -1
    if place >= 0, let box = shelf[place].box {
      shelf[place].content?.begin(index, serial)
      return unsafe keyedEncodingContainer(of: box, Key.self)
    }
    return newKeyedContainer(index, serial, place)
  }

  @inline(never)
  private func newKeyedContainer<Key: CodingKey>(
    _ index: Int, _ serial: Int, _ place: Int
  ) -> KeyedEncodingContainer<Key> {
    let handle = KeyedHandle(state: self, keys: KeyTable(Key.self, isUsedAgain: place >= 0))
    handle.begin(index, serial)
    let container = KeyedEncodingContainer(KeyedEncoding<Key>(handle: handle))
    if place >= 0 {
      shelf[place].content = handle
      // SAFETY: such a container is one reference, to its box.
      shelf[place].box = unsafe unsafeBitCast(container, to: AnyObject.self)
    } else {
      handle.leaveShelf()
    }
    return container
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

  /// A mistake where Codable gives no way to throw: it fails the next write, and the value as a whole.
  @inline(never)
  func fail(_ error: any Error) {
    if unsafe failure == nil { unsafe failure = error }
  }

  @inline(never)
  func misuse(_ description: String, at index: Int = -1) -> any Error {
    EncodingError.invalidValue(self, .init(codingPath: codingPath(of: index), debugDescription: description))
  }

  func codingPath(of index: Int) -> [any CodingKey] {
    var path: [any CodingKey] = []
    var node = index
    while node >= 0, node < nodes.count {
      if let key = nodes[node].key.codingKey { path.append(key) }
      node = nodes[node].parent
    }
    return path.reversed()
  }
}
