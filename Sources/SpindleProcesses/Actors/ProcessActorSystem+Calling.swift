internal import Distributed
internal import SpindleGround

/// The caller's side.
extension ProcessActorSystem {
  func startProcess(name: String?, startMethod: StartMethod, endsWhenUnused: Bool) throws -> ActorProcess {
    let process: ActorProcess? = state.withLock { state in
      guard !state.isShutDown else { return nil }
      state.lastProcess += 1
      let process = ActorProcess(
        name: name ?? "\(self.name)-\(state.lastProcess)", node: node.child(state.lastProcess), system: self)
      state.processes[state.lastProcess] = process
      return process
    }
    guard let process else { throw ProcessActorError("the system \"\(self.name)\" has been shut down") }
    process.launch(self, startMethod, endsWhenUnused: endsWhenUnused)
    return process
  }

  func make<Act: DistributedActor>(
    _: Act.Type, _ target: CallTarget, in place: NodeName, _ title: String, arguments: (borrowing WireWriter) throws -> Void
  ) async throws -> Act where Act.ActorSystem == ProcessActorSystem {
    let contents = InvocationEncoder.Contents(self)
    try arguments(contents.arguments)
    let reply = try await ask(place, .actorMake, title, contents) { writer in writer.append(target.header) }
    let id = try read(reply) { try $0.decode(ProcessActorID.self) }
    return try Act.resolve(id: id, using: self)
  }

  func call(
    _ key: ActorKey, _ type: Any.Type, _ target: RemoteCallTarget, _ contents: InvocationEncoder.Contents
  ) async throws -> ReceivedMessage {
    try await ask(key.node, .actorCall, "\(target)", contents) { writer in
      try writer.encode(key.number)
      try writer.encode(actorTypeMark(type))
      try writer.encode(target.identifier)
      try writer.encode(contents.generics)
    }
  }

  /// Sends a call and waits for its reply.
  private func ask(
    _ place: NodeName, _ kind: ControlFrame.Kind, _ title: String, _ contents: InvocationEncoder.Contents,
    front: (borrowing WireWriter) throws -> Void
  ) async throws -> ReceivedMessage {
    try Task.checkCancellation()
    let number = state.withLock { state in
      state.lastCall += 1
      return state.lastCall
    }
    let head = ActorMessageHead(to: place, from: node, number: number)
    let writer = WireWriter(capacity: contents.arguments.count + 256)
    try writer.encode(head)
    try writer.encode(contents.context.names)
    try front(writer)
    unsafe contents.arguments.withBytes { unsafe writer.append($0) }
    let frame = ControlFrame(kind: kind, bytes: writer.bytes, descriptors: contents.attachments.toSend)
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let refused: (any Error)? = state.withLock { state in
          if let reason = refusal(place, title, state) { return reason }
          state.pending[number] = PendingCall(to: place, title: title, continuation: continuation)
          return nil
        }
        if let refused { return continuation.resume(throwing: refused) }
        contents.context.tell(place)  // L1, before the call, which is L2
        post(frame, to: place)
        FaultPoint.actorCallPosted.reach()
        // Cancelled before there was a call: then the cancellation went ahead of it and was of nothing.
        if Task.isCancelled { post(message(.actorCancel, head), to: place) }
      }
    } onCancel: {
      // The reply still comes, and says what became of the call.
      post(message(.actorCancel, head), to: place)
    }
  }

  /// Why nothing can be asked of that process.
  private func refusal(_ place: NodeName, _ title: String, _ state: borrowing State) -> (any Error)? {
    if state.isShutDown { return ProcessActorError("the system \"\(name)\" has been shut down") }
    if place.root != node.root { return ProcessActorError("the actor belongs to another system") }
    if let error = state.deaths.error(place, call: title) { return error }
    if place == node { return ProcessActorError("the actor has been released") }
    if node.contains(place), state.processes[place.path[node.path.count]] == nil {
      return ProcessActorError.ended
    }
    return nil
  }

  /// Whether nothing that is told to that process reaches it any more.
  func isGone(_ place: NodeName, _ state: borrowing State) -> Bool {
    if place != node, node.contains(place), state.processes[place.path[node.path.count]] == nil { return true }
    return place.root == node.root && state.deaths.contains(place)
  }

  /// Reads a reply: the result, or the error that is thrown.
  func read<R>(_ reply: ReceivedMessage, _ body: (inout WireReader) throws -> R) throws -> R {
    let attachments = AttachmentList(receivedWith: reply.frame)
    defer { attachments.closeRest() }
    return try reply.read(attachments, ActorContext(self)) { reader in
      let kind = try reader.decode(ReplyKind.self)
      guard kind == .value else { throw try kind.error(&reader) }
      let value = try body(&reader)
      try reader.finish()
      return value
    }
  }

  /// A message that is nothing but its head, or has one value after it.
  func message(_ kind: ControlFrame.Kind, _ head: ActorMessageHead, _ value: (any Encodable)? = nil) -> ControlFrame {
    let writer = WireWriter()
    // Plain values, which always can be encoded.
    try? writer.encode(head)
    if let value { try? writer.encode(value) }
    return ControlFrame(kind: kind, bytes: writer.bytes)
  }
}
