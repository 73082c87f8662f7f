/// What the processes of a system of actors say to each other. Each message goes from one process of the tree to any other;
/// those between read only where it goes.
///
///     configuration (first message)   parent to child: its place in the tree
///     call, make                      call a method of an actor; make an actor. Both are answered by a reply
///     cancel                          the caller of a call was cancelled
///     retain, release,                see ActorLease
///     settle, settled
///     died                            over every link: a process has ended, with what it had
///     farewell                        child to parent: nobody knows an actor of mine any more
///     dismissal                       parent to child: end
extension ControlFrame.Kind {
  static let actorConfiguration = message(1)
  static let actorCall = message(2)
  static let actorMake = message(3)
  static let actorReply = message(4)
  static let actorCancel = message(5)
  static let actorRetain = message(6)
  static let actorRelease = message(7)
  static let actorNodeDied = message(8)
  static let actorFarewell = message(9)
  static let actorDismissal = message(10)
  static let actorSettle = message(11)
  static let actorSettled = message(12)
}

struct ActorConfiguration: Codable, Sendable {
  var identity: ProcessIdentity
  var node: NodeName
  var endsWhenUnused: Bool
}

/// The first value of every message that finds its way by itself.
struct ActorMessageHead: DirectlyCoded, Hashable, Sendable {
  var to: NodeName
  var from: NodeName
  /// Of the call, among those of its caller; the answer has the same.
  var number: UInt64

  func put(into state: EncodingState) {
    to.put(into: state)
    from.put(into: state)
    state.putInteger(number)
  }

  static func take(from state: DecodingState, at place: inout Int) -> ActorMessageHead? {
    guard let to = NodeName.take(from: state, at: &place), let from = NodeName.take(from: state, at: &place),
      let number = state.takeInteger(UInt64.self, at: &place)
    else { return nil }
    return ActorMessageHead(to: to, from: from, number: number)
  }

  init(to: NodeName, from: NodeName, number: UInt64 = 0) {
    self.to = to
    self.from = from
    self.number = number
  }

  init?(_ frame: ControlFrame) {
    let head = try? unsafe frame.bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes)
      return try reader.decode(ActorMessageHead.self)
    }
    guard let head else { return nil }
    self = head
  }
}

extension ControlFrame {
  /// The value that follows the head; nil when the bytes are malformed.
  func behindHead<Value: Decodable>(_ type: Value.Type) -> Value? {
    try? unsafe bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes)
      _ = try reader.decode(ActorMessageHead.self)
      return try reader.decode(type)
    }
  }
}

extension NodeName {
  func put(into state: EncodingState) {
    state.putInteger(root)
    state.putVarint(path.count)
    for step in path { state.putVarint(Int(step)) }
  }

  static func take(from state: DecodingState, at place: inout Int) -> NodeName? {
    guard let root = state.takeInteger(UInt64.self, at: &place), let count = state.takeVarint(at: &place), count <= 64
    else { return nil }
    var name = NodeName(root: root)
    for _ in 0..<count {
      guard let step = state.takeVarint(at: &place).flatMap({ UInt32(exactly: $0) }) else { return nil }
      name.path.append(step)
    }
    return name
  }
}

/// A process of the tree has ended.
struct ActorNodeDeath: Codable, Sendable {
  var node: NodeName
  var worker: String
  var pid: Int32
  var exitStatus: ProcessExitStatus
  var detail: String?
  var peakResidentMemory: Int?
  var backtrace: String?
  /// It was to end, so this is no death.
  var wasAsked = false

  func error(call: String?) -> any Error {
    if wasAsked { return ProcessActorError("the process of the actor has been shut down") }
    return WorkerDiedError(
      worker: worker, pid: pid, exitStatus: exitStatus, call: call, detail: detail,
      peakResidentMemory: peakResidentMemory, backtrace: backtrace)
  }
}
