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

  /// What Swift has printed before it trapped: "main.swift:3: Fatal error: Index out of range".
  static func message(_ output: String) -> String? {
    let kinds = ["Fatal error", "Precondition failed", "Assertion failed"]
    return output.split(separator: "\n").last { line in kinds.contains { line.contains($0) } }.map(String.init)
  }

  /// What happened and where: the report up to its registers.
  static func summary(of report: String) -> String {
    let lines = report.split(separator: "\n", omittingEmptySubsequences: false)
    let begin = lines.firstIndex { $0.contains("Program crashed") } ?? 0
    let end = lines[begin...].firstIndex { $0.hasPrefix("Registers:") } ?? lines.endIndex
    return lines[begin..<end].joined(separator: "\n")
  }
}
