import CSpindle
import SpindleGround
import SpindleThreads
import Synchronization

/// What a pool and its workers share. Workers keep it alive, not the `ThreadPool`: one that nobody holds any more
/// is closed, its jobs are still done, and its workers end.
///
/// Workers in numbers: `live` have been started and have not ended, or are guests (`Seat`); of these `idle` look for a job or sleep, and
/// `blocked` wait for a future inside a job. A pool has up to `maxWorkers`, started when there are more jobs than
/// idle workers. When all are blocked while jobs are in line, spare ones are started; a spare ends as soon as it is
/// one too many.
// SAFETY: `broken`, `started` and `threads` belong to `lock`; the rest is constant or atomic.
@usableFromInline
final class PoolCore: @unchecked Sendable {
  let name: String
  let maxWorkers: Int
  let threadNamePrefix: String
  let initializer: (@Sendable () throws -> Void)?
  /// Serves another pool, which closes it: also the end of the process leaves that to its owner.
  let isHelper: Bool
  /// Among how many each worker divides the processors.
  let sharers: Int
  let jobs = JobQueue()
  @usableFromInline let team: ForkTeam
  private let ownNumber = PoolNumber()
  /// What a future's `home` says when it is queued here, and a lane's `pool`.
  @usableFromInline let number: UInt32

  private let lock = RawLock()
  private var broken: BrokenPoolError?
  private var started = 0
  private var threads: [Int: OSThread<Void, Never>] = [:]
  private let live = Atomic<Int>(0)
  private let blocked = Atomic<Int>(0)
  /// Those who wait for the last worker to end.
  private let endings = ParkingSpot()

  /// At most this many spare workers at a time.
  static var maxSpares: Int { 256 }

  init(
    name: String, maxWorkers: Int, threadNamePrefix: String, initializer: (@Sendable () throws -> Void)?,
    isHelper: Bool = false
  ) {
    self.isHelper = isHelper
    self.name = name
    self.maxWorkers = maxWorkers
    self.threadNamePrefix = threadNamePrefix
    self.initializer = initializer
    sharers = ProcessorShare.divided(among: maxWorkers)
    number = ownNumber.value
    team = ForkTeam(jobs: jobs, room: maxWorkers + Self.maxSpares)
  }

  /// The lane of the calling thread, if it is a worker of this pool that has one.
  @inlinable @inline(__always)
  var lane: UnsafeMutablePointer<Lane>? {
    guard let lane = unsafe spindle_lane()?.assumingMemoryBound(to: Lane.self) else { return nil }
    return unsafe lane.pointee.pool == number ? lane : nil
  }

  // MARK: Jobs

  /// Hands a new job, which no other thread knows, to the workers. False, and the job has failed, when it comes too late.
  @usableFromInline
  @discardableResult
  func submit(_ job: AnyFuture) -> Bool {
    let words = Job(new: job)
    guard jobs.append(words) else {
      words.drop()?.failUnbegun(refusal)
      return false
    }
    startIfSubmitted()
    return true
  }

  /// Hands a closure to the workers. False, and it was released, when it comes too late.
  @usableFromInline
  func execute(_ job: Job) -> Bool {
    guard jobs.append(job) else {
      _ = job.drop()
      return false
    }
    startIfSubmitted()
    return true
  }

  @inline(__always)
  private func startIfSubmitted() {
    // Sequentially consistent: pairs with beginBlocking, which counts itself and then looks for jobs.
    let live = live.load(ordering: .sequentiallyConsistent)
    let mayNeedOne =
      live < maxWorkers ? jobs.count > jobs.idle : blocked.load(ordering: .sequentiallyConsistent) >= live
    if mayNeedOne { startIfNeeded() }
  }

  /// Why a job is refused.
  var refusal: any Error { whatBroke ?? ShutdownError(pool: name) }

  var whatBroke: BrokenPoolError? {
    lock.acquire()
    defer { lock.release() }
    return broken
  }

  enum Work {
    case job(Job)
    case forked(ForkItem)
    /// The worker is to end, and counts as ended.
    case end
  }

  /// For workers: waits for something to do. `afterFork`: what was done last was forked.
  func next(for number: Int, afterFork: Bool) -> Work {
    while true {
      if hasTooMany, retire(number) { return .end }
      if let job = jobs.take() { return .job(job) }
      if team.isUsed, let item = team.steal() { return .forked(item) }
      jobs.beginSearch()  // N1
      let forks = team.beginSearch()
      let found = search(forks, afterFork)
      team.endSearch(forks)
      jobs.endSearch()  // N6
      if let found {
        // Who submitted another job meanwhile may have counted this worker as free for it.
        if case .job = found, live.load(ordering: .relaxed) < maxWorkers, jobs.count > 0 { startIfNeeded() }
        return found
      }
      if jobs.isFinished {
        end()
        return .end
      }
    }
  }

  /// N2 to N5, until there is something to do; nil when the worker is to look at what has changed.
  private func search(_ forks: Bool, _ afterFork: Bool) -> Work? {
    var hasPassedFence = false
    // Whoever forks first wakes all, so that they are counted as searching.
    func isOver() -> Bool { jobs.isFinished || hasTooMany || !forks && team.isUsed }
    while true {
      let batch = jobs.batchTaken()
      SpinPolicy.gather(batch: batch) { jobs.count }
      // If they have gathered, the first look has been put off long enough.
      var spin = afterFork ? SpinPolicy(lingering: ()) : SpinPolicy(batch: batch > 1 ? nil : batch)
      repeat {
        if let job = jobs.take() { return .job(job) }
        if forks, let item = team.steal() { return .forked(item) }
        if isOver() { return nil }
      } while spin.pauseOrYield()
      if forks, !hasPassedFence {
        team.passFence()
        hasPassedFence = true
      }
      // Nothing is taken here: a guest may have this worker's place already (`Seat`), and it then sleeps on.
      var seesFork = false
      let wasWoken = jobs.sleep {
        seesFork = forks && team.hasJobs
        return seesFork || isOver()
      }
      // The wake-up may have been for another forked job.
      if seesFork, wasWoken { jobs.wakeOne() }
    }
  }

  // MARK: Workers

  /// Whose place a guest has.
  enum GuestPlace {
    case unstarted
    case sleeper(ParkingSpot.Group)
  }

  /// A place for the calling thread: it counts as a worker, if there are fewer than may be, or as one that sleeps on meanwhile. nil
  /// when all have something to do. Forking has begun.
  func addGuest() -> GuestPlace? {
    if jobs.isShut || jobs.count > 0 { return nil }
    if live.load(ordering: .relaxed) < maxWorkers {
      lock.acquire()
      let live = live.load(ordering: .relaxed)
      if live < maxWorkers { self.live.store(live + 1, ordering: .sequentiallyConsistent) }
      lock.release()
      if live < maxWorkers { return .unstarted }
    }
    guard team.areAllAware, let sleeper = jobs.holdSleeper() else { return nil }
    team.endSearch()
    return .sleeper(sleeper)
  }

  func removeGuest(from place: GuestPlace) {
    switch place {
    case .unstarted:
      end()
      // Jobs and calls that came meanwhile found as many workers as may be.
      if jobs.count > jobs.idle { startIfNeeded() }
      if team.hasCalls { startOne() }
    case .sleeper(let sleeper):
      team.search()
      jobs.putBack(sleeper) { team.hasJobs || jobs.isFinished || hasTooMany }
    }
  }

  /// Starts a worker if there are fewer than `maxWorkers`: what is forked is for all. It then starts the others, if the call still goes on.
  @discardableResult
  func startOne() -> Bool {
    live.load(ordering: .sequentiallyConsistent) < maxWorkers && start(if: { live, _ in live < maxWorkers })
  }

  func startAll() { while startOne() {} }

  /// Starts a worker if there are more jobs than idle ones, or if all are blocked while there are jobs.
  @inline(never)
  private func startIfNeeded() {
    _ = start { live, waiting in
      live < maxWorkers
        ? waiting > jobs.idle
        : waiting > 0 && blocked.load(ordering: .sequentiallyConsistent) >= live && live < maxWorkers + Self.maxSpares
    }
  }

  /// Starts a worker if it is needed; false when it was not, or could not be started.
  private func start(if isNeeded: (_ live: Int, _ waiting: Int) -> Bool) -> Bool {
    lock.acquire()
    let live = live.load(ordering: .relaxed)
    guard isNeeded(live, jobs.count), !jobs.isFinished else {
      lock.release()
      return false
    }
    self.live.store(live + 1, ordering: .sequentiallyConsistent)
    let number = started
    started += 1
    lock.release()
    if number == 0, !isHelper { OpenPools.add(self) }
    let worker = PoolWorker(pool: self, number: number)
    let thread = OSThread(name: "\(threadNamePrefix)_\(number)", isDaemon: false) { worker.run() }
    lock.acquire()
    threads[number] = thread
    lock.release()
    do {
      try thread.tryStart()
    } catch {
      forget(number)
      end()
      if self.live.load(ordering: .sequentiallyConsistent) == 0 {
        fail(BrokenPoolError(pool: name, reason: "no thread could be started", cause: error))
      }
      return false
    }
    return true
  }

  /// Drops a thread that nobody need join.
  private func forget(_ number: Int) {
    lock.acquire()
    let thread = threads.removeValue(forKey: number)
    lock.release()
    _ = consume thread
  }

  /// Counts a worker as ended.
  private func end() {
    lock.acquire()
    live.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    lock.release()
    endings.wakeAll()
  }

  /// Whether more workers than `maxWorkers` could run now.
  private var hasTooMany: Bool {
    live.load(ordering: .sequentiallyConsistent) - blocked.load(ordering: .sequentiallyConsistent) > maxWorkers
  }

  /// Counts the calling worker as ended if there are too many. True when it is to end.
  private func retire(_ number: Int) -> Bool {
    lock.acquire()
    let mustEnd = hasTooMany
    if mustEnd { live.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    lock.release()
    if mustEnd {
      forget(number)
      endings.wakeAll()
      // R4: who began to block meanwhile still counted this worker and started no spare one.
      if blocked.load(ordering: .sequentiallyConsistent) >= live.load(ordering: .sequentiallyConsistent), jobs.count > 0
      {
        startIfNeeded()
      }
    }
    return mustEnd
  }

  //  worker that waits for a future      who submits
  //  B1 blocked += 1                     J1 append the job
  //  B2 all blocked and jobs in line?    J2 all blocked?
  //     start a spare worker                start a spare worker
  //
  // All four are sequentially consistent, so at least one of the two sees the other. The same holds between B1, B2
  // and a worker that retires: R2 live -= 1, R4 all blocked and jobs in line?

  func beginBlocking() {
    let blocked = blocked.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
    if blocked >= live.load(ordering: .sequentiallyConsistent), jobs.count > 0 { startIfNeeded() }
  }

  func endBlocking() {
    blocked.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    if hasTooMany { jobs.wakeOne() }
  }

  // MARK: The end

  /// Takes in nothing more; what is in line is still done, then the workers end.
  func close() {
    jobs.close()
    OpenPools.remove(self)
  }

  /// Cancels what is in line. Callbacks run on this thread.
  func cancelJobs() {
    while let job = jobs.take() { job.drop()?.cancel() }
    endings.wakeAll()
  }

  /// Breaks the pool: what is in line fails, and so does whatever comes later.
  func fail(_ error: BrokenPoolError) {
    lock.acquire()
    if broken == nil { broken = error }
    lock.release()
    jobs.close()
    while let job = jobs.take() { job.drop()?.failUnbegun(error) }
    endings.wakeAll()
  }

  private var isOver: Bool { live.load(ordering: .sequentiallyConsistent) == 0 && jobs.isFinished }

  /// Waits until all workers have ended. A worker of this very pool does not wait: it would wait for itself.
  func waitForEnd() {
    if PoolWorker.current?.pool === self { return }
    _ = endings.wait("the workers of a pool to end") { isOver }
    for thread in endedThreads { thread.join() }
  }

  /// The same for a task. Goes on when the task is cancelled: the jobs must be done when this returns.
  func waitForEnd() async {
    await Task.detached { [self] in
      _ = try? await endings.wait("the workers of a pool to end", owner: self) { isOver }
      for thread in endedThreads { try? await thread.join() }
    }.value
  }

  private var endedThreads: [OSThread<Void, Never>] {
    lock.acquire()
    defer { lock.release() }
    return Array(threads.values)
  }
}

/// The pools that are open: at the end of the process they are closed, their jobs are done, and their workers end.
enum OpenPools {
  private static let all = RawGuarded<[ObjectIdentifier: PoolCore]>([:])
  private static let isArmed = Atomic<Bool>(false)

  /// Before a pool's first worker starts: one without workers has no jobs either.
  static func add(_ pool: PoolCore) {
    all.withLock { $0[ObjectIdentifier(pool)] = pool }
    // Closed meanwhile: whoever did so may have looked before it was in the list.
    if pool.jobs.isShut { remove(pool) }
    arm()
  }

  static func remove(_ pool: PoolCore) {
    let removed = all.withLock { $0.removeValue(forKey: ObjectIdentifier(pool)) }
    _ = consume removed
  }

  private static func arm() {
    if isArmed.exchange(true, ordering: .acquiringAndReleasing) { return }
    // The exit then waits for the workers, because they are not daemons.
    ProcessExit.register(.pools) {
      isArmed.store(false, ordering: .releasing)
      for pool in all.withLock({ Array($0.values) }) { pool.close() }
    }
  }
}
