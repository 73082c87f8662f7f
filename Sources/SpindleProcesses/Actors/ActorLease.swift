internal import SpindleGround

/// Keeps an actor of another process alive, which is told when the last copy of its name in this process is gone.
///
///     teller                                told                             the actor's process
///     L1 "one more for told, from me" ──────────────────────────────────►   adds
///     L2 the name, in a message  ──────►   L3 counts it as the teller's
///                                          L4 the last copy goes:
///                                             "so many fewer, from them" ──► subtracts; at zero nobody knows the actor
///
/// All messages travel along one tree, each link in order. L1 and L2 part at some process, which L1 passes first; L4 comes
/// through it after L2. So the subtraction never overtakes its addition.
///
/// A teller that dies between L1 and L2 leaves an addition that nobody subtracts. So its end is followed by a settlement:
///
///     told                                  the actor's process
///                                          S1 learns of the end, behind every L1 of the dead
///     S3 behind every L2 of the dead   ◄── S2 "how many names have you from the dead?"
///     S4 its count; L4s go before it   ──► S5 that is the number from now on
final class ActorLease: Sendable {
  let key: ActorKey
  private let system: ProcessActorSystem

  init(_ key: ActorKey, _ system: ProcessActorSystem) {
    self.key = key
    self.system = system
  }

  deinit { system.release(key) }
}

/// What a process knows of an actor elsewhere.
struct KnownActor {
  /// Nil while the last one goes: a new one takes over its names.
  weak var lease: ActorLease?
  /// How often each process told its name, as far as the actor's process has not heard that those are gone.
  var told: [NodeName: Int] = [:]
}

/// How often `holder` was told the name of an actor of the process the message goes to, and by whom.
struct ActorCount: Codable, Sendable {
  struct Told: Codable, Sendable {
    var teller: NodeName
    var count: Int
  }
  var actor: UInt64
  var holder: NodeName
  var told: [Told]

  init(_ actor: UInt64, _ holder: NodeName, _ told: [NodeName: Int]) {
    (self.actor, self.holder) = (actor, holder)
    self.told = told.map { Told(teller: $0.key, count: $0.value) }
  }
}

/// The names in a call or a reply, each as often as it was counted for the receiver; behind the head, so that they are known
/// whether the rest is read or not.
struct ActorNames: DirectlyCoded {
  var keys: [ActorKey] = []

  func put(into state: EncodingState) {
    state.putVarint(keys.count)
    for key in keys {
      key.node.put(into: state)
      state.putInteger(key.number)
    }
  }

  static func take(from state: DecodingState, at place: inout Int) -> ActorNames? {
    guard let count = state.takeVarint(at: &place) else { return nil }
    var names = ActorNames()
    for _ in 0..<count {
      guard let node = NodeName.take(from: state, at: &place), let number = state.takeInteger(UInt64.self, at: &place)
      else { return nil }
      names.keys.append(ActorKey(node: node, number: number))
    }
    return names
  }
}

/// A call or a reply that has arrived.
struct ReceivedMessage: Sendable {
  let frame: ControlFrame
  /// Of the names in it, until those have been read.
  let leases: [ActorLease]

  /// Reads what follows the head and the names.
  func read<R>(
    _ attachments: AttachmentList, _ context: ActorContext, _ body: (inout WireReader) throws -> R
  ) throws -> R {
    try withExtendedLifetime(leases) {
      try unsafe frame.bytes.withUnsafeBytes { bytes in
        var reader = unsafe WireReader(bytes, from: 0, attachments: attachments, actors: context)
        _ = try reader.decode(ActorMessageHead.self)
        _ = try reader.decode(ActorNames.self)
        return try body(&reader)
      }
    }
  }
}
