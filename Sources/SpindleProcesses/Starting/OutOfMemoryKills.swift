internal import CSpindle

/// How often the kernel has killed a process for want of memory since it was started, in this control group or another.
enum OutOfMemoryKills {
  /// nil where the kernel does not say.
  static var count: Int? {
    // SAFETY: the call writes at most the buffer's size and says how much.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
      count = max(0, Int(unsafe spindle_read_file("/proc/vmstat", buffer.baseAddress!, buffer.count)))
    }
    for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: "oom_kill ".utf8) {
      return Int(String(decoding: line.dropFirst(9), as: UTF8.self))
    }
    return nil
  }
}
