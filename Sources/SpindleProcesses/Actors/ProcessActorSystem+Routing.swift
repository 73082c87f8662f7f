internal import Distributed
internal import SpindleGround

/// Messages on their way, and the ends of processes.
extension ProcessActorSystem {
  /// Sends a message towards its process. Never waits.
  func post(_ frame: ControlFrame, to place: NodeName) {
    if place == node { return receive(frame, from: nil) }
    if node.contains(place) {
      let process = state.withLock { $0.processes[place.path[node.path.count]] }
      if let process { return process.send(frame) }
      return returnToSender(frame)
    }
    if let uplink, place.root == node.root { uplink(frame) } else { returnToSender(frame) }
  }

  /// The way ends here. Who waits for an answer gets this one.
  private func returnToSender(_ frame: ControlFrame) {
    guard frame.kind == .actorCall || frame.kind == .actorMake, let head = ActorMessageHead(frame) else { return }
    let error: any Error =
      state.withLock { state in head.to.root == node.root ? state.deaths.error(head.to, call: nil) : nil }
      ?? ProcessActorError.ended
    fail(head, error)
  }

  private func fail(_ head: ActorMessageHead, _ error: any Error) {
    let draft = ActorReplyDraft(ActorMessageHead(to: head.from, from: node, number: head.number), self)
    draft.write(failure: error)
    post(draft.frame, to: head.from)
  }

  /// Takes a message, from above (nil) or below. Never waits and runs no user code.
  package func receive(_ frame: ControlFrame, from process: ActorProcess?) {
    switch frame.kind {
    case .actorFarewell:
      process?.dismiss()
      return
    case .actorNodeDied:
      // Each is believed about what lies on its side.
      if let death = decodeDeath(frame), death.node.root == node.root,
        process.map({ $0.node.contains(death.node) }) ?? !node.contains(death.node)
      {
        learn(of: death, from: process)
      }
      return
    default: break
    }
    guard let head = ActorMessageHead(frame) else { return }
    guard head.to == node else {
      FaultPoint.actorMessagePassedOn.reach()
      return post(frame, to: head.to)
    }
    switch frame.kind {
    case .actorCall, .actorMake: host(open(frame, head), head)
    case .actorReply:
      let reply = open(frame, head)
      FaultPoint.actorReplyTaken.reach()
      // Only the called one's side can know the number; a reply to nothing is left.
      let call = state.withLock { $0.pending.removeValue(forKey: head.number) }
      call?.continuation.resume(returning: reply)
    case .actorCancel:
      let call = ActorMessageHead(to: head.to, from: head.from, number: head.number)
      let task = state.withLock { $0.running[call] }
      task??.cancel()
    case .actorRetain, .actorRelease, .actorSettle, .actorSettled: count(frame, head)
    default: break
    }
  }

  /// Counts the names in it as told.
  private func open(_ frame: ControlFrame, _ head: ActorMessageHead) -> ReceivedMessage {
    let leases = (frame.behindHead(ActorNames.self)?.keys ?? []).compactMap { lease(for: $0, toldBy: head.from) }
    return ReceivedMessage(frame: frame, leases: leases)
  }

  private func decodeDeath(_ frame: ControlFrame) -> ActorNodeDeath? {
    try? Wire.decode(ActorNodeDeath.self, from: frame.bytes)
  }

  /// A child of this process has ended. On the supervisor's thread.
  func processEnded(_ process: ActorProcess, _ pid: Int32?, _ end: WorkerProcess.End) {
    var death = ActorNodeDeath(
      node: process.node, worker: process.name, pid: pid ?? 0, exitStatus: end.exitStatus, detail: end.detail,
      peakResidentMemory: end.peakResidentMemory, backtrace: end.backtrace)
    death.wasAsked = process.wasDismissed
    if let error = end.startError { death.detail = "\(error)" }
    _ = state.withLock { $0.processes.removeValue(forKey: process.node.path.last!) }
    learn(of: death, from: process, startError: end.startError)
  }

  /// A process of the tree is gone, with its calls, the actors in it and the references it had.
  ///
  /// Everyone in the tree learns of it, for anyone may wait for it or keep something for it: the news goes on over every link but the
  /// one it came by (`source`; nil: from above), behind all that the gone one had said.
  private func learn(of death: ActorNodeDeath, from source: ActorProcess?, startError: ProcessStartError? = nil) {
    let (failed, questions, dropped, children) = state.withLock { state in
      state.deaths.insert(death)
      let failed = state.pending.filter { death.node.contains($0.value.to) }
      for number in failed.keys { state.pending[number] = nil }
      let (questions, dropped) = forget(death.node, &state)
      return (failed.values, questions, dropped, state.processes.values.map(\.self))
    }
    for call in failed { call.continuation.resume(throwing: startError ?? death.error(call: call.title)) }
    // Released here, outside the lock: their deinitialisers are the user's.
    withExtendedLifetime(dropped) {}
    // Plain values, which always can be encoded.
    guard let bytes = try? Wire.encode(death) else { return }
    let news = ControlFrame(kind: .actorNodeDied, bytes: bytes)
    for child in children where child !== source { child.send(news) }
    if source != nil, let uplink { uplink(news) }
    ask(questions)
  }
}

extension ProcessActorSystem {
  /// Two systems in this process that are to each other as a program and its child. For tests: without a process that can
  /// die, and with every message in the test's hands.
  package static func loopback(
    _ message: @escaping @Sendable (ControlFrame) -> Void = { _ in }
  ) -> (root: ProcessActorSystem, leaf: ProcessActorSystem, process: ActorProcess) {
    struct Ends {
      weak var root: ProcessActorSystem?
      weak var leaf: ProcessActorSystem?
    }
    let ends = RawGuarded(Ends())
    let root = ProcessActorSystem(name: "root")
    let leaf = ProcessActorSystem(
      name: "leaf", node: root.node.child(1),
      uplink: { frame in
        message(frame)
        ends.withLock { $0.root }?.receive(frame, from: nil)
      }, endsWhenUnused: false)
    let process = ActorProcess(
      name: "leaf", node: leaf.node, system: root,
      link: { frame in
        message(frame)
        ends.withLock { $0.leaf }?.receive(frame, from: nil)
      })
    ends.withLock { $0 = Ends(root: root, leaf: leaf) }
    root.state.withLock { $0.processes[1] = process }
    return (root, leaf, process)
  }
}
