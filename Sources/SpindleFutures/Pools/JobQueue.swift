import SpindleGround
import SpindleQueues
import Synchronization

/// The jobs that a pool has not handed to a worker, first in, first out, and the workers that have none. No bound.
///
/// A chain of blocks of slots (`SpindleQueues/Slots/PROTOCOL.md`). A job that was cancelled or done by somebody who waited for
/// it stays in line as an empty shell until its turn comes.
///
///     who appends                              worker without a job (PoolCore.next)
///     J1 append (seq. consistent)              N1 idle += 1, searching += 1
///     J2 somebody searches: done               N2 look for a while; found: N6
///     J3 else take a worker out of the list,   N3 searching -= 1 (seq. consistent)
///        searching += 1 for it, wake it        N4 list itself; look once more: found: searching += 1, N2
///                                              N5 sleep; woken, it is counted as searching: N2
///                                              N6 idle -= 1, searching -= 1; the last one, and jobs in line: J3
///
/// So a worker that is awake anyway costs nobody a wake-up, and one that is waking up (30 us) no second one. No job is left in
/// line while a worker sleeps: say J2 sees a searcher. Its N3 or N6 comes after J2 in the one order of all sequentially
/// consistent accesses, so after J1. If it sleeps, N4 sees the job. If it has found another job, either it is the last at N6
/// and sees this one, or another searches, for which the same holds. J2 sees none: then J3 finds whoever listed itself
/// before, and whoever lists itself later sees the job at N4. One that was taken out of the list at J3 looks at N2, after
/// that; if J2 sees it not yet counted, J3 finds another sleeper or there is none.
// SAFETY: the memory behind the pointers is this object's until its end, and all of it is atomic or has its own guard.
@usableFromInline
@safe final class JobQueue: @unchecked Sendable {
  private let state: UnsafeMutablePointer<QueueState>
  /// Workers without a job: in the low half those who look for one, in the high half all, also those who sleep. In a line of
  /// its own, which everyone who submits reads.
  private let seekers: UnsafeMutablePointer<Atomic<UInt>>

  private static var searcher: UInt { 1 }
  private static var idler: UInt { 1 << 32 }

  init() {
    let alignment = QueueState.alignment
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Blocks<Job>.byteCount, alignment: alignment)
    unsafe state = memory.bindMemory(to: QueueState.self, capacity: 1)
    unsafe state.initialize(to: QueueState(kind: .blocks, capacity: 0))
    let line = UnsafeMutableRawPointer.allocate(byteCount: alignment, alignment: alignment)
    unsafe seekers = line.bindMemory(to: Atomic<UInt>.self, capacity: 1)
    unsafe seekers.initialize(to: Atomic(0))
    unsafe Blocks<Job>(state).begin()
  }

  deinit {
    while let job = take() { job.drop()?.failUnbegun(AbandonedError()) }
    unsafe Blocks<Job>(state).end()
    unsafe state.deinitialize(count: 1)
    unsafe UnsafeMutableRawPointer(state).deallocate()
    unsafe UnsafeMutableRawPointer(seekers).deallocate()
  }

  // MARK: Jobs

  var count: Int { unsafe state.pointee.count }

  /// Whether nothing is appended any more. Whoever has seen it and then an empty queue has seen its end.
  var isShut: Bool { unsafe state.pointee.isShutDown }

  /// Whether it is closed and empty, now and for ever.
  var isFinished: Bool { isShut && count == 0 }

  /// Appends a job and sees to it that a worker looks. False when the queue is closed: the job is still the caller's.
  @inline(__always)
  func append(_ job: Job) -> Bool {
    var item: Job? = job
    guard unsafe Blocks<Job>(state).insert(&item) == .done else { return false }  // J1
    // Sequentially consistent: pairs with N3 and N6.
    if unsafe UInt32(truncatingIfNeeded: seekers.pointee.load(ordering: .sequentiallyConsistent)) == 0 { wakeOne() }  // J2
    return true
  }

  /// Takes the job that waits longest, nil when there is none.
  @inline(__always)
  func take() -> Job? {
    var job: Job?
    _ = unsafe Blocks<Job>(state).take(&job)
    return job
  }

  /// How many were taken since this was asked the last time.
  func batchTaken() -> UInt { unsafe state.pointee.batchTaken() }

  /// Takes in nothing more. Jobs in line stay; all workers without a job look.
  func close() {
    unsafe state.pointee.close()
    wakeAll()
  }

  // MARK: Workers

  /// Workers without a job.
  var idle: Int { unsafe Int(seekers.pointee.load(ordering: .sequentiallyConsistent) >> 32) }

  /// J3. One that sleeps looks, whether others do or not.
  @inline(__always)
  func wakeOne() {
    if unsafe state.pointee.elements.hasWaiters { wake(1) }
  }

  func wakeAll() { wake(.max) }

  @inline(never)
  private func wake(_ count: Int) {
    let group = unsafe state.pointee.elements.take(count)
    if group.count == 0 { return }
    unsafe seekers.pointee.wrappingAdd(UInt(group.count) * Self.searcher, ordering: .sequentiallyConsistent)
    group.end(code: 0)
  }

  /// N1.
  func beginSearch() {
    unsafe seekers.pointee.wrappingAdd(Self.idler + Self.searcher, ordering: .sequentiallyConsistent)
  }

  /// N6: whoever relied on this worker's search is not left alone.
  func endSearch() {
    let now = unsafe seekers.pointee.wrappingSubtract(Self.idler + Self.searcher, ordering: .sequentiallyConsistent).newValue
    if UInt32(truncatingIfNeeded: now) == 0, count > 0 { wakeOne() }
  }

  /// Takes a worker that sleeps out of the list: it counts as busy until it is put back. nil when none sleeps, or is needed.
  func holdSleeper() -> ParkingSpot.Group? {
    guard unsafe state.pointee.elements.hasWaiters else { return nil }
    let sleeper = unsafe state.pointee.elements.take(1)
    if sleeper.count == 0 { return nil }
    unsafe seekers.pointee.wrappingSubtract(Self.idler, ordering: .sequentiallyConsistent)
    if count == 0 { return sleeper }
    putBack(sleeper, unless: { false })
    return nil
  }

  /// N4 in its stead: it sleeps on, unless there is a job or `isNeeded`.
  func putBack(_ sleeper: ParkingSpot.Group, unless isNeeded: () -> Bool) {
    unsafe seekers.pointee.wrappingAdd(Self.idler, ordering: .sequentiallyConsistent)
    unsafe state.pointee.elements.putBack(sleeper)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if count > 0 || isNeeded() { wakeOne() }
  }

  /// N3 to N5: sleeps until woken, unless `isNeeded`. The worker searches again afterwards. True when it was woken.
  func sleep(unless isNeeded: () -> Bool) -> Bool {
    unsafe seekers.pointee.wrappingSubtract(Self.searcher, ordering: .sequentiallyConsistent)
    let code = unsafe state.pointee.elements.park("a job for a pool", unneeded: 1, spinning: false) { count == 0 && !isNeeded() }
    if code == 0 { return true }
    unsafe seekers.pointee.wrappingAdd(Self.searcher, ordering: .sequentiallyConsistent)
    return false
  }
}
