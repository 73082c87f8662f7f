internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Lets tasks wait at a `SharedSpot` without blocking one of Swift's cooperative threads.
///
/// Tasks wait at a `ParkingSpot` of this process; one thread, started by the first of them, waits at the shared spot
/// in their place and wakes as many as can go on. While no task waits, that thread sleeps without a time limit.
///
///     task                                     thread
///     T1 line up in `local`, full fence        H1 heard = bell, isIdle = true, full fence
///     T2 try; if it can be done, leave         H2 `local` empty: sleep while bell == heard, again from H1
///     T3 isIdle: bell += 1, wake the thread    H3 register at the shared spot (its S1, S2)
///     T4 sleep                                 H4 wake as many of `local` as can go on (its S3)
///                                              H5 sleep, a slice at most (its S4), again from H1
///
/// T1 and H1 order the two: either H2 sees the task in line, or T3 sees that the thread is idle. What changed before
/// H3 is seen at H4; what changes later ends H5. A task that lines up after H4 has tried at T2, after H3: what it has
/// not seen by then ends H5.
final class SharedSpotBridge: Sendable {
  private let spot: SharedSpot
  /// Keeps the memory in which `spot` lies.
  private let memory: AnyObject & Sendable
  /// How many of those who wait could go on now.
  private let ready: @Sendable () -> Int
  /// Before every sleep of the thread: see `SharedSpot.wait`.
  private let patrol: @Sendable () -> Void

  private let local = ParkingSpot()
  private let bell = Atomic<UInt32>(0)
  private let isIdle = Atomic<Bool>(false)
  private let isEnding = Atomic<Bool>(false)
  private let isStarted = RawGuarded(false)
  private let hasEnded = Gate()

  init(
    _ spot: SharedSpot, in memory: AnyObject & Sendable, patrol: @escaping @Sendable () -> Void = {},
    ready: @escaping @Sendable () -> Int
  ) {
    self.spot = spot
    self.memory = memory
    self.ready = ready
    self.patrol = patrol
  }

  /// Suspends the task until `attempt` succeeds; false when the deadline passed first; throws when it is cancelled.
  nonisolated(nonsending) func wait(
    _ purpose: StaticString, until deadline: Deadline, attempt: () -> Bool
  ) async throws -> Bool {
    if attempt() { return true }
    if deadline == .immediate { return false }
    if Task.isCancelled { throw CancellationError() }
    try start()
    return try await local.wait(purpose, owner: self, until: deadline) {
      if attempt() { return true }  // T2; T1 was made by `local`
      // T3. Of several tasks one rings.
      if isIdle.load(ordering: .sequentiallyConsistent), isIdle.exchange(false, ordering: .sequentiallyConsistent) {
        bell.wrappingAdd(1, ordering: .releasing)
        SpindleGround.wake(bell)
      }
      return false
    }
  }

  /// Whether a task waits. For tests.
  var hasWaiters: Bool { local.hasWaiters }

  // MARK: The thread

  private func start() throws(SharedMemoryError) {
    try isStarted.withLock { (isStarted) throws(SharedMemoryError) in
      if isStarted { return }
      let context = unsafe Unmanaged.passRetained(self)
      // SAFETY: the retained reference is the thread's, which releases it as its last act.
      let error = unsafe spindle_start_detached(
        "spindle-shared", { unsafe Unmanaged<SharedSpotBridge>.fromOpaque($0!).takeRetainedValue().run() },
        context.toOpaque())
      if error != 0 {
        unsafe context.release()
        throw SharedMemoryError("starting a thread that waits for other processes", errorNumber: error)
      }
      isStarted = true
    }
  }

  /// Ends the thread; returns when it no longer uses the memory. No task may be waiting.
  func end() {
    guard isStarted.withLock({ $0 }) else { return }
    isEnding.store(true, ordering: .sequentiallyConsistent)
    bell.wrappingAdd(1, ordering: .releasing)
    SpindleGround.wake(bell)
    // Ends H5 too. Others that wait at the spot try once more, to no harm.
    spot.wakeAll()
    hasEnded.wait("the end of a thread that waits for other processes")
  }

  private func run() {
    while true {
      let heard = bell.load(ordering: .acquiring)  // H1
      isIdle.store(true, ordering: .sequentiallyConsistent)
      if isEnding.load(ordering: .sequentiallyConsistent) { break }
      if !local.hasWaiters {  // H2
        _ = SpindleGround.sleep(on: bell, while: heard, until: .never)
        isIdle.store(false, ordering: .relaxed)
        continue
      }
      isIdle.store(false, ordering: .relaxed)
      let seen = spot.register()  // H3
      if isEnding.load(ordering: .sequentiallyConsistent) { break }
      local.wake(ready())  // H4
      patrol()
      spot.sleep(while: seen)  // H5
    }
    hasEnded.open()
  }
}
