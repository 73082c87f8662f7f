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

struct ActorKey: Hashable, Codable, Sendable {
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
    lease = (decoder as? WireDecoder)?.state.actors?.system.lease(for: key, toldBy: nil)
  }
}
