import CSpindle
import SpindleGround
import Synchronization

/// What happens before the process ends: pools drain, threads that are not daemons are waited for, children are joined.
///
///     ProcessExit.register(.pools) { drainEveryPool() }
///
/// On return from `main`, on `exit`, and when `main` throws. Not on a trap, a signal, `_exit`, or in a forked child.
/// The steps, as in Python: the bodies of `.pools`; then the threads; then the bodies of `.processes`. In each stage
/// the body registered last runs first. What a step starts or registers is waited for or run too.
///
/// Threads and `exit`: a thread that calls `exit` is not waited for. When a second thread calls it, the first call goes
/// on and keeps its status; the second thread sleeps, and is not waited for either.
package enum ProcessExit {
  package enum Stage: Int, Sendable, CaseIterable {
    /// Before threads are waited for: what makes them end.
    case pools
    /// After all threads have ended.
    case processes
  }

  private typealias Body = @Sendable () -> Void

  private final class State: Sendable {
    let bodies = RawGuarded<[Stage: [Body]]>([:])
    let isArmed = Atomic<Bool>(false)
    /// Threads that are not daemons and have not ended.
    let threads = Atomic<Int>(0)
    let spot = ParkingSpot()
    /// The thread that ends the process; 0 while it goes on.
    let owner = Atomic<Int32>(0)
  }

  private static let state = State()

  /// Runs `body` before the process ends.
  package static func register(_ stage: Stage, _ body: @escaping @Sendable () -> Void) {
    state.bodies.withLock { $0[stage, default: []].append(body) }
    arm()
  }

  /// Makes sure that the end of the process comes here.
  static func arm() {
    if state.isArmed.load(ordering: .relaxed) { return }
    if !state.isArmed.exchange(true, ordering: .relaxed) { hook() }
  }

  static func threadWillStart() { state.threads.wrappingAdd(1, ordering: .relaxed) }

  static func threadHasEnded() {
    state.threads.wrappingSubtract(1, ordering: .sequentiallyConsistent)  // W1 of the parking protocol
    state.spot.wakeAll()
  }

  private static func hook() {
    if unsafe spindle_at_exit({ failed in unsafe ProcessExit.run(failed) }) != 0 {
      mistake("cannot register what is to happen at exit: no memory")
    }
  }

  private static func run(_ failed: UnsafeMutableRawPointer?) {
    let (isFirst, owner) = state.owner.compareExchange(
      expected: 0, desired: spindle_thread_id(), ordering: .acquiringAndReleasing)
    // The owner comes again, by the second registration below.
    if !isFirst && owner == spindle_thread_id() { return }
    // This thread will not end any more.
    if let record = ThreadRecord.existing, record.origin == .started, !record.isDaemon { threadHasEnded() }
    if !isFirst { spindle_sleep_for_ever() }
    // A thread that calls `exit` from now on comes here too, instead of ending the process under those we wait for.
    hook()
    if let failed = unsafe failed, state.threads.load(ordering: .relaxed) > 0 {
      // SAFETY: on this platform an error is one reference; the caller of this function holds it.
      let error = unsafe Unmanaged<AnyObject>.fromOpaque(failed)
      unsafe announce(error)
    }
    repeat {
      runBodies(.pools)
      _ = state.spot.wait("threads that are not daemons, before exit") { hasNoThread }
      runBodies(.processes)
    } while !hasNoThread || state.bodies.withLock { !$0.isEmpty }
    UncaughtErrors.reportAll()
    ThreadRegistry.joinTheEnded()
  }

  // Sequentially consistent is not needed: S3 of the parking protocol is a fence.
  private static var hasNoThread: Bool { state.threads.load(ordering: .acquiring) <= 0 }

  private static func runBodies(_ stage: Stage) {
    while let body = state.bodies.withLock({ bodies -> Body? in
      let last = bodies[stage]?.popLast()
      if bodies[stage]?.isEmpty == true { bodies[stage] = nil }
      return last
    }) {
      body()
    }
  }

  /// `main` threw: say so now, because the message of the standard library comes only when the threads have ended.
  private static func announce(_ error: Unmanaged<AnyObject>) {
    let error = unsafe unsafeBitCast(error.takeUnretainedValue(), to: (any Error).self)
    writeError("Spindle: main ended with the error \(error); waiting for the threads that are not daemons")
  }
}
