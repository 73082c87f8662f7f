/// The compact binary encoding in which arguments, results and messages travel between processes of one binary.
///
///     let bytes = try Wire.encode(["answer": 42])
///     let back = try Wire.decode([String: Int].self, from: bytes)
///
/// All of Codable, and nothing of Foundation. Errors are the standard library's `EncodingError` and `DecodingError`.
/// Malformed bytes give an error: never a trap, never more memory than a small multiple of their number. The format,
/// which is no file format (it may change with any version), is described in `FORMAT.md`.
package enum Wire {
  package static func encode<T: Encodable>(_ value: T, attachments: AttachmentList? = nil) throws -> [UInt8] {
    let coder = ValueCoder.of(T.self)
    return try WireWriter.bytes(room: sizeHint(value, coder), attachments: attachments) { try $0.encode(value, as: coder) }
  }

  /// How much room the encoding will take, as far as that is known without encoding: enough for numbers, strings and
  /// arrays of numbers, a guess for everything else.
  package static func sizeHint<T: Encodable>(_ value: T) -> Int {
    sizeHint(value, ValueCoder.of(T.self))
  }

  @inline(__always)
  private static func sizeHint<T: Encodable>(_ value: T, _ coder: ValueCoder) -> Int {
    guard case .direct(_, _, let size) = coder else { return 128 }
    // SAFETY: the coder is that of T.
    return unsafe withUnsafePointer(to: value) { unsafe size($0) }
  }

  /// Encodes into the caller's memory, with no array in between; nil when it does not fit.
  package static func encode<T: Encodable>(
    _ value: T, into memory: UnsafeMutableRawBufferPointer, attachments: AttachmentList? = nil
  ) throws -> Int? {
    let writer = unsafe WireWriter(into: memory, attachments: attachments)
    try writer.encode(value)
    return writer.hasOutgrown ? nil : writer.count
  }

  package static func decode<T: Decodable>(
    _ type: T.Type, from bytes: [UInt8], attachments: AttachmentList? = nil
  ) throws -> T {
    // The pointer is good for as long as the array is, whose elements lie in memory. Decoding inside the closure would make
    // that one generic in T, and cost more than a small value.
    defer { withExtendedLifetime(bytes) {} }
    return try unsafe decode(type, from: bytes.withUnsafeBytes { unsafe $0 }, attachments: attachments)
  }

  package static func decode<T: Decodable>(
    _ type: T.Type, from bytes: UnsafeRawBufferPointer, attachments: AttachmentList? = nil
  ) throws -> T {
    var reader = unsafe WireReader(bytes, attachments: attachments)
    let value = try reader.decode(type)
    try reader.finish()
    return value
  }
}

/// Values one after the other, in memory that is kept from one use to the next, or in the caller's.
///
/// A value that fails leaves no bytes behind. Not for more than one thread at a time.
@safe package struct WireWriter: ~Copyable {
  // Not a plain reference: who gives the state back has to own the last one.
  private let held: Unmanaged<EncodingState>
  private var state: EncodingState { unsafe held._withUnsafeGuaranteedRef { $0 } }

  package init(attachments: AttachmentList? = nil) {
    unsafe held = SpareStates.takeEncoding()
    if let attachments { state.attachments = attachments }
  }

  init(attachments: AttachmentList? = nil, actors: ActorContext) {
    self.init(attachments: attachments)
    state.actors = actors
  }

  /// With a list of attachments of its own.
  init(makingAttachments: Void) {
    self.init()
    state.makesAttachments = true
  }

  init(capacity: Int) { unsafe held = .passRetained(EncodingState(capacity: capacity)) }

  /// Writes to `memory` for as long as it suffices; see `hasOutgrown`.
  package init(into memory: UnsafeMutableRawBufferPointer, attachments: AttachmentList? = nil) {
    self.init(attachments: attachments)
    unsafe state.write(into: memory)
  }

  deinit { unsafe SpareStates.giveBack(held) }

  /// What `body` writes: straight into an array of so much room, or into a larger one when it is more.
  ///
  /// Small values by way of the stack, because such an array costs more than to copy them: the standard library looks the type of its
  /// storage up each time. Not generic for the same reason.
  @inline(never)
  static func bytes(
    room: Int, attachments: AttachmentList?, _ body: (borrowing WireWriter) throws -> Void
  ) throws -> [UInt8] {
    if room <= 512 {
      return try unsafe withUnsafeTemporaryAllocation(byteCount: 512, alignment: 16) { memory in
        let writer = unsafe WireWriter(into: memory, attachments: attachments)
        try body(writer)
        return writer.bytes
      }
    }
    var outgrown: [UInt8]?
    let bytes = try unsafe [UInt8](unsafeUninitializedCapacity: room) { memory, count in
      let writer = unsafe WireWriter(into: UnsafeMutableRawBufferPointer(memory), attachments: attachments)
      try body(writer)
      if writer.hasOutgrown { outgrown = writer.bytes } else { count = writer.count }
    }
    return outgrown ?? bytes
  }

  package var count: Int { state.count }
  package var hasOutgrown: Bool { state.hasOutgrown }
  var attachments: AttachmentList? { state.attachments }
  package var bytes: [UInt8] { unsafe withBytes { unsafe [UInt8]($0) } }

  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try unsafe body(UnsafeRawBufferPointer(start: state.base, count: state.count))
  }

  package func encode<T: Encodable>(_ value: T) throws { try encode(value, as: ValueCoder.of(T.self)) }

  /// - Parameter coder: that of T.
  @inline(__always)
  fileprivate func encode<T: Encodable>(_ value: T, as coder: ValueCoder) throws {
    let state = state
    // What the encoding writes itself does not fail, and holds no descriptor.
    // SAFETY: the coder is that of T.
    if case .direct(let put, _, _) = coder { return unsafe withUnsafePointer(to: value) { unsafe put($0, state) } }
    let start = state.count
    let attached = state.attachments?.count ?? 0
    do {
      try WireEncoder(state: state, index: -1, serial: 0).encode(value, as: coder, key: .none, restart: start)
    } catch {
      state.truncate(to: start)
      state.attachments?.truncate(to: attached)
      throw error
    }
  }

  func append(_ bytes: UnsafeRawBufferPointer) { unsafe state.putBytes(bytes) }
  func append(_ kind: ReplyKind) { kind.put(into: state) }

  package func append(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe state.putBytes($0) } }

  func appendZeros(_ count: Int) {
    for _ in 0..<count { state.put(0) }
  }

  /// Forgets what was written after so many bytes.
  package func truncate(to count: Int) { state.truncate(to: min(count, state.count)) }

  /// Forgets the bytes and keeps the memory.
  package func reset() { state.truncate(to: 0) }
}

/// Reads values one after the other from the caller's memory, which must stay for as long as the reader is used.
@safe package struct WireReader: ~Copyable {
  // As in WireWriter.
  private let held: Unmanaged<DecodingState>
  private var state: DecodingState { unsafe held._withUnsafeGuaranteedRef { $0 } }
  package private(set) var offset = 0

  package init(_ bytes: UnsafeRawBufferPointer, attachments: AttachmentList? = nil) {
    unsafe held = SpareStates.takeDecoding()
    unsafe state.reset(to: bytes)
    if let attachments { state.attachments = attachments }
  }

  /// From an offset into the bytes.
  init(
    _ bytes: UnsafeRawBufferPointer, from offset: Int, attachments: AttachmentList?, actors: ActorContext
  ) {
    unsafe self.init(bytes, attachments: attachments)
    state.actors = actors
    self.offset = offset
  }

  deinit { unsafe SpareStates.giveBack(held) }

  package var isAtEnd: Bool { offset == state.size }

  package mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    var place = offset
    let value = try state.decode(type, at: &place, 0, nil, .none)
    offset = place
    return value
  }

  /// What kind of reply follows; nil, and nothing read, when it is none.
  mutating func takeKind() -> ReplyKind? {
    guard let kind = state.byte(at: offset).flatMap({ ReplyKind(rawValue: $0) }) else { return nil }
    offset += 1
    return kind
  }

  /// Reads an array of bytes without copying it; nil, and nothing read, when there is none.
  package mutating func takeBytes() -> UnsafeRawBufferPointer? {
    var place = offset
    guard let head = state.takePackedHead(at: &place), head.kind == UInt8.packedKind else { return nil }
    offset = place + head.count
    // SAFETY: the head was checked: so many bytes are there.
    return unsafe UnsafeRawBufferPointer(start: state.base + place, count: head.count)
  }

  /// Throws when there are bytes left.
  package func finish() throws {
    guard isAtEnd else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: [], debugDescription: "\(state.size - offset) bytes are left after the value"))
    }
  }
}
