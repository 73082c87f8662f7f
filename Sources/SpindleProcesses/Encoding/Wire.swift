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
    let writer = WireWriter(attachments: attachments)
    try writer.encode(value)
    return writer.bytes
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
    try unsafe bytes.withUnsafeBytes { try unsafe decode(type, from: $0, attachments: attachments) }
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
package struct WireWriter: ~Copyable {
  private let state: EncodingState

  package init(attachments: AttachmentList? = nil) {
    state = EncodingState()
    state.attachments = attachments
  }

  /// Writes to `memory` for as long as it suffices; see `hasOutgrown`.
  package init(into memory: UnsafeMutableRawBufferPointer, attachments: AttachmentList? = nil) {
    unsafe state = EncodingState(into: memory)
    state.attachments = attachments
  }

  package var count: Int { state.count }
  package var hasOutgrown: Bool { state.hasOutgrown }
  package var bytes: [UInt8] { unsafe withBytes { unsafe [UInt8]($0) } }

  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try unsafe body(UnsafeRawBufferPointer(start: state.base, count: state.count))
  }

  package func encode<T: Encodable>(_ value: T) throws {
    let start = state.count
    let attached = state.attachments?.count ?? 0
    do {
      try WireEncoder(state: state, index: -1, serial: 0).encode(value, key: nil, restart: start)
    } catch {
      state.truncate(to: start)
      state.attachments?.truncate(to: attached)
      throw error
    }
  }

  package func append(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe state.putBytes($0) } }

  /// Forgets the bytes and keeps the memory.
  package func reset() { state.truncate(to: 0) }
}

/// Reads values one after the other from the caller's memory, which must stay for as long as the reader is used.
package struct WireReader: ~Copyable {
  private let state: DecodingState
  package private(set) var offset = 0

  package init(_ bytes: UnsafeRawBufferPointer, attachments: AttachmentList? = nil) {
    unsafe state = DecodingState(bytes)
    state.attachments = attachments
  }

  deinit { state.invalidate() }

  package var isAtEnd: Bool { offset == state.size }

  package mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    var place = offset
    let value = try state.decode(type, at: &place, 0, [], nil)
    offset = place
    return value
  }

  /// Throws when there are bytes left.
  package func finish() throws {
    guard isAtEnd else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: [], debugDescription: "\(state.size - offset) bytes are left after the value"))
    }
  }
}
