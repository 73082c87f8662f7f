internal import Distributed

/// What a message from or to another process needs when references to actors are in it.
final class ActorContext {
  let system: ProcessActorSystem
  /// Where a reply goes; the one of a call is not known while its arguments are encoded.
  private let peer: NodeName?
  /// Whose names were encoded. Kept until their processes know: by their leases, and by themselves if they live here.
  private var mentioned: [ProcessActorID] = []
  var names: ActorNames { ActorNames(keys: mentioned.map(\.key)) }
  private var kept: [any DistributedActor] = []

  init(_ system: ProcessActorSystem, peer: NodeName? = nil) {
    self.system = system
    self.peer = peer
  }

  func mention(_ id: ProcessActorID) {
    mentioned.append(id)
    if id.key.node == system.node, let actor = system.state.withLock({ $0.actors[id.key.number]?.actor }) {
      kept.append(actor)
    }
    // A result may have no other reference when it has been encoded.
    if let peer { system.tell(peer, of: id.key, 1) }
  }

  /// L1: the bytes are about to be sent.
  func tell(_ place: NodeName) {
    if peer == nil { for id in mentioned { system.tell(place, of: id.key, 1) } }
    mentioned = []
    kept = []
  }

  /// The bytes will not be sent.
  func takeBack() {
    if let peer { for id in mentioned { system.tell(peer, of: id.key, -1) } }
    mentioned = []
    kept = []
  }
}
