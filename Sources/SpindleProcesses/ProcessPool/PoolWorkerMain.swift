internal import SpindleFutures
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
    while let frame = channel.receive() {  // C1
      switch frame.kind {
      case .call, .batch:
        number += 1
        cell.begun = number  // C2
        channel.send(reply(to: frame))  // C3, C4
      case .dismissal: return 0
      default: break
      }
    }
    return 0
  }

  private static func reply(to frame: ControlFrame) -> ControlFrame {
    let attachments = AttachmentList(receivedWith: frame)
    defer { attachments.closeRest() }
    let replyAttachments = AttachmentList()
    if frame.kind == .call {
      let reply = invoke(frame.bytes, attachments, replyAttachments)
      return ControlFrame(kind: .reply, bytes: reply, descriptors: replyAttachments.toSend)
    }
    var replies = ByteBatch()
    for call in ByteBatch.parts(of: frame.bytes) ?? [] {
      let reply = invoke(call, attachments, replyAttachments)
      replies.append(reply)
      if isErrorReply(reply) { break }
    }
    return ControlFrame(kind: .batchReply, bytes: replies.bytes, descriptors: replyAttachments.toSend)
  }

  private static func invoke(_ call: [UInt8], _ attachments: AttachmentList, _ replyAttachments: AttachmentList) -> [UInt8] {
    guard isAsyncCall(call) else {
      return invokeCall(call, attachments: attachments, replyAttachments: replyAttachments)
    }
    // This thread is the worker's own, none of those that run tasks.
    let reply = RawGuarded<[UInt8]>([])
    let done = Gate()
    Task.detached {
      let bytes = await invokeCallAsync(call, attachments: attachments, replyAttachments: replyAttachments)
      reply.withLock { $0 = bytes }
      done.open()
    }
    done.wait("an async call of a process pool")
    return reply.withLock { $0 }
  }
}
