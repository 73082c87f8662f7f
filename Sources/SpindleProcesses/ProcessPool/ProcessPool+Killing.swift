public import SpindleFutures
internal import SpindleGround

extension ProcessPool {
  /// Ends a call by force: the worker that runs it is killed, and replaced.
  ///
  ///     if !future.cancel() { pool.kill(future) }   // cancel() only asks a running call to stop
  ///
  /// The future fails with `WorkerDiedError`, whatever retries its options allow; no other call is harmed. A call
  /// that has not begun is cancelled. False when it has ended already, or is a call of another pool.
  @discardableResult
  public func kill(_ future: AnyFuture) -> Bool {
    guard !future.isDone, let call = future.remoteWork as? PoolCall, call.core === core else { return false }
    if call.takeBack() { return future.cancel() }
    return core.kill(call)
  }

  /// Ends the pool now, with SIGTERM to every worker: Python's `terminate_workers()`.
  ///
  /// Takes in no more calls and cancels those that have not begun; those that run fail with `WorkerDiedError`, unless
  /// the function handles SIGTERM. Returns at once; `shutdown()` waits for the workers' end.
  public func terminateWorkers() { core.end(bySignal: 15) }

  /// Ends the pool now, with SIGKILL to every worker: Python's `kill_workers()`. Otherwise as `terminateWorkers()`.
  public func killWorkers() { core.end(bySignal: 9) }
}
