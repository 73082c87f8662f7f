internal import SpindleFutures
internal import SpindleGround

/// Replies that were taken out of their slots, so that the slots can be used again before anybody reads them.
struct Arrivals: ~Copyable {
  enum Reply {
    /// In `small`.
    case small(Range<Int>)
    case large(LargeReply)
    case message(ControlFrame)
    case malformed
  }

  struct Entry {
    let call: PoolCall
    let isBatch: Bool
    let reply: Reply
  }

  private(set) var entries: [Entry] = []
  private var small: [UInt8] = []

  var isEmpty: Bool { entries.isEmpty }

  mutating func add(_ call: PoolCall, isBatch: Bool, _ reply: Reply) {
    entries.append(Entry(call: call, isBatch: isBatch, reply: reply))
  }

  mutating func add(_ call: PoolCall, isBatch: Bool, copying bytes: UnsafeRawBufferPointer) {
    let start = small.count
    unsafe small.append(contentsOf: bytes)
    entries.append(Entry(call: call, isBatch: isBatch, reply: .small(start..<small.count)))
  }

  /// Ends the futures: here, where none of the user's code runs for it, and otherwise through `elsewhere`. What `mine`
  /// waits for is also decoded here: its thread has nothing else to do.
  consuming func deliver(for mine: AnyFuture?, elsewhere: (@escaping @Sendable () -> Void) -> Void) {
    var rest: [Entry] = []
    var called: [PoolCall] = []
    let spare = SpareReader()
    for entry in entries {
      if entry.isForHere || mine != nil && entry.call.isAwaited(by: mine!) {
        if entry.finish(small, spare) { called.append(entry.call) }
      } else {
        rest.append(entry)
      }
    }
    if rest.isEmpty, called.isEmpty { return }
    let small = rest.isEmpty ? [] : small
    elsewhere { [rest, called, small] in
      for call in called { call.callBack() }
      let spare = SpareReader()
      for entry in rest { if entry.finish(small, spare) { entry.call.callBack() } }
    }
  }
}

extension Arrivals.Entry {
  fileprivate var isForHere: Bool {
    if case .small = reply { return call.isPlain }
    return false
  }

  /// True when callbacks are still to be called.
  fileprivate func finish(_ small: [UInt8], _ spare: SpareReader) -> Bool {
    switch reply {
    case .small(let range):
      return unsafe small.withUnsafeBytes { unsafe finish(UnsafeRawBufferPointer(rebasing: $0[range]), spare) }
    case .large(let large): return unsafe finish(large.bytes, spare)
    case .message(let frame):
      let attachments = AttachmentList(receivedWith: frame)
      defer { attachments.closeRest() }
      return unsafe frame.bytes.withUnsafeBytes {
        unsafe finish(UnsafeRawBufferPointer(rebasing: $0.dropFirst(8)), spare, attachments)
      }
    case .malformed: return unsafe finish(UnsafeRawBufferPointer(start: nil, count: 0), spare)
    }
  }

  private func finish(_ bytes: UnsafeRawBufferPointer, _ spare: SpareReader, _ attachments: AttachmentList? = nil) -> Bool {
    unsafe call.finish(PoolReply(bytes: bytes, isBatch: isBatch, attachments: attachments, spare: spare))
  }
}
