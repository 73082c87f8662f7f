internal import CSpindle
internal import SpindleGround

extension SupervisorLoop {
  /// The process has ended: what it had said before is delivered first.
  mutating func end(_ id: UInt64) {
    read(id, limit: .max)
    let child = remove(id)
    traced.remove(id)
    let worker = child.worker
    let (status, peak, isKilled) = worker.state.withLock { state in
      let status = WorkerProcess.look(&state, worker.options.processGroup) ?? .unknown
      state.exitStatus = status
      state.pidfd = nil
      state.outgoing = []
      // What a spawned process had before it was loaded anew was its parent's; below that, nobody can tell.
      return (status, state.peakBytes > state.peakOfParent ? Int(state.peakBytes) : nil, state.isKilled)
    }
    var reason: String?
    if !child.saidHello {
      reason = child.refusal ?? child.detail
      // An exit by itself: its main ran. A signal is a death like any other, only early.
      if reason == nil, case .exited = status {
        reason = "it ended (\(status)) before it became a worker; is Spindle linked to the executable?"
      }
    }
    let startError = reason.map {
      ProcessStartError(worker: worker.name, operation: "diverting the child before main", reason: $0)
    }
    var end = WorkerProcess.End(
      exitStatus: status, startError: startError,
      detail: child.detail ?? (status == .signalled(SIGKILL) && !isKilled ? noteOutOfMemory() : nil))
    end.peakResidentMemory = peak
    end.backtrace = child.crashReport.flatMap(CrashReport.read)
    let (errors, marks) = endOutputs(id)
    end.errorOutput = errors
    if end.detail == nil, case .signalled = status { end.detail = errors.flatMap(CrashReport.message) }
    ended.append(
      Ended(
        id: id, worker: worker, end: end, marks: worker.options.output == .labelled ? marks : [],
        deadline: Deadline(after: Self.outputGrace)))
    if child.isForkServer { forkServerEnded(id, child, end) }
  }

  /// For a kill that was not ours: what the kernel says of kills for want of memory since the last look.
  private mutating func noteOutOfMemory() -> String? {
    let kills = OutOfMemoryKills.count
    defer { outOfMemoryKills = kills }
    guard let kills, let before = outOfMemoryKills, kills > before else { return nil }
    return "the kernel has killed for want of memory meanwhile"
  }

  /// Those whose last lines are written, or have had their time.
  mutating func takeEnded() -> [Ended] {
    if ended.isEmpty { return [] }
    var told: [Ended] = []
    ended.removeAll { child in
      let isDue = child.marks.allSatisfy { $0.relay.hasWritten($0.mark) } || child.deadline.hasPassed
      if isDue { told.append(child) }
      return isDue
    }
    return told
  }

  func deliver(_ told: [Ended]) {
    for child in told {
      let handler = child.worker.state.withLock { state in
        defer {
          state.onMessage = nil
          state.onEnd = nil
        }
        return state.onEnd
      }
      handler?(child.worker, child.end)
      Supervisor.isLiving(child.id, nil)
      child.worker.ended.open()
    }
  }
}
