internal import SpindleGround

/// Who knows which actor. The steps L1 to L4 and S1 to S5 are those of `ActorLease`.
extension ProcessActorSystem {
  // MARK: Elsewhere

  /// L1. Says that `place` will be told this name so many times more (or was to be, and will not).
  func tell(_ place: NodeName, of key: ActorKey, _ change: Int) {
    if key.node == place { return }  // It needs no reference to its own.
    if key.node == node { return hold(key.number, for: place, toldBy: node) { $0 + change } }
    let count = ActorCount(key.number, place, [node: abs(change)])
    say(change > 0 ? .actorRetain : .actorRelease, count, to: key.node)
    FaultPoint.actorNameCounted.reach()
  }

  /// L3. The lease for a name that arrived; one that was read (`toldBy: nil`) has been counted when its message came.
  func lease(for key: ActorKey, toldBy teller: NodeName?) -> ActorLease? {
    guard key.node != node, key.node.root == node.root else { return nil }
    return state.withLock { state in
      var known = state.known[key] ?? KnownActor()
      let lease = known.lease ?? ActorLease(key, self)
      known.lease = lease
      if let teller { known.told[teller, default: 0] += 1 }
      state.known[key] = known
      return lease
    }
  }

  /// L4.
  func release(_ key: ActorKey) {
    var next: ActorLease?
    saying.withLock { _ in
      let told: [NodeName: Int] = state.withLock { state in
        guard let known = state.known[key] else { return [:] }
        next = known.lease
        if next != nil { return [:] }
        state.known[key] = nil
        return known.told
      }
      if !told.isEmpty { say(.actorRelease, ActorCount(key.number, node, told), to: key.node) }
    }
    // Released here, outside the locks, for its end comes here too, should everybody else have let go of it meanwhile.
    withExtendedLifetime(next) {}
    FaultPoint.actorNameReleased.reach()
  }

  /// S3 and S4. With no L4 between the count and its sending: that would be subtracted from a number it is no part of.
  func settle(_ question: ActorCount, with home: NodeName) {
    saying.withLock { _ in
      let told = state.withLock { state in state.known[ActorKey(node: home, number: question.actor)]?.told ?? [:] }
      var answer = question
      for index in answer.told.indices { answer.told[index].count = told[answer.told[index].teller] ?? 0 }
      answer.holder = node
      say(.actorSettled, answer, to: home)
    }
  }

  private func say(_ kind: ControlFrame.Kind, _ count: ActorCount, to place: NodeName) {
    post(message(kind, ActorMessageHead(to: place, from: node), count), to: place)
  }

  // MARK: The actor's process

  /// Takes what others say of names of actors of this process, and what is asked of names of theirs.
  func count(_ frame: ControlFrame, _ head: ActorMessageHead) {
    guard let found = frame.behindHead(ActorCount.self) else { return }
    if frame.kind == .actorSettle { return settle(found, with: head.from) }
    for told in found.told where (0..<1 << 40).contains(told.count) {
      hold(found.actor, for: found.holder, toldBy: told.teller) { old in
        switch frame.kind {
        case .actorRetain: old + told.count
        case .actorRelease: old - told.count
        default: min(old, told.count)  // S5
        }
      }
    }
  }

  func hold(_ number: UInt64, for holder: NodeName, toldBy teller: NodeName, _ change: (Int) -> Int) {
    let dropped: AnyObject? = state.withLock { state in
      guard let actor = state.actors[number] else { return nil }
      let old = actor.holders[holder]?[teller] ?? 0
      let new = change(old)
      if new > old {
        // Not for one that has ended: what it was told while ending must not stay.
        if isGone(holder, state) { return nil }
        actor.keep()
      }
      actor.holders[holder, default: [:]][teller] = new > 0 ? new : nil
      if actor.holders[holder]?.isEmpty == true { actor.holders[holder] = nil }
      return actor.holders.isEmpty ? actor.letGo() : nil
    }
    // Released here, outside the lock: its deinitialiser is the user's.
    withExtendedLifetime(dropped) {}
  }

  /// S1. Forgets what the gone one knew, and says what there is to ask the others: S2, and what was kept for it alone.
  func forget(_ gone: NodeName, _ state: inout State) -> (questions: [ActorCount], dropped: [AnyObject?]) {
    var questions: [ActorCount] = []
    var dropped: [AnyObject?] = []
    for (number, actor) in state.actors where !actor.holders.isEmpty {
      for (holder, told) in actor.holders {
        if gone.contains(holder) {
          actor.holders[holder] = nil
        } else {
          let tellers = told.filter { gone.contains($0.key) }
          if !tellers.isEmpty { questions.append(ActorCount(number, holder, tellers)) }
        }
      }
      if actor.holders.isEmpty { dropped.append(actor.letGo()) }
    }
    return (questions, dropped)
  }

  /// S2.
  func ask(_ questions: [ActorCount]) {
    for question in questions { say(.actorSettle, question, to: question.holder) }
  }
}
