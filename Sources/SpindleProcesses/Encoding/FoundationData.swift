/// Foundation's `Data`, written and read in one piece as an array of bytes.
///
/// Its own coding goes byte by byte. It is known by its name, because Foundation is not imported, and used through what
/// it has in common with every collection of bytes.
enum FoundationData {
  private static let names: Set<String> = ["Foundation.Data", "FoundationEssentials.Data"]

  /// Nil when it is another type.
  static func coder(_ type: Any.Type, _ name: String) -> ValueCoder? {
    guard names.contains(name), let type = type as? any (RangeReplaceableCollection & Codable).Type else { return nil }
    return coder(of: type)
  }

  private static func coder<Bytes: RangeReplaceableCollection & Codable>(of _: Bytes.Type) -> ValueCoder? {
    guard Bytes.Element.self == UInt8.self else { return nil }
    // SAFETY: whoever calls these has found them by the type; its elements are bytes.
    let put: (UnsafeRawPointer, EncodingState) -> Void = { value, state in
      let bytes = unsafe value.assumingMemoryBound(to: Bytes.self).pointee
      let isWritten: Void? = bytes.withContiguousStorageIfAvailable {
        unsafe state.putPackedBytes(UnsafeRawBufferPointer($0))
      }
      if isWritten == nil { state.putPacked(Array(bytes), UInt8.packedKind) }
    }
    let take: (DecodingState, inout Int, UnsafeMutableRawPointer) -> Bool = { state, place, memory in
      var start = place
      if let head = state.takePackedHead(at: &start), head.kind == UInt8.packedKind {
        place = start + head.count
        unsafe memory.initializeMemory(as: Bytes.self, to: bytes(of: state, at: start, head.count))
        return true
      }
      // Written by another type, one by one or as numbers of another kind.
      guard let array = [UInt8].take(from: state, at: &place) else { return false }
      unsafe array.withUnsafeBytes { array in
        _ = unsafe memory.initializeMemory(as: Bytes.self, to: Bytes(array.bindMemory(to: Bytes.Element.self)))
      }
      return true
    }
    let size: (UnsafeRawPointer) -> Int = { unsafe $0.assumingMemoryBound(to: Bytes.self).pointee.count + 16 }
    // SAFETY: they hold nothing but the type, which the compiler does not take for sendable because it was found by a cast.
    return unsafe .direct(
      put: unsafeBitCast(put, to: ValueCoder.Put.self), take: unsafeBitCast(take, to: ValueCoder.Take.self),
      size: unsafeBitCast(size, to: ValueCoder.Size.self))

    func bytes(of state: DecodingState, at start: Int, _ count: Int) -> Bytes {
      // SAFETY: the head was checked, so the bytes are there.
      unsafe Bytes(
        UnsafeBufferPointer(start: (state.base + start).assumingMemoryBound(to: Bytes.Element.self), count: count))
    }
  }
}

extension EncodingState {
  func putPackedBytes(_ bytes: UnsafeRawBufferPointer) {
    put(WireTag.packed)
    put(UInt8.packedKind.rawValue)
    putVarint(bytes.count)
    unsafe putBytes(bytes)
  }
}
