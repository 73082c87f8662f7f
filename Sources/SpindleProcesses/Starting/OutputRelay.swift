internal import CSpindle
internal import SpindleGround

/// Writes the lines of children to one of this program's standard streams, on a thread of its own.
///
/// A thread of its own, because standard output may block for as long as its reader likes, and the supervisor may not.
///
///     supervisor                                relay
///     R1 queue the lines; full: read no more    W1 sleep while nothing is queued
///        of the children that write here        W2 take all that is queued
///     R3 `.outputMoved`: read again, deliver    W3 write; note how far it is
///        the ends that waited for their lines   W4 somebody waits for that? post `.outputMoved`
///     (R1 and W2, W4 under one lock)
///
/// It goes through the C library's stream, as `print` does, so that no line of this program is torn either.
final class OutputRelay: Sendable {
  static let standardOutput = OutputRelay(1)
  static let standardError = OutputRelay(2)

  private struct State {
    var queue: [[UInt8]] = []
    var byteCount = 0
    /// How many bytes have come and gone, ever.
    var queued: UInt64 = 0
    var written: UInt64 = 0
    var isAwaited = false
    var isRunning = false
  }

  private let stream: Int32
  private let state = RawGuarded(State())
  private let filled = Gate()
  /// What may be queued before children must wait.
  private static let limit = 1 << 20

  private init(_ stream: Int32) { self.stream = stream }

  // ---- The supervisor ----

  /// Whether a child's output may be read; if not, `.outputMoved` will be posted when it may be again.
  var hasRoom: Bool {
    state.withLock { state in
      if state.byteCount >= Self.limit { state.isAwaited = true }
      return state.byteCount < Self.limit
    }
  }

  func queue(_ lines: [UInt8]) {
    guard !lines.isEmpty else { return }
    let isFirst = state.withLock { state in
      state.queue.append(lines)
      state.byteCount += lines.count
      state.queued += UInt64(lines.count)
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if isFirst { start() }
    filled.open()
  }

  /// What has been queued up to now.
  var mark: UInt64 { state.withLock { $0.queued } }

  /// Whether all up to a mark is written; if not, `.outputMoved` will be posted when it may be.
  func hasWritten(_ mark: UInt64) -> Bool {
    state.withLock { state in
      if state.written < mark { state.isAwaited = true }
      return state.written >= mark
    }
  }

  // ---- The relay ----

  private func start() {
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    // SAFETY: there are two relays, which live as long as the program.
    let error = unsafe spindle_start_detached(
      "spindle-output",
      { unsafe Unmanaged<OutputRelay>.fromOpaque($0!).takeUnretainedValue().run() }, context)
    // Without a thread, the lines wait for a better time.
    if error != 0 { state.withLock { $0.isRunning = false } }
  }

  private func run() {
    while true {
      filled.wait("output of a child process to pass on")  // W1
      let pieces = state.withLock { state in
        filled.close()
        defer {
          state.queue = []
          state.byteCount = 0
        }
        return state.queue  // W2
      }
      for piece in pieces {
        // SAFETY: the bytes stay for the call.
        unsafe piece.withUnsafeBytes { unsafe spindle_write_stream(stream, $0.baseAddress!, $0.count) }  // W3
        let isAwaited = state.withLock { state in
          state.written += UInt64(piece.count)
          defer { state.isAwaited = false }
          return state.isAwaited
        }
        if isAwaited { Supervisor.post(.outputMoved) }  // W4
      }
    }
  }
}
