import CSpindle
import SpindleGround
import Synchronization

/// What is known about one thread: shared by its `OSThread`, its handles, the thread itself and those who join it.
///
///     new ──start──► started ──body has ended──► finished
///      ▲                │
///      └──cannot start──┘
///
/// The end of a thread, in steps; T1 is in `OSThread.run`, the others in `threadMain`:
///
///     thread                                       those who join
///     T1 run the body; store what came out;        J1 look for a while whether `phase` is finished (sees T1 to T3)
///        release the body and its captures         J2 the first of them: sleep until the kernel's thread is gone;
///     T2 destroy its thread-local values              the others sleep on `spot`, until `phase` is finished and
///     T3 leave `ThreadRegistry`                       the first has done
///     T4 phase = finished, wake J2                 J3 read what came out
///     T5 release the OSThread: what came out may
///        be destroyed here
///     T6 the process may end now, as far as this
///        thread is concerned
///
/// J2 in its own steps, with a claim that may be given back: `JoinModelTests`.
// SAFETY: `currentName` belongs to `lock`, the links to that of `ThreadRegistry`; `job` is written before the thread is created,
// then belongs to the thread. The rest is constant or atomic.
@safe package final class ThreadRecord: @unchecked Sendable {
  /// How the thread came to be.
  enum Origin: Sendable { case main, started, foreign }

  static let new: UInt32 = 0
  static let started: UInt32 = 1
  static let finished: UInt32 = 2

  let origin: Origin
  let isDaemon: Bool
  let stackSize: Int
  let phase: Atomic<UInt32>
  /// Those who wait for `phase`, for `tid`, or for the one who waits for the kernel's thread. That one sleeps in the kernel itself.
  let spot = ParkingSpot()
  private let tid: Atomic<Int32>
  private let lock = RawLock()
  private var currentName: String

  /// The records before and after this one in a list of `ThreadRegistry`, to whose lock they belong.
  var next: ThreadRecord?
  unowned(unsafe) var previous: ThreadRecord?

  /// What the thread is to run; it keeps the OSThread alive from start to end.
  var job: (any ThreadJob)?

  /// For the system's join and detach; 0 until it is known. The thread tells it and so does its creator: either may be the first.
  private let toldHandle = Atomic<UInt>(0)
  private var handle: UInt { toldHandle.load(ordering: .relaxed) }
  private let reaping = Atomic<UInt32>(ThreadRecord.joinable)
  private static let joinable: UInt32 = 0
  private static let beingJoined: UInt32 = 1
  private static let gone: UInt32 = 2

  init(origin: Origin, name: String, isDaemon: Bool, stackSize: Int = 0) {
    self.origin = origin
    self.isDaemon = isDaemon
    self.stackSize = stackSize
    currentName = name
    phase = Atomic(origin == .started ? Self.new : Self.started)
    tid = Atomic(origin == .foreign ? spindle_thread_id() : 0)
  }

  // MARK: What it is

  var isAlive: Bool { phase.load(ordering: .acquiring) == Self.started }

  var name: String {
    get {
      lock.acquire()
      defer { lock.release() }
      return currentName
    }
    set {
      lock.acquire()
      let old = currentName  // released after the lock
      currentName = newValue
      // Under the lock the thread cannot finish (see `finish`), so its id still means this thread.
      if isAlive, let id = knownID {
        // SAFETY: as in `begin`.
        unsafe newValue.withCString { unsafe spindle_thread_set_name(id, $0) }
      }
      lock.release()
      _ = consume old
    }
  }

  /// The kernel's id as far as it is known without waiting.
  private var knownID: Int32? {
    // The first thread's id is the process's, also after a fork.
    if origin == .main { return spindle_process_id() }
    let id = tid.load(ordering: .acquiring)
    return id == 0 ? nil : id
  }

  /// The kernel's id; nil before the start. A thread that was just started tells it in its first steps: waits for that.
  var nativeID: Int32? {
    if let id = knownID { return id }
    if phase.load(ordering: .acquiring) == Self.new { return nil }
    // A start that failed meanwhile puts `phase` back.
    _ = spot.wait("a thread's first step") { knownID != nil || phase.load(ordering: .acquiring) == Self.new }
    return knownID
  }

  // MARK: Start and end

  /// Starts the thread; 0 or the system's error. `job` is set.
  func create() -> Int32 {
    var created: UInt = 0
    let error = unsafe spindle_thread_start(stackSize, threadMain, Unmanaged.passRetained(self).toOpaque(), &created)
    if error == 0 {
      toldHandle.store(created, ordering: .relaxed)
    } else {
      unsafe Unmanaged.passUnretained(self).release()
    }
    return error
  }

  /// The thread's first steps, on the thread.
  func begin() {
    unsafe spindle_set_thread_record(Unmanaged.passUnretained(self).toOpaque())
    toldHandle.store(spindle_thread_handle(), ordering: .relaxed)
    lock.acquire()
    tid.store(spindle_thread_id(), ordering: .sequentiallyConsistent)  // W1 of the parking protocol
    // SAFETY: the string ends with a zero byte and is read during the call only.
    unsafe currentName.withCString { unsafe spindle_thread_set_own_name($0) }
    lock.release()
    spot.wakeAll()
  }

  /// T4.
  func finish() {
    lock.acquire()
    phase.store(Self.finished, ordering: .sequentiallyConsistent)  // W1 of the parking protocol
    lock.release()
    spot.wakeAll()
  }

  /// A start that failed: it may be tried again.
  func takeBackStart() {
    phase.store(Self.new, ordering: .sequentiallyConsistent)
    spot.wakeAll()
  }

  // MARK: Joining

  var isFinished: Bool { phase.load(ordering: .acquiring) == Self.finished }

  /// J1 and J2 for a thread. False when the deadline passed before the body had ended.
  func join(until deadline: Deadline) -> Bool {
    mustBeJoinable()
    if deadline == .immediate {
      if !isFinished { return false }
    } else {
      var spin = SpinPolicy()
      while !isFinished, spin.pauseOrYield() {}
    }
    while reaping.load(ordering: .acquiring) != Self.gone {
      if handle != 0, claimReaping() {
        endReaping(joined: isFinished ? awaitExit(until: deadline) : sleepUntilExit(until: deadline))
      } else {
        _ = spot.wait("a thread to end", until: deadline) {
          isFinished && reaping.load(ordering: .acquiring) != Self.beingJoined
        }
      }
      // Once finished, what came out is there: a deadline that passes then is no failure.
      if deadline.hasPassed { return isFinished }
    }
    return true
  }

  /// The thread has only its last steps to do, which take less than a sleep.
  private func awaitExit(until deadline: Deadline) -> Bool {
    var spin = SpinPolicy(untilAwake: ())
    while spin.pauseOrYield() {
      if spindle_thread_join(handle, .min) == 0 { return true }
    }
    return sleepUntilExit(until: deadline)
  }

  /// One sleep: who slept until `phase` is finished would find the thread in its last steps, and have to sleep again.
  private func sleepUntilExit(until deadline: Deadline) -> Bool {
    let record = WaitReport.begin("a thread to end")
    defer { WaitReport.end(record) }
    return spindle_thread_join(handle, deadline.nanoseconds) == 0
  }

  /// The same for a task, which leaves the kernel's thread alone if it is not gone yet.
  func join(until deadline: Deadline, isolation: isolated (any Actor)? = #isolation) async throws(CancellationError)
    -> Bool
  {
    mustBeJoinable()
    guard try await spot.wait("a thread to end", owner: self, until: deadline, attempt: { isFinished }) else {
      return false
    }
    reapNow()
    return true
  }

  /// Frees what the system keeps of an ended thread, without waiting.
  func reapNow() {
    guard claimReaping() else { return }
    if spindle_thread_join(handle, .min) != 0 { spindle_thread_detach(handle) }
    endReaping(joined: true)
  }

  /// Nobody can join any more.
  func detach() {
    guard handle != 0, claimReaping() else { return }
    spindle_thread_detach(handle)
    endReaping(joined: true)
  }

  private func claimReaping() -> Bool {
    // Acquiring: pairs with the store of one who gave up. Releasing is not needed: the claim publishes nothing.
    reaping.compareExchange(expected: Self.joinable, desired: Self.beingJoined, ordering: .acquiring).exchanged
  }

  private func endReaping(joined: Bool) {
    if joined { ThreadRegistry.forget(self) }
    reaping.store(joined ? Self.gone : Self.joinable, ordering: .sequentiallyConsistent)  // W1 of the parking protocol
    spot.wakeAll()
  }

  private func mustBeJoinable() {
    if phase.load(ordering: .acquiring) == Self.new {
      mistake("OSThread \"\(name)\" is joined before it was started: call start() first")
    }
    if ThreadRecord.existing === self {
      mistake("OSThread \"\(name)\" joins itself: it would wait for its own end for ever")
    }
  }
}

/// What a thread runs; an `OSThread`.
protocol ThreadJob: AnyObject {
  /// Runs the body, keeps what came out, releases the body. Called once, on the thread.
  func run()
}

/// What a new thread runs first and last.
private let threadMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
  // SAFETY: `create` retained the record for this call.
  let record = unsafe Unmanaged<ThreadRecord>.fromOpaque(raw!).takeRetainedValue()
  record.begin()
  runJob(of: record)
  // Code that runs still later on this thread (other libraries' thread-specific destructors) sees a foreign thread.
  spindle_set_thread_record(nil)
  if !record.isDaemon { ProcessExit.threadHasEnded() }  // T6
  return nil
}

@inline(never)
private func runJob(of record: ThreadRecord) {
  let job = record.job!
  record.job = nil
  job.run()  // T1
  ThreadValues.destroyAll()  // T2
  ThreadRegistry.remove(record, isUnjoined: true)  // T3
  record.finish()  // T4
  extendLifetime(job)  // T5, on return
}
