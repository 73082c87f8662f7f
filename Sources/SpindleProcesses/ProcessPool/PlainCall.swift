internal import SpindleFutures
internal import SpindleGround

// The short way of a call of a function that has been called before. Where the encoding writes argument and result itself, as numbers and
// strings, nothing generic is left but what is compiled where `submit` is called.

/// A reader for one plain reply after the other, on one thread.
@usableFromInline
final class SpareReader {
  private let state = DecodingState()

  func read(_ type: Any.Type, _ bytes: UnsafeRawBufferPointer, into memory: UnsafeMutableRawPointer) -> Bool? {
    guard unsafe bytes.first == ReplyKind.value.rawValue, case .direct(_, let take, _) = ValueCoder.of(type) else {
      return nil
    }
    unsafe state.reset(to: bytes)
    var place = 1
    return unsafe take(state, &place, memory) ? place == bytes.count : nil
  }
}

extension PoolReply {
  /// Initialises the memory with the value, if that is of a type that the encoding reads itself. Nil, with nothing
  /// initialised, when there is no such value; false when there are bytes left after it.
  @usableFromInline
  func take(_ type: Any.Type, into memory: UnsafeMutableRawPointer) -> Bool? {
    unsafe isBatch ? nil : spare.read(type, bytes, into: memory)
  }

  /// The value or the error, the long way.
  @usableFromInline
  func value<Output: Codable & Sendable>(_: Output.Type) throws -> Output {
    if isBatch { throw Self.malformed }
    return try unsafe Call<Output>.result(of: bytes, attachments: attachments)
  }
}

extension ProcessPoolCore {
  /// A call of a function that has been called before, with an argument that the encoding writes itself; otherwise
  /// nil.
  func plainCall(
    _ words: ClosureWords, _ box: Any.Type, _ type: Any.Type, _ argument: UnsafeRawPointer, result: Any.Type,
    _ options: CallOptions, _ end: @escaping PoolCall.End
  ) -> PoolCall? {
    guard case .direct(let put, _, let size) = ValueCoder.of(type), let target = CallTarget.found(for: words, of: box) else {
      return nil
    }
    let isPlain = ValueCoder.isPlain(result)
    let room = unsafe size(argument)
    if target.header.count + room > CallLink.room {
      return unsafe largeCall(target, room, argument, put, isPlain, options, end)
    }
    // One writer for all: what it does is short, and no code of the user.
    let bytes = encoder.withLock { state in
      state.truncate(to: 0)
      unsafe put(argument, state)
      let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: state.base, count: state.count))
      // It was larger than it seemed: the memory is not kept.
      if bytes.count > CallLink.slotSize { state = EncodingState(capacity: CallLink.slotSize) }
      return bytes
    }
    return PoolCall(
      core: self, target: target, bytes: bytes, hasHeader: false, options: options, isPlain: isPlain, end: end)
  }

  /// The same with an argument of any type. Nil also when that cannot be encoded: the long way tells why.
  func codableCall<Argument: Codable & Sendable>(
    _ words: ClosureWords, _ box: Any.Type, _ argument: Argument, result: Any.Type, _ options: CallOptions,
    _ end: @escaping PoolCall.End
  ) -> PoolCall? {
    guard let target = CallTarget.found(for: words, of: box) else { return nil }
    let writer = WireWriter(makingAttachments: ())
    guard (try? writer.encode(argument)) != nil else { return nil }
    return PoolCall(
      core: self, target: target, bytes: writer.bytes, hasHeader: false, attachments: writer.attachments, options: options,
      isPlain: ValueCoder.isPlain(result), end: end)
  }

  /// Straight into the memory that the workers read. Nil when there is none.
  private func largeCall(
    _ target: CallTarget, _ room: Int, _ argument: UnsafeRawPointer, _ put: ValueCoder.Put, _ isPlain: Bool,
    _ options: CallOptions, _ end: @escaping PoolCall.End
  ) -> PoolCall? {
    guard let memory, let block = try? memory.take(target.header.count + room) else { return nil }
    let state = unsafe EncodingState(into: block.bytes(target.header.count + room))
    unsafe target.header.withUnsafeBytes { unsafe state.putBytes($0) }
    unsafe put(argument, state)
    if state.hasOutgrown {
      memory.giveBack(block)
      return nil
    }
    return PoolCall(
      core: self, target: target, block: block, count: state.count, options: options, isPlain: isPlain, end: end)
  }
}
