internal import CSpindle
internal import SpindleFutures
internal import SpindleGround

// Deadlines of calls and of idle workers, and killing.
extension ProcessPoolCore {
  /// The worker has nothing to do from now on.
  func becameIdle(_ seat: Int, _ state: inout State, now: Int64) {
    guard let limit = limits.idleTimeout else { return }
    state.members[seat]?.idleSince = now
    setAlarm(Deadline(nanoseconds: now.addingReportingOverflow(limit.nanoseconds).partialValue), &state)
  }

  /// Does what is due; tells when to look again, and whether the pool is over.
  func lookAtAlarms() -> (isOver: Bool, Deadline) {
    var isOver = false
    var alarm = Deadline.never
    perform(
      settle { state in
        isOver = state.isOver && state.delivering == 0
        if state.alarm.isNever { return }
        if state.alarm.hasPassed { ring(&state) }
        alarm = state.alarm
      })
    return (isOver, alarm)
  }

  private func ring(_ state: inout State) {
    let now = spindle_now()
    var next = Int64.max
    for seat in state.members.indices {
      guard let member = state.members[seat], member.process != nil else { continue }
      if let call = state.board.first(of: seat) {
        if call.deadline.nanoseconds <= now, call.reasonOfKill == nil {
          endWorker(seat, member, for: call, because: .deadline, &state)
        } else if call.reasonOfKill == nil {
          next = min(next, call.deadline.nanoseconds)
        }
      } else if let limit = limits.idleTimeout, state.board.idleSeats.contains(seat) {
        let end = member.idleSince.addingReportingOverflow(limit.nanoseconds).partialValue
        if end <= now { state.board.dismissIdle(seat) } else { next = min(next, end) }
      }
    }
    state.alarm = Deadline(nanoseconds: next)
  }

  /// Kills the worker for the sake of the call that it runs. What was handed ahead is taken back before, so that
  /// nothing else can have begun when the signal arrives. False when the reply is there already.
  @discardableResult
  func endWorker(
    _ seat: Int, _ member: PoolMember, for call: PoolCall, because reason: PoolCall.ReasonOfKill, _ state: inout State
  ) -> Bool {
    guard case .handed(_, let number) = call.standing else { return false }
    var again: [PoolCall] = []
    for other in state.board.hand(of: seat) where other != call {
      guard case .handed(_, let place) = other.standing, member.link.withdraw(place) else { continue }
      state.board.remove(other, from: seat)
      other.standing = .inLine
      again.append(other)
    }
    state.board.putBack(again)
    if member.link.isReplied(number) { return false }
    call.reasonOfKill = reason
    state.board.retire(seat)
    member.process?.kill()
    return true
  }

  /// For `kill(_:)`: ends the worker that runs the call.
  func kill(_ call: PoolCall) -> Bool {
    var isKilled = false
    perform(
      settle { state in
        guard case .handed(let seat, _) = call.standing, let member = state.members[seat] else { return }
        isKilled = endWorker(seat, member, for: call, because: .request, &state)
      })
    return isKilled
  }

  /// Cancels what has not begun, and ends all workers by a signal.
  func end(bySignal number: Int32) {
    close()
    let processes = state.withLock { state in
      state.isForced = true
      return state.members.compactMap { $0?.process }
    }
    cancelCalls()
    for process in processes { process.signal(number) }
  }
}
