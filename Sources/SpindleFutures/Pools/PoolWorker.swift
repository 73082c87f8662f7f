import CSpindle
import SpindleGround
import SpindleThreads

/// A thread of a pool: takes jobs, does them, sleeps when there are none. Or a guest: a thread from outside that works among
/// them for the time of one call (`Seat`).
// SAFETY: only the worker's own thread touches what may change; the pool's team keeps the lane.
@safe final class PoolWorker: @unchecked Sendable {
  let pool: PoolCore
  let number: Int
  let isGuest: Bool
  private var depth = 0
  private var hasForked = false
  private var lane: UnsafeMutablePointer<Lane>?

  init(pool: PoolCore, number: Int) {
    self.pool = pool
    self.number = number
    isGuest = false
  }

  /// A guest.
  init(pool: PoolCore, lane: UnsafeMutablePointer<Lane>) {
    self.pool = pool
    number = -1
    isGuest = true
    unsafe self.lane = lane
  }

  /// The worker that this thread is, nil for other threads.
  static var current: PoolWorker? {
    // SAFETY: `run` keeps the worker alive for as long as the thread-local word names it.
    unsafe spindle_worker().map { unsafe Unmanaged<PoolWorker>.fromOpaque($0).takeUnretainedValue() }
  }

  /// From now on the calling thread is this worker, which somebody keeps alive.
  func makeCurrent() { unsafe spindle_set_worker(Unmanaged.passUnretained(self).toOpaque()) }

  /// The life of the thread.
  func run() {
    makeCurrent()
    defer { spindle_set_worker(nil) }
    ProcessorShare.setForThread(pool.sharers)
    if pool.team.hasCalls { pool.startAll() }
    if let initializer = pool.initializer {
      do {
        try initializer()
      } catch {
        pool.fail(BrokenPoolError(pool: pool.name, reason: "its initializer threw \(error)", cause: error))
      }
    }
    while doNext() {}
    giveLaneBack()
  }

  // MARK: Forking

  /// From now on what this thread forks lies in the worker's own lane. Without one, when there are too many workers, nothing is forked.
  func enterLane() {
    if unsafe lane == nil { unsafe lane = pool.team.takeLane(of: pool.number) }
    unsafe spindle_set_lane(lane)
  }

  /// What this thread forks lies elsewhere again.
  func leaveLane(to outer: UnsafeMutableRawPointer?) {
    // Closures that were spawned here and nobody took: before jobs in line, which may wait for them.
    if let lane = unsafe lane {
      var word = unsafe lane.pointee.pop()
      while word != 0 {
        pool.team.run(ForkItem(word: word))
        word = unsafe lane.pointee.pop()
      }
    }
    unsafe spindle_set_lane(outer)
  }

  func giveLaneBack() {
    if let lane = unsafe lane { unsafe pool.team.giveBack(lane) }
  }

  /// Waits for a job and does it. The reference to the job, and with it what its work left, ends with this call:
  /// before the worker sleeps.
  private func doNext() -> Bool {
    switch pool.next(for: number, afterFork: hasForked) {
    case .job(let job):
      hasForked = false
      job.run()
    case .forked(let item):
      hasForked = true
      enterLane()
      pool.team.run(item)
      unsafe leaveLane(to: nil)
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
