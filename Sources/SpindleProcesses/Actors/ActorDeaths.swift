/// What a process knows of those of its tree that have ended: which, all of them; how, the latest.
struct ActorDeaths: Sendable {
  static let keptCount = 256

  private var ended = EndedNodes()
  private var latest: [NodeName: ActorNodeDeath] = [:]
  /// The names in `latest`; once it is full the oldest is at `oldest`.
  private var order: [NodeName] = []
  private var oldest = 0

  mutating func insert(_ death: ActorNodeDeath) {
    ended.insert(death.node.path)
    if latest.updateValue(death, forKey: death.node) != nil { return }
    if order.count < Self.keptCount { return order.append(death.node) }
    latest[order[oldest]] = nil
    order[oldest] = death.node
    oldest = (oldest + 1) % Self.keptCount
  }

  /// Whether that process of this tree, or one above it, has ended.
  func contains(_ place: NodeName) -> Bool { ended.contains(place.path) }

  /// What is thrown to who asks something of a process that has ended; nil when it has not.
  func error(_ place: NodeName, call: String?) -> (any Error)? {
    guard contains(place) else { return nil }
    var name = NodeName(root: place.root)
    for step in place.path {
      name.path.append(step)
      if let death = latest[name] { return death.error(call: call) }
    }
    // So long ago that nobody remembers how.
    return ProcessActorError.ended
  }
}
