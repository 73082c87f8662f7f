internal import SpindleGround

/// Carries the request to stop from a call's token to the worker that runs it.
///
/// The request is remembered until the call has a worker, and dropped when the call has ended.
final class StopLine: Sendable {
  struct Target: Sendable {
    /// Which of the worker's calls it is.
    let number: UInt64
    let cell: WorkerCell
    let process: WorkerProcess

    /// Synchronous code sees the number in the shared memory when it looks; the message wakes a worker that runs a task.
    func stop() {
      cell.stopped = number
      process.send(ControlFrame(kind: .stop))
    }
  }

  private let state = RawGuarded<(target: Target?, isRequested: Bool)>((nil, false))

  func token() -> CancellationToken { CancellationToken(onRequest: { self.request() }) }

  private func request() {
    let target = state.withLock { state in
      state.isRequested = true
      return state.target
    }
    target?.stop()
  }

  /// The call has been handed to a worker.
  func connect(_ target: Target) {
    let isRequested = state.withLock { state in
      state.target = target
      return state.isRequested
    }
    if isRequested { target.stop() }
  }

  func disconnect() { state.withLock { $0.target = nil } }
}
