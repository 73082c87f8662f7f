internal import Distributed
internal import SpindleGround

/// The side of the process in which the actors live.
extension ProcessActorSystem {
  /// Runs a call in a task of its own. Never waits.
  func host(_ frame: ControlFrame, _ head: ActorMessageHead) {
    FaultPoint.actorCallTaken.reach()
    state.withLock { state in
      state.running[head] = .some(nil)
      state.wasUsed = true
    }
    let task = Task.detached { [self] in
      let reply = await perform(frame, head)
      FaultPoint.actorCallDone.reach()
      reply.context.tell(head.from)
      post(reply.frame, to: head.from)
      FaultPoint.actorReplyPosted.reach()
      _ = state.withLock { $0.running.removeValue(forKey: head) }
      sayFarewellIfUnused()
    }
    state.withLock { state in
      // Unless it has ended already.
      if state.running[head] != nil { state.running[head] = task }
    }
  }

  private func perform(_ frame: ControlFrame, _ head: ActorMessageHead) async -> ActorReplyDraft {
    let reply = ActorReplyDraft(ActorMessageHead(to: head.from, from: node, number: head.number), self)
    let attachments = AttachmentList(receivedWith: frame)
    defer { attachments.closeRest() }
    do {
      if frame.kind == .actorMake {
        let prepared = try prepare(frame, attachments, reply.context)
        let actor = try await prepared.make(self)
        guard let id = actor.id as? ProcessActorID, id.key.node == node else {
          throw ProcessActorError("the function made an actor of another system")
        }
        // Until the reply is written, which counts the one who asked as a holder.
        try withExtendedLifetime(actor) { try reply.write(id) }
      } else {
        let (call, actor, decoder) = try prepareCall(frame, attachments, reply.context)
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
    _ frame: ControlFrame, _ attachments: AttachmentList, _ context: ActorContext
  ) throws -> PreparedActor {
    try unsafe frame.bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes, from: 0, attachments: attachments, actors: context)
      _ = try reader.decode(ActorMessageHead.self)
      guard let maker = try CallHeader.invoker(at: &reader) as? any ActorMaking else {
        throw FunctionNameError("malformed call: not one that makes an actor")
      }
      return try maker.prepareActor(&reader)
    }
  }

  private func prepareCall(
    _ frame: ControlFrame, _ attachments: AttachmentList, _ context: ActorContext
  ) throws -> (String, (hosted: AnyHostedActor, actor: any DistributedActor), InvocationDecoder) {
    try unsafe frame.bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes, from: 0, attachments: attachments, actors: context)
      _ = try reader.decode(ActorMessageHead.self)
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
        bytes: frame.bytes, place: reader.offset, generics: generics, attachments: attachments, context: context)
      return (target, found, decoder)
    }
  }

  // MARK: Who knows which actor

  /// L1. Says that `place` will be told this name so many times more (or was to be, and will not).
  func tell(_ place: NodeName, of key: ActorKey, _ change: Int) {
    if key.node == place { return }  // It needs no reference to its own.
    if key.node == node { return hold(key.number, for: place, change) }
    let head = ActorMessageHead(to: key.node, from: node)
    let count = ActorCount(actor: key.number, holder: place, count: abs(change))
    post(message(change > 0 ? .actorRetain : .actorRelease, head, count), to: key.node)
    FaultPoint.actorNameCounted.reach()
  }

  func count(_ frame: ControlFrame, _ sign: Int) {
    let found: ActorCount? = try? unsafe frame.bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes)
      _ = try reader.decode(ActorMessageHead.self)
      return try reader.decode(ActorCount.self)
    }
    guard let found, found.count > 0, found.count < 1 << 40 else { return }
    hold(found.actor, for: found.holder, sign * found.count)
  }

  func hold(_ number: UInt64, for holder: NodeName, _ change: Int) {
    let dropped: AnyObject? = state.withLock { state in
      guard let actor = state.actors[number] else { return nil }
      // Not for one that has ended: what it was told while ending must not stay.
      if change > 0, isGone(holder, state) { return nil }
      let count = (actor.holders[holder] ?? 0) + change
      actor.holders[holder] = count > 0 ? count : nil
      if change > 0 { actor.keep() }
      return actor.holders.isEmpty ? actor.letGo() : nil
    }
    // Released here, outside the lock: its deinitialiser is the user's.
    withExtendedLifetime(dropped) {}
  }

  /// The lease for a name that arrived in a message.
  func lease(for key: ActorKey) -> ActorLease? {
    guard key.node != node, key.node.root == node.root else { return nil }
    let lease = state.withLock { state in
      if let lease = state.leases[key]?.lease { return lease }
      let lease = ActorLease(key, self)
      state.leases[key] = WeakLease(lease: lease)
      return lease
    }
    lease.add()  // L3
    return lease
  }

  /// L4.
  func release(_ key: ActorKey, count: Int) {
    state.withLock { state in
      if let entry = state.leases[key], entry.lease == nil { state.leases[key] = nil }
    }
    guard count > 0 else { return }
    let head = ActorMessageHead(to: key.node, from: node)
    post(message(.actorRelease, head, ActorCount(actor: key.number, holder: node, count: count)), to: key.node)
    FaultPoint.actorNameReleased.reach()
  }

  /// A process that was made for one actor ends when nobody knows an actor in it any more.
  func sayFarewellIfUnused() {
    guard endsWhenUnused, let uplink else { return }
    let isUnused = state.withLock { state in
      state.wasUsed && state.running.isEmpty && state.processes.isEmpty && state.actors.values.allSatisfy { $0.holders.isEmpty }
    }
    if isUnused { uplink(ControlFrame(kind: .actorFarewell)) }
  }
}
