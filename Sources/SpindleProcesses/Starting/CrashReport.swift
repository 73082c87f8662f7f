internal import CSpindle

/// What Swift's backtracer has left in the memory that a worker shared with its parent (`crash_report.c`).
enum CrashReport {
  /// A report is a few kilobytes; more than this is cut.
  private static let limit = 256 << 10

  static func read(_ memory: OwnedDescriptor) -> String? {
    // SAFETY: the call writes at most the buffer's size and says how much.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      count = unsafe spindle_read_start(memory.number, buffer.baseAddress!, buffer.count)
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
