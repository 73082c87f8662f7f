import CSpindle
import SpindleGround
import SpindleThreads

/// A thread of a pool: takes jobs, does them, sleeps when there are none.
// SAFETY: only the worker's own thread touches `depth` and `lane`, which the pool's team keeps.
@safe final class PoolWorker: @unchecked Sendable {
  let pool: PoolCore
  let number: Int
  private var depth = 0
  private var lane: UnsafeMutablePointer<Lane>?

  init(pool: PoolCore, number: Int) {
    self.pool = pool
    self.number = number
  }

  /// The worker that this thread is, nil for other threads.
  static var current: PoolWorker? {
    // SAFETY: `run` keeps the worker alive for as long as the thread-local word names it.
    unsafe spindle_worker().map { unsafe Unmanaged<PoolWorker>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The life of the thread.
  func run() {
    unsafe spindle_set_worker(Unmanaged.passUnretained(self).toOpaque())
    defer { spindle_set_worker(nil) }
    ProcessorShare.setForThread(pool.sharers)
    if let initializer = pool.initializer {
      do {
        try initializer()
      } catch {
        pool.fail(BrokenPoolError(pool: pool.name, reason: "its initializer threw \(error)", cause: error))
      }
    }
    if pool.team.isUsed { _ = enterLane() }
    while doNext() {}
    if let lane = unsafe lane { unsafe pool.team.giveBack(lane) }
    spindle_set_lane(nil)
  }

  /// Has this worker's forked jobs lie in a lane of its own. False when there are too many workers.
  func enterLane() -> Bool {
    if unsafe lane != nil { return true }
    unsafe lane = pool.team.takeLane(of: pool.number)
    unsafe spindle_set_lane(lane)
    return unsafe lane != nil
  }

  /// Waits for a job and does it. The reference to the job, and with it what its work left, ends with this call:
  /// before the worker sleeps.
  private func doNext() -> Bool {
    switch pool.next(for: number) {
    case .job(let job): job.run()
    case .forked(let item): pool.team.run(item)
    case .end: return false
    }
    return true
  }

  /// Does the work of a future of this pool, for which this thread waits, unless it has begun elsewhere.
  ///
  /// Only that very work, which must be done before the thread can go on anyway: a stranger's could want a lock
  /// that the waiting thread holds. True when the future has ended.
  func help(_ future: AnyFuture) -> Bool {
    guard future.home == pool.number, depth < Self.deepest else { return false }
    depth += 1
    defer { depth -= 1 }
    future.execute()
    return future.isDone
  }

  /// Runs `body`, which waits for a future. If all workers do that while jobs are in line, a spare worker is started.
  func blocking<Result>(_ body: () -> Result) -> Result {
    pool.beginBlocking()
    defer { pool.endBlocking() }
    return body()
  }

  /// The same on any thread; one that is no worker just runs `body`.
  @discardableResult
  static func blockingIfWorker<Result>(_ body: () -> Result) -> Result {
    if let worker = current { return worker.blocking(body) }
    return body()
  }

  /// How many awaited jobs may be done inside each other on one thread's stack. Deeper ones get a spare worker.
  static var deepest: Int { 64 }
}
