internal import CSpindle
internal import SpindleGround

extension SupervisorLoop {
  /// The process has ended: what it had said before is delivered first.
  mutating func end(_ id: UInt64) {
    read(id, limit: .max)
    let child = forget(id)
    let worker = child.worker
    let (status, peak) = worker.state.withLock { state in
      let status = WorkerProcess.look(&state, worker.options.processGroup) ?? .unknown
      state.exitStatus = status
      state.pidfd = nil
      state.outgoing = []
      // What a spawned process had before it was loaded anew was its parent's; below that, nobody can tell.
      return (status, state.peakBytes > state.peakOfParent ? Int(state.peakBytes) : nil)
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
    var end = WorkerProcess.End(exitStatus: status, startError: startError, detail: child.detail)
    end.peakResidentMemory = peak
    end.backtrace = child.crashReport.flatMap(CrashReport.read)
    ended.append((id, worker, end))
    if child.isForkServer { forkServerEnded(id, child, end) }
  }

  mutating func deliverEnds() {
    let all = ended
    ended = []
    for (id, worker, end) in all {
      let handler = worker.state.withLock { state in
        defer {
          state.onMessage = nil
          state.onEnd = nil
        }
        return state.onEnd
      }
      handler?(worker, end)
      Supervisor.isLiving(id, nil)
      worker.ended.open()
    }
  }
}
