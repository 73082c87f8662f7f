internal import SpindleGround

/// The life of a pool's worker, in its own process.
enum PoolWorkerMain {
  /// Returns the exit code; the exit then flushes what the calls have printed.
  static func run() -> Int32 {
    let channel = ControlChannel.ofWorker
    guard let first = channel.receive(), first.kind == .configuration, first.descriptors.count == 1,
      let cell = WorkerCell(first.descriptors[0]),
      let configuration = try? Wire.decode(PoolConfiguration.self, from: first.bytes)
    else { return 127 }
    ProcessIdentity.current = configuration.identity
    let initialized = configuration.initializer.map { invokeCall($0) }
    channel.send(ControlFrame(kind: .ready, bytes: initialized ?? []))
    var number: UInt64 = 0
    var task: Task<Void, Never>?
    while let frame = channel.receive() {  // C1
      switch frame.kind {
      case .call, .batch:
        number += 1
        cell.begun = number  // C2
        task = nil
        if frame.kind == .call, isAsyncCall(frame.bytes) {
          // This thread goes on, so that it hears when the call is asked to stop.
          task = Task.detached { channel.send(await replyAsync(to: frame)) }
        } else {
          let stop = CallStop(cell, number)
          channel.send(Cancellation.with(source: stop) { reply(to: frame) })  // C3, C4
        }
      case .stop: if cell.stopped == number { task?.cancel() }
      case .dismissal: return 0
      default: break
      }
    }
    return 0
  }

  private static func reply(to frame: ControlFrame) -> ControlFrame {
    let attachments = AttachmentList(receivedWith: frame)
    defer { attachments.closeRest() }
    let leaving = AttachmentList()
    if frame.kind == .call {
      let reply = invokeCall(frame.bytes, attachments: attachments, replyAttachments: leaving)
      return ControlFrame(kind: .reply, bytes: reply, descriptors: leaving.toSend)
    }
    var replies = ByteBatch()
    for call in ByteBatch.parts(of: frame.bytes) ?? [] {
      let reply = invokeCall(call, attachments: attachments, replyAttachments: leaving)
      replies.append(reply)
      if isErrorReply(reply) { break }
    }
    return ControlFrame(kind: .batchReply, bytes: replies.bytes, descriptors: leaving.toSend)
  }

  private static func replyAsync(to frame: ControlFrame) async -> ControlFrame {
    let attachments = AttachmentList(receivedWith: frame)
    defer { attachments.closeRest() }
    let leaving = AttachmentList()
    let reply = await invokeCallAsync(frame.bytes, attachments: attachments, replyAttachments: leaving)
    return ControlFrame(kind: .reply, bytes: reply, descriptors: leaving.toSend)
  }
}

/// What a running call sees as its cancellation: a number in the memory that the worker shares with its parent.
private final class CallStop: CancellationSource {
  private let cell: WorkerCell
  private let number: UInt64

  init(_ cell: WorkerCell, _ number: UInt64) {
    self.cell = cell
    self.number = number
  }

  var isCancellationRequested: Bool { cell.stopped == number }
  var cancellation: CancellationToken { CancellationToken(observing: { self.isCancellationRequested }) }
}
