import CSpindle
import SpindleGround
import SpindleThreads

/// The place among a pool's workers from which a thread forks, for the time of one call.
///
/// A worker has one anyway. Who calls from outside takes that of a worker that was not started or sleeps, as a guest, and begins at once:
/// else a worker would have to be woken, that one would wake the next, and in the end the caller be woken, at 30 to 200 us each, and
/// the kernel wakes two on one processor and leaves the third idle, now and then for tens of milliseconds. No more threads are at
/// work in the pool than it has workers.
///
/// The place is given up when the call ends. What came meanwhile found as many workers as may be, none of which will look for it:
///
///     guest                                         who submits, or forks
///     D2 live -= 1, or the sleeper back in line     J1 append the job; count the call, push what it forks
///     D3 jobs in line, calls: start or wake one     J2 somebody sleeps: wake it; J4 fewer than may be: start one
///
/// All are sequentially consistent, or behind one guard: either D3 sees J1, or J2 and J4 see D2. Step by step, also how a sleeper is
/// taken out of line by one who does not wake it: `GuestModelTests`.
///
/// As long as it sits there the guest is to the pool what a worker is: it does by itself the work of a future for which it waits,
/// and when all wait a spare worker helps out. But it helps with nothing that another call has forked (`ForkTeam`).
// SAFETY: the outer lane is only set again, on the thread that had it.
@usableFromInline
@safe struct Seat {
  private let worker: PoolWorker
  /// nil for a worker of the pool.
  private let place: PoolCore.GuestPlace?
  /// What the thread was, and comes back to.
  private let outer: PoolWorker?
  private let outerLane: UnsafeMutableRawPointer?
  private let outerSharers: Int

  fileprivate init(_ worker: PoolWorker, _ place: PoolCore.GuestPlace? = nil) {
    self.worker = worker
    self.place = place
    outer = PoolWorker.current
    unsafe outerLane = spindle_lane()
    outerSharers = ProcessorShare.ofThread
    if place != nil {
      // Its own pool must not count on it meanwhile, as if it waited for a worker of this one.
      outer?.pool.beginBlocking()
      worker.makeCurrent()
      ProcessorShare.setForThread(worker.pool.sharers)
    }
    worker.pool.team.beginCall(asGuest: worker.isGuest)
    worker.enterLane()
  }

  fileprivate func leave() {
    unsafe worker.leaveLane(to: outerLane)
    worker.pool.team.endCall(asGuest: worker.isGuest)
    if let place {
      ProcessorShare.setForThread(outerSharers)
      if let outer { outer.makeCurrent() } else { spindle_set_worker(nil) }
      worker.giveLaneBack()
      worker.pool.removeGuest(from: place)
      outer?.pool.endBlocking()
    }
  }
}

extension PoolCore {
  /// A seat for the calling thread; nil when there is none for a thread from outside: all workers have something to do, or each has to
  /// be initialised, or the pool takes in nothing more; or its stack is not of the system's size, for which what is forked may be made.
  @usableFromInline
  func takeSeat() -> Seat? {
    team.beginUse()
    guard let seat = takeOwnSeat() ?? takeGuestSeat() else { return nil }
    // Not before its call has begun, which the new worker looks at: it starts the next.
    startOne()
    return seat
  }

  private func takeOwnSeat() -> Seat? {
    guard let worker = PoolWorker.current, worker.pool === self else { return nil }
    return Seat(worker)
  }

  private func takeGuestSeat() -> Seat? {
    if initializer != nil || ThreadRecord.hasOwnStackSize { return nil }
    guard let place = addGuest() else { return nil }
    guard let lane = unsafe team.takeLane(of: number) else {
      removeGuest(from: place)
      return nil
    }
    return unsafe Seat(PoolWorker(pool: self, lane: lane), place)
  }

  @usableFromInline
  func leave(_ seat: Seat) { seat.leave() }
}
