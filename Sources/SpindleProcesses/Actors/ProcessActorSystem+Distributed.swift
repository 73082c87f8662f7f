public import Distributed

/// What Swift asks of a system of distributed actors. Not for calling by hand.
extension ProcessActorSystem {
  public func resolve<Act>(id: ProcessActorID, as actorType: Act.Type) throws -> Act?
  where Act: DistributedActor, Act.ID == ProcessActorID {
    guard id.key.node.root == node.root else { throw ProcessActorError("\(id) belongs to another system") }
    guard id.key.node == node else { return nil }  // Elsewhere: Swift makes a reference.
    guard let actor = state.withLock({ $0.actors[id.key.number]?.actor }) else {
      throw ProcessActorError("\(id) has been released")
    }
    guard let actor = actor as? Act else { throw ProcessActorError("\(id) is no \(actorType)") }
    return actor
  }

  public func assignID<Act>(_ actorType: Act.Type) -> ProcessActorID
  where Act: DistributedActor, Act.ID == ProcessActorID {
    state.withLock { state in
      state.lastActor += 1
      state.actors[state.lastActor] = HostedActor<Act>()
      return ProcessActorID(key: ActorKey(node: node, number: state.lastActor), lease: nil)
    }
  }

  public func actorReady<Act>(_ actor: Act) where Act: DistributedActor, Act.ID == ProcessActorID {
    state.withLock { state in (state.actors[actor.id.key.number] as? HostedActor<Act>)?.become(actor) }
  }

  public func resignID(_ id: ProcessActorID) {
    // Its destruction, outside the lock, is that of a small object without user code.
    _ = state.withLock { $0.actors.removeValue(forKey: id.key.number) }
    sayFarewellIfUnused()
  }

  public func makeInvocationEncoder() -> ProcessActorInvocationEncoder {
    ProcessActorInvocationEncoder(contents: .init(self))
  }

  public func remoteCall<Act, Err, Res>(
    on actor: Act, target: RemoteCallTarget, invocation: inout ProcessActorInvocationEncoder, throwing: Err.Type,
    returning: Res.Type
  ) async throws -> Res
  where Act: DistributedActor, Act.ID == ProcessActorID, Err: Error, Res: Codable & Sendable {
    let reply = try await call(actor.id.key, Act.self, target, invocation.contents)
    return try read(reply) { try $0.decode(Res.self) }
  }

  public func remoteCallVoid<Act, Err>(
    on actor: Act, target: RemoteCallTarget, invocation: inout ProcessActorInvocationEncoder, throwing: Err.Type
  ) async throws where Act: DistributedActor, Act.ID == ProcessActorID, Err: Error {
    let reply = try await call(actor.id.key, Act.self, target, invocation.contents)
    try read(reply) { _ in }
  }
}
