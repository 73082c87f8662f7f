import CSpindle
import SpindleGround
import Synchronization

/// The lanes of a pool's workers, and how those without work find what is in them.
// SAFETY: `free` and `outgrown` belong to `lock`. A place is written once, and its lane lives as long as the team.
@usableFromInline
@safe final class ForkTeam: @unchecked Sendable {
  /// How many look for forked jobs, or sleep until there are some. In a line of its own: every fork reads it.
  let searchers: UnsafeMutablePointer<Atomic<Int>>
  private let jobs: JobQueue
  /// Those who wait for a job that another worker stole from them. Not where idle workers sleep: they take no job from the
  /// queue, so a wake-up meant for one that does would be lost with them.
  private let joiners = ParkingSpot()
  private let places: UnsafeMutablePointer<Atomic<UInt>>
  private let room: Int
  /// How many places are in use.
  private let count = Atomic<Int>(0)
  /// Whether anything was ever forked here. Until then workers look for no lanes.
  private let used = Atomic<Bool>(false)
  /// Workers that look for jobs alone, because nothing had been forked here when they began.
  private let unaware = Atomic<Int>(0)
  private let lock = RawLock()
  @exclusivity(unchecked) private var free: [UInt] = []
  @exclusivity(unchecked) private var outgrown: [UInt] = []
  private let cannotFence = Atomic<Bool>(false)
  /// The calls under way that fork here and are not part of another; in the high half how many of them are guests'.
  private let calls = Atomic<UInt>(0)
  /// Held while a guest steals.
  private let guestSteals = RawLock()

  private static var call: UInt { 1 }
  private static var guest: UInt { 1 << 32 }

  init(jobs: JobQueue, room: Int) {
    self.jobs = jobs
    self.room = room
    let line = UnsafeMutableRawPointer.allocate(byteCount: Lane.alignment, alignment: Lane.alignment)
    unsafe searchers = line.bindMemory(to: Atomic<Int>.self, capacity: 1)
    unsafe searchers.initialize(to: Atomic(0))
    unsafe places = .allocate(capacity: room)
    for index in 0..<room { unsafe (places + index).initialize(to: Atomic(0)) }
  }

  deinit {
    for index in 0..<count.load(ordering: .acquiring) {
      let lane = unsafe lane(index)
      unsafe lane.deinitialize(count: 1)
      unsafe UnsafeMutableRawPointer(lane).deallocate()
    }
    for word in unsafe outgrown { unsafe UnsafeMutableRawPointer(bitPattern: word)!.deallocate() }
    unsafe UnsafeMutableRawPointer(searchers).deallocate()
    unsafe places.deallocate()
  }

  // MARK: Lanes

  private func lane(_ index: Int) -> UnsafeMutablePointer<Lane> {
    unsafe UnsafeMutablePointer(bitPattern: (places + index).pointee.load(ordering: .acquiring))!
  }

  /// A lane for the calling worker; nil when there is no place for another. What it would fork it then does itself.
  func takeLane(of pool: UInt32) -> UnsafeMutablePointer<Lane>? {
    lock.acquire()
    defer { lock.release() }
    if let word = unsafe free.popLast() { return unsafe UnsafeMutablePointer(bitPattern: word) }
    let index = count.load(ordering: .relaxed)
    guard index < room else { return nil }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<Lane>.size, alignment: Lane.alignment)
    let lane = unsafe memory.bindMemory(to: Lane.self, capacity: 1)
    unsafe lane.initialize(to: Lane(team: self, pool: pool))
    unsafe (places + index).pointee.store(UInt(bitPattern: lane), ordering: .releasing)
    count.store(index + 1, ordering: .releasing)
    return unsafe lane
  }

  /// The worker ends; there is nothing in its lane.
  func giveBack(_ lane: UnsafeMutablePointer<Lane>) {
    lock.acquire()
    unsafe free.append(UInt(bitPattern: lane))
    lock.release()
  }

  /// Keeps a buffer that a thief may still read.
  func keep(_ buffer: UInt) {
    lock.acquire()
    unsafe outgrown.append(buffer)
    lock.release()
  }

  // MARK: Finding work

  var isUsed: Bool { used.load(ordering: .acquiring) }

  /// From now on workers look into lanes. Those who sleep begin again, counted as searching.
  func beginUse() {
    if isUsed || used.exchange(true, ordering: .sequentiallyConsistent) { return }
    jobs.wakeAll()
  }

  /// Whether all who look for work look into lanes. True from some time after `beginUse` on.
  var areAllAware: Bool { unaware.load(ordering: .sequentiallyConsistent) == 0 }

  /// For a worker that is about to look for something to do: whether it is to look into lanes.
  func beginSearch() -> Bool {
    if !isUsed {
      // Sequentially consistent, all: whoever forks first sees this, or this worker what that one wrote.
      unaware.wrappingAdd(1, ordering: .sequentiallyConsistent)
      if !used.load(ordering: .sequentiallyConsistent) { return false }
      unaware.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
    unsafe searchers.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // S1
    return true
  }

  func endSearch(_ isAware: Bool) {
    if isAware { endSearch() } else { unaware.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
  }

  /// Whether a job lies in any lane.
  var hasJobs: Bool {
    for index in 0..<count.load(ordering: .acquiring) where unsafe !lane(index).pointee.isEmpty { return true }
    return false
  }

  /// A job of any lane; nil when there is none.
  func steal() -> ForkItem? {
    for index in 0..<count.load(ordering: .acquiring) {
      if let item = unsafe lane(index).pointee.steal() { return item }
    }
    return nil
  }

  // MARK: Guests steal from nobody but their own call
  //
  // A worker that waits inside a fork does whatever was forked. A thread from outside may have come with a lock held, or be in the
  // middle of making what a stranger's closure wants: so it helps only while no other call forks here.
  //
  //     guest G, waiting                      another call C
  //     G1 calls += guest, as it began        C1 calls += 1; a guest is there: lock, unlock
  //     G2 lock                               C2 fork
  //     G3 calls == 1: steal                  C3 all has ended: calls -= 1
  //     G4 unlock
  //
  // Say G steals what C forked. Then C2 was before G3's steal, and C3 is after it: what is stolen has not ended. G3 saw one call,
  // its own, so C1 was after G3 in the order of changes of `calls`, and saw the guest, which stays until it has ended. So C1
  // took the lock, after G3 and therefore after G4, and C2 came after G3's steal.

  /// C1 or G1.
  func beginCall(asGuest isGuest: Bool) {
    let added = isGuest ? Self.call + Self.guest : Self.call
    let before = calls.wrappingAdd(added, ordering: .sequentiallyConsistent).oldValue
    if before >= Self.guest {
      guestSteals.acquire()
      guestSteals.release()
    }
  }

  /// C3. A guest may help from now on.
  func endCall(asGuest isGuest: Bool) {
    let added = isGuest ? Self.call + Self.guest : Self.call
    // Sequentially consistent: W1 of `joiners`.
    if calls.wrappingSubtract(added, ordering: .sequentiallyConsistent).newValue == Self.call + Self.guest { joiners.wakeAll() }
  }

  /// Whether a call is under way.
  var hasCalls: Bool { calls.load(ordering: .sequentiallyConsistent) != 0 }

  /// Whether the calling guest's call is the only one.
  private var isOnlyCall: Bool { calls.load(ordering: .sequentiallyConsistent) == Self.call + Self.guest }

  /// G2 to G4; for a worker a job of any lane.
  private func steal(asGuest isGuest: Bool) -> ForkItem? {
    if !isGuest { return steal() }
    guard isOnlyCall else { return nil }
    guestSteals.acquire()
    defer { guestSteals.release() }
    return isOnlyCall ? steal() : nil
  }

  // MARK: Sleeping until there is work

  /// Before the calling thread sleeps until there is a forked job.
  ///
  ///     who forks                              who searches
  ///     P2 bottom += 1                         S1 searchers += 1
  ///     P3 searchers == 0: done                S2 a full fence in every thread
  ///        else fence, wake a sleeper          S3 look into all lanes; nothing: sleep until woken
  ///
  /// S2 runs in the forking thread either before its P3, which then sees S1, or after its P2, which S3 then sees.
  /// So a fork costs a plain load, and whoever is about to sleep, for 30 us at least, pays for both. Who still looks around needs no
  /// wake-up, so a worker passes S2 not before its looks have been in vain: it holds up all who work for some microseconds.
  func search() {
    unsafe searchers.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    passFence()
  }

  /// S2.
  func passFence() {
    if spindle_fence_all_threads() { return }
    // Then every fork takes the slow way, which has a fence of its own.
    if !cannotFence.exchange(true, ordering: .relaxed) {
      unsafe searchers.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  func endSearch() { unsafe searchers.pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent) }

  /// P3: something was pushed while somebody searched.
  func signal() {
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    joiners.wake()
    jobs.wakeOne()
  }

  /// Those who wait for stolen jobs look again.
  func wakeJoiners() { joiners.wakeAll() }

  // MARK: Doing forked work

  func run(_ item: ForkItem) {
    if item.word & 1 != 0 {
      unsafe Unmanaged<ScopeJob>.fromOpaque(UnsafeRawPointer(bitPattern: item.word & ~1)!).takeRetainedValue().run()
      return
    }
    let job = unsafe UnsafeMutablePointer<ForkJob>(bitPattern: item.word)!
    unsafe spindle_call_closure(job.pointee.closure)
    // Sequentially consistent: W1 of `joiners`. The job is gone after this: its frame may go on.
    if unsafe job.pointee.stage.exchange(ForkJob.done, ordering: .sequentiallyConsistent) == ForkJob.awaited {
      joiners.wakeAll()
    }
  }

  /// Takes a job back that was pushed to the calling worker's lane. True when it is still to be done, by the caller.
  func takeBack(_ job: UnsafeMutablePointer<ForkJob>, _ lane: borrowing Lane, popped: UInt) -> Bool {
    var popped = popped
    // Jobs of a scope may lie above it.
    while popped != 0 {
      if unsafe popped == ForkItem(job).word { return true }
      run(ForkItem(word: popped))
      popped = lane.pop()
    }
    helpUntil(isDone: { unsafe job.pointee.stage.load(ordering: .acquiring) == ForkJob.done }) {
      // The thief looks at this before it wakes anybody.
      _ = unsafe job.pointee.stage.compareExchange(
        expected: ForkJob.pending, desired: ForkJob.awaited, ordering: .sequentiallyConsistent)
    }
    return false
  }

  /// Does forked jobs of this pool until `isDone`. A worker that waits inside a fork may do so, and only there: it holds
  /// no lock that a stranger's job could want, unless the user forks with a lock held. A guest does those of its own call.
  func helpUntil(isDone: () -> Bool, beforeSleep: () -> Void) {
    let isGuest = PoolWorker.current?.isGuest ?? false
    while !isDone() {
      if let item = steal(asGuest: isGuest) {
        run(item)
        continue
      }
      var spin = SpinPolicy(lingering: ())
      var found: ForkItem?
      while spin.pauseOrYield() {
        if isDone() { return }
        found = steal(asGuest: isGuest)
        if found != nil { break }
      }
      if found == nil {
        let helps = !isGuest || isOnlyCall
        if helps { search() }
        beforeSleep()
        // Counted as blocked: jobs in line may be what the stolen one waits for, and get a spare worker if all sleep.
        PoolWorker.blockingIfWorker {
          _ = joiners.wait("forked work") {
            if isDone() { return true }
            found = steal(asGuest: isGuest)
            return found != nil || !helps && isOnlyCall
          }
        }
        if helps { endSearch() }
      }
      if let found { run(found) }
    }
  }
}
