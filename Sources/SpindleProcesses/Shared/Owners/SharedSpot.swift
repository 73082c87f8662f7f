internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// A place in shared memory where threads of any process sleep until somebody who changed something says "try again".
///
/// The twin of `ParkingSpot` between processes. Two words, `sleepers` and `epoch`; nobody waits: a waker's whole cost
/// is a fence and a load.
///
///     sleeper                                  waker
///     S0 try; if it can be done, done          W1 change the state
///     S1 seen = epoch                          W2 full fence
///     S2 sleepers += 1, full fence             W3 sleepers == 0: done
///     S3 try once more; done: leave            W4 sleepers -= 1 (one claim for each to be woken)
///     S4 sleep while epoch == seen             W5 epoch += 1
///                                              W6 wake one
///
/// No wake-up is lost. S2 and W2 order the two: either W3 sees the registration, or S3 sees the change. When W4 claims
/// this sleeper's registration, W5 comes after its S1 (S1 is before S2), so that S4 does not sleep or W6 ends it.
/// Had S1 come after S2, a waker could claim the registration and change the epoch before S1; the sleeper would then
/// sleep, registered nowhere, on an epoch that nobody changes.
///
/// Only wakers count down. Who leaves at S3, or gives up, leaves its registration behind: it costs a later waker one
/// system call that wakes nobody, and is gone. Were it taken back, it might be another's that is taken, one that
/// was not claimed, and that one would sleep unseen. So `sleepers` is never below the number of those who sleep with
/// an unclaimed registration, and a wake-up is sent once for each claim, not at every change while a sleeper wakes up.
///
/// Processes die. A sleeper that dies leaves a registration (harmless, as above). A waker that dies between W1 and W6,
/// or a woken one that dies before it has tried, leaves somebody asleep who could go on: so S4 sleeps at most a slice
/// of 100 ms, then tries again, and registers again if the epoch has moved.
// SAFETY: both words are atomic and lie in a mapping that whoever has the spot keeps.
@safe struct SharedSpot: @unchecked Sendable {
  /// `sleepers` and `epoch`.
  static var byteCount: Int { 8 }
  static var slice: Int64 { 100_000_000 }

  private let sleepers: UnsafeMutablePointer<Atomic<UInt32>>
  private let epoch: UnsafeMutablePointer<Atomic<UInt32>>

  /// The spot at that offset; both words 0 in a new one.
  init(in mapping: SharedMapping, at offset: Int) {
    unsafe sleepers = mapping.word32(at: offset)
    unsafe epoch = mapping.word32(at: offset + 4)
  }

  // MARK: For wakers

  /// Tells up to `count` of those who wait to try again. Not under the lock of what was changed.
  func wake(_ count: UInt32 = 1) {
    FaultPoint.spotChanged.reach()
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // W2, pairs with the fence of register()
    let now = unsafe sleepers.pointee.load(ordering: .relaxed)  // W3
    if now != 0 { claim(now, count) }
  }

  /// The same, for whose last step was a sequentially consistent exchange R after W1: the release of an `OwnedWord`. With
  /// this load, equally ordered, it stands for the fence of W2, if S3 takes that lock or reads its word, acquiring, before it looks.
  ///
  /// For W3 that does not see S2 comes before S2's fence in the order of all that is sequentially consistent, and R before W3. So
  /// S3, after the fence, finds in the word what R wrote or something later; every change of the word is a read-modify-write,
  /// so that is R's release sequence, and W1, before R, is visible.
  @inline(__always)
  func wakeAfterExchange(_ count: UInt32 = 1) {
    FaultPoint.spotChanged.reach()
    let now = unsafe sleepers.pointee.load(ordering: .sequentiallyConsistent)  // W3
    if now != 0 { claim(now, count) }
  }

  @inline(never)
  private func claim(_ seen: UInt32, _ count: UInt32) {
    var now = seen
    while now != 0 {
      let claimed = min(now, count)
      // W4. Releasing, and so is W5: a sleeper that sees the epoch moved sees the change.
      let (exchanged, seen) = unsafe sleepers.pointee.compareExchange(
        expected: now, desired: now - claimed, ordering: .acquiringAndReleasing)
      if exchanged {
        FaultPoint.spotClaimed.reach()
        unsafe epoch.pointee.wrappingAdd(1, ordering: .releasing)  // W5
        FaultPoint.spotMoved.reach()
        let word = unsafe UnsafeRawPointer(epoch).assumingMemoryBound(to: UInt32.self)
        unsafe spindle_shared_wake(word, Int32(clamping: claimed))  // W6
        return
      }
      now = seen
    }
  }

  func wakeAll() { wake(.max) }

  /// Whether somebody is registered. For tests and reports: a registration may be left over.
  var hasSleepers: Bool { unsafe sleepers.pointee.load(ordering: .relaxed) != 0 }

  // MARK: For sleepers

  /// Blocks the thread until `attempt` succeeds; false when the deadline passed first.
  ///
  /// The only loop around a wait between processes. `attempt` makes its change in one step or none; it is made at least
  /// once after every sleep, so that a wake-up that came with the end of the time is not lost.
  ///
  /// `patrol` is called before every sleep, so at least once a slice: it looks for what the dead have left behind, and if
  /// it changes something wakes those concerned, this one among them.
  func wait(until deadline: Deadline, patrol: () -> Void = {}, attempt: () -> Bool) -> Bool {
    if attempt() { return true }  // S0
    return waitOn(until: deadline, patrol: patrol, attempt: attempt)
  }

  /// The same for whoever has just tried in vain; `batch` is explained at `SpinPolicy`.
  func waitOn(
    until deadline: Deadline, batch: UInt? = nil, patrol: () -> Void = {}, attempt: () -> Bool
  ) -> Bool {
    if deadline == .immediate { return false }
    while true {
      var pauses = SpinPolicy(batch: batch)
      while pauses.pauseOrYield() {
        if attempt() { return true }
      }
      let seen = register()  // S1, S2
      repeat {
        if attempt() { return true }  // S3
        if deadline.hasPassed { return false }
        patrol()
        sleep(while: seen, until: deadline)  // S4
      } while isUnmoved(seen)
      if attempt() { return true }
    }
  }

  /// S1 and S2: from now on a waker sees somebody. What it returns is for `sleep`.
  func register() -> UInt32 {
    let seen = unsafe epoch.pointee.load(ordering: .acquiring)  // S1, pairs with W5
    unsafe sleepers.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)  // S2
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // pairs with W2
    return seen
  }

  /// S4, one slice at most. May return early.
  func sleep(while seen: UInt32, until deadline: Deadline = .never) {
    let end = min(deadline.nanoseconds, spindle_now() + Self.slice)
    unsafe spindle_shared_wait(UnsafeRawPointer(epoch).assumingMemoryBound(to: UInt32.self), seen, end)
  }

  /// Whether nobody was woken since `register` returned `seen`: its registration still stands.
  func isUnmoved(_ seen: UInt32) -> Bool { unsafe epoch.pointee.load(ordering: .acquiring) == seen }
}
