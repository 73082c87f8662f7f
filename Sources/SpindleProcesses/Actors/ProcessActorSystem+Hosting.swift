internal import Distributed
internal import SpindleGround

/// The side of the process in which the actors live.
extension ProcessActorSystem {
  /// Runs a call in a task of its own. Never waits.
  func host(_ message: ReceivedMessage, _ head: ActorMessageHead) {
    FaultPoint.actorCallTaken.reach()
    state.withLock { state in
      state.running[head] = .some(nil)
      state.runningCount += 1
      state.wasUsed = true
    }
    let task = Task.detached { [self] in
      let reply = await perform(message, head)
      FaultPoint.actorCallDone.reach()
      post(reply.frame, to: head.from)
      reply.context.tell(head.from)
      FaultPoint.actorReplyPosted.reach()
      state.withLock { state in
        state.running[head] = nil
        state.runningCount -= 1
      }
      sayFarewellIfUnused()
    }
    state.withLock { state in
      // Unless it has ended already.
      if state.running[head] != nil { state.running[head] = task }
    }
  }

  private func perform(_ message: ReceivedMessage, _ head: ActorMessageHead) async -> ActorReplyDraft {
    let reply = ActorReplyDraft(ActorMessageHead(to: head.from, from: node, number: head.number), self)
    let attachments = AttachmentList(receivedWith: message.frame)
    defer { attachments.closeRest() }
    do {
      if message.frame.kind == .actorMake {
        let prepared = try prepare(message, attachments, reply.context)
        let actor = try await prepared.make(self)
        guard let id = actor.id as? ProcessActorID, id.key.node == node else {
          throw ProcessActorError("the function made an actor of another system")
        }
        // Until the reply is written, which counts the one who asked as a holder.
        try withExtendedLifetime(actor) { try reply.write(id) }
      } else {
        let (call, actor, decoder) = try prepareCall(message, attachments, reply.context)
        var arguments = decoder
        try await actor.hosted.perform(
          RemoteCallTarget(call), on: actor.actor, in: self, &arguments, ResultHandler(reply: reply))
      }
    } catch {
      reply.write(failure: error)
    }
    return reply
  }

  private func prepare(
    _ message: ReceivedMessage, _ attachments: AttachmentList, _ context: ActorContext
  ) throws -> PreparedActor {
    try message.read(attachments, context) { reader in
      guard let maker = try CallHeader.invoker(at: &reader) as? any ActorMaking else {
        throw FunctionNameError("malformed call: not one that makes an actor")
      }
      return try maker.prepareActor(&reader)
    }
  }

  private func prepareCall(
    _ message: ReceivedMessage, _ attachments: AttachmentList, _ context: ActorContext
  ) throws -> (String, (hosted: AnyHostedActor, actor: any DistributedActor), InvocationDecoder) {
    try message.read(attachments, context) { reader in
      let number = try reader.decode(UInt64.self)
      let mark = try reader.decode(UInt64.self)
      let target = try reader.decode(String.self)
      let generics = try reader.decode([TypeName].self).map { try $0.resolve() }
      let found = state.withLock { state in
        state.actors[number].flatMap { hosted in hosted.actor.map { (hosted: hosted, actor: $0) } }
      }
      guard let found else {
        throw ProcessActorError("\(ProcessActorID(key: ActorKey(node: node, number: number), lease: nil)) has been released")
      }
      guard found.hosted.typeMark == mark else {
        throw ProcessActorError("\(ProcessActorID(key: ActorKey(node: node, number: number), lease: nil)) is of another type")
      }
      let decoder = InvocationDecoder(
        message: message, place: reader.offset, generics: generics, attachments: attachments, context: context)
      return (target, found, decoder)
    }
  }

  /// A process that was made for one actor ends when nobody knows an actor in it any more.
  func sayFarewellIfUnused() {
    guard endsWhenUnused, let uplink else { return }
    let isUnused = state.withLock { state in
      state.wasUsed && state.runningCount == 0 && state.processes.isEmpty && state.actors.values.allSatisfy { $0.holders.isEmpty }
    }
    if isUnused { uplink(ControlFrame(kind: .actorFarewell)) }
  }
  /// For tests: whether no call runs here.
  package var isIdle: Bool { state.withLock { $0.runningCount == 0 } }
}
