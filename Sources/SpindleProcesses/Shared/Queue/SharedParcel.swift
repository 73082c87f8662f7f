internal import CSpindle
internal import SpindleGround

/// The bytes of a record on their way out of shared memory, in memory of this process.
@safe struct SharedParcel: ~Copyable {
  private(set) var bytes = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)

  /// - Parameter count: what shared memory says, so a size that cannot be had is an error.
  mutating func allocate(_ count: Int) throws(SharedMemoryError) {
    free()
    if count == 0 { return }
    guard let memory = unsafe spindle_allocate(count) else {
      throw SharedMemoryError(operation: "taking a record of \(count) bytes", reason: "there is not so much memory")
    }
    // SAFETY: `count` bytes, this value's own until `free`.
    unsafe bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  func decode<Item: Decodable>(_ type: Item.Type) throws -> Item {
    try unsafe Wire.decode(type, from: UnsafeRawBufferPointer(bytes))
  }

  private mutating func free() {
    unsafe spindle_deallocate(bytes.baseAddress)
    unsafe bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  deinit { unsafe spindle_deallocate(bytes.baseAddress) }
}
