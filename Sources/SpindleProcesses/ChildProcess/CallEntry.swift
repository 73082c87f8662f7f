internal import SpindleGround

/// What a child of `ChildProcess` does: one call, one reply.
enum CallEntry {
  /// The exit code after a function threw, as in CPython.
  static let failureCode: Int32 = 1

  static func run(over channel: ControlChannel = .ofWorker) -> Int32 {
    guard let first = channel.receive(), first.kind == ProcessRecord.Message.identity,
      let identity = try? Wire.decode(ProcessIdentity.self, from: first.bytes),
      let call = channel.receive(), call.kind == ProcessRecord.Message.call
    else { return 127 }
    ProcessIdentity.current = identity

    let arrived = AttachmentList(receivedWith: call)
    let leaving = AttachmentList()
    let reply = perform(call.bytes, arrived, leaving)
    arrived.closeRest()
    channel.send(ControlFrame(kind: ProcessRecord.Message.reply, bytes: reply, descriptors: leaving.toSend))
    return isFailure(reply) ? failureCode : 0
  }

  private static func perform(_ call: [UInt8], _ arrived: AttachmentList, _ leaving: AttachmentList) -> [UInt8] {
    guard isAsyncCall(call) else { return invokeCall(call, attachments: arrived, replyAttachments: leaving) }
    // This thread is the worker's own, none of Swift's cooperative ones: it may block.
    let done = Gate()
    let reply = RawGuarded<[UInt8]>([])
    Task.detached {
      let bytes = await invokeCallAsync(call, attachments: arrived, replyAttachments: leaving)
      reply.withLock { $0 = bytes }
      done.open()
    }
    done.wait("an async function, in a child process")
    return reply.withLock { $0 }
  }

  private static func isFailure(_ reply: [UInt8]) -> Bool {
    // SAFETY: the reader reads within the array's bytes, which stay for the closure.
    let kind = try? unsafe reply.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes)
      return try reader.decode(ReplyKind.self)
    }
    return kind != .value
  }
}

extension AttachmentList {
  /// The descriptors that came with a frame, which gives them up.
  package convenience init(receivedWith frame: ControlFrame) {
    self.init(received: frame.descriptors.map { $0.take() })
  }

  /// Closes what no value took.
  package func closeRest() { for number in takeRest() { _ = OwnedDescriptor(owning: number) } }

  /// For a frame to carry; the list keeps them open until they are sent.
  package var toSend: [OwnedDescriptor] { descriptors.map { OwnedDescriptor($0, keptBy: self) } }
}
