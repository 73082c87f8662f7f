import Glibc

/// Why a file or a directory is skipped.
package struct FileProblem: Error, Hashable, Codable, Sendable, CustomStringConvertible {
  package let path: FilePath
  /// What was tried: "open", "read" ...
  package let operation: String
  /// The error number of the system; 0 when the reason is in `operation`.
  package let code: Int32

  package init(path: FilePath, operation: String, code: Int32) {
    self.path = path
    self.operation = operation
    self.code = code
  }

  package var description: String { code == 0 ? "\(path): \(operation)" : "\(path): \(operation): \(reason)" }

  private var reason: String {
    // SAFETY: the text ends with a zero byte inside the buffer, which outlives the call.
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      let failed = unsafe strerror_r(code, buffer.baseAddress!, buffer.count)
      return failed == 0 ? unsafe String(cString: buffer.baseAddress!) : "error \(code)"
    }
  }
}
