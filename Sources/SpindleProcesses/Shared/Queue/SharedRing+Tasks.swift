internal import SpindleGround

/// Tasks and the end; all under the lock of the takers.
extension SharedRing {
  /// False when it is called more often than records were put.
  func taskDone() -> Bool {
    acquireTakers()
    let done = sides.done, puts = sides.peekPut().puts
    if done >= puts {
      // Late, for an element whose reader was thought to have died with it.
      let isRight = users.takeBackLoss()
      takeLock.release()
      return isRight
    }
    users.noteDone()
    FaultPoint.ringTaskNoted.reach()
    sides.done = done + 1
    takeLock.release()
    if done + 1 == puts { allDone.wakeAll() }
    return true
  }

  /// What is done is read first, and is never more than what was put: so when both are equal, they were so at the first look.
  var isAllDone: Bool {
    let done = sides.done
    return done >= sides.peekPut().puts
  }

  /// Finishes what the dead have begun, and counts what they had taken and not done as lost. Asks at most once in a while
  /// unless `always`.
  func patrol(always: Bool = false) {
    // Who waits for the tasks takes no lock that could be taken over.
    if let holder = takeLock.holder, !holder.lives() {
      acquireTakers()
      takeLock.release()
    }
    for (place, key) in users.dead(always: always) {
      acquireTakers()
      let lost = users.bury(place, key)
      if lost > 0 { sides.done = min(sides.done &+ lost, sides.peekPut().puts) }
      takeLock.release()
      if lost > 0 { allDone.wakeAll() }
    }
  }

  /// Refuses puts from now on; `immediate` drops what is in it and counts it as done.
  func close(immediate: Bool) {
    acquireTakers()
    acquirePutters()
    let wanted = immediate ? End.emptied : End.closed
    if end < wanted { end = wanted }
    putLock.release()
    FaultPoint.ringClosed.reach()
    if immediate { drop() }
    takeLock.release()
    elements.wakeAll()
    room.wakeAll()
    if immediate { allDone.wakeAll() }
  }
}
