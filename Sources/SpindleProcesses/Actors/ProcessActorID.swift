internal import Distributed
internal import SpindleGround

/// Which process of a system of actors: the way to it from the root, which made the system.
///
/// A message finds its way by comparing: what begins with one's own name is further down, anything else further up.
struct NodeName: Hashable, Codable, Sendable {
  /// At random, so that two systems of one program are not mixed up.
  var root: UInt64
  var path: [UInt32] = []

  func child(_ number: UInt32) -> NodeName { NodeName(root: root, path: path + [number]) }

  func contains(_ other: NodeName) -> Bool { root == other.root && other.path.starts(with: path) }
}

struct ActorKey: Hashable, Sendable {
  var node: NodeName
  var number: UInt64
}

/// The name of an actor of a `ProcessActorSystem`, in every process of the system.
///
/// It is `Codable`, and so are references to such actors: they can be arguments and results of the methods of other actors
/// of the system. Equal names are names of the same actor.
public struct ProcessActorID: Hashable, Sendable, CustomStringConvertible {
  let key: ActorKey
  /// Keeps an actor of another process alive there; nil for one of this process, and for a name from elsewhere.
  let lease: ActorLease?

  public static func == (a: ProcessActorID, b: ProcessActorID) -> Bool { a.key == b.key }

  public func hash(into hasher: inout Hasher) { hasher.combine(key) }

  public var description: String {
    let place = key.node.path.isEmpty ? "root" : key.node.path.map(String.init).joined(separator: ".")
    return "actor \(key.number) in process \(place)"
  }
}

extension ProcessActorID: Codable {
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    try container.encode(key.node.root)
    try container.encode(key.node.path)
    try container.encode(key.number)
    guard let node = encoder as? WireEncoder else { return }
    guard let actors = node.state.actors, actors.system.node.root == key.node.root else {
      throw EncodingError.invalidValue(
        self,
        .init(
          codingPath: encoder.codingPath,
          debugDescription: "a reference to an actor can only be sent to actors of its own ProcessActorSystem"))
    }
    actors.mention(self)
  }

  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    let root = try container.decode(UInt64.self)
    let path = try container.decode([UInt32].self)
    key = ActorKey(node: NodeName(root: root, path: path), number: try container.decode(UInt64.self))
    lease = (decoder as? WireDecoder)?.state.actors?.system.lease(for: key)
  }
}

/// Counts how often this process was told an actor's name, and says so to the actor's process when the last copy is gone.
///
///     teller                               told                        the actor's process
///     L1 "so many more for told"     ──────────────────────────────►   adds
///     L2 the name, in a message  ──►  L3 adds to its lease
///                                     L4 the last copy goes: "so many fewer"  ──►   subtracts; at zero nobody knows it
///
/// All messages travel along one tree, each link in order. L1 and L2 part at some process, which L1 passes first; L4 comes
/// through it after L2. So the subtraction never overtakes its addition.
final class ActorLease: Sendable {
  let key: ActorKey
  private let system: ProcessActorSystem
  private let count = RawGuarded(0)

  init(_ key: ActorKey, _ system: ProcessActorSystem) {
    self.key = key
    self.system = system
  }

  func add() { count.withLock { $0 += 1 } }

  deinit { system.release(key, count: count.withLock { $0 }) }
}

/// What a message from or to another process needs when references to actors are in it.
final class ActorContext {
  let system: ProcessActorSystem
  /// Where a reply goes; the one of a call is not known while its arguments are encoded.
  private let peer: NodeName?
  /// Whose names were encoded. Kept until their processes know: by their leases, and by themselves if they live here.
  private var mentioned: [ProcessActorID] = []
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
