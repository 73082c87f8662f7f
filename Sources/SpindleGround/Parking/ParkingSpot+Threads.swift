import Synchronization

extension ParkingSpot {
  /// Blocks the thread until `attempt` succeeds. False when the deadline passed first.
  ///
  /// `attempt` makes the change waited for in one atomic step, or none and returns false; it runs without any lock
  /// held here, many times, on this thread. `purpose` is what a report of hanging threads prints; `parties` and `batch` are
  /// explained at `SpinPolicy`. `isShared`: what is waited for is there for all who come, so nobody is overtaken, and nobody reserves
  /// who is woken in vain. (Steps S1 to S5 are the same with it, so they need no model of their own; a wait without
  /// reservations is that of `ParkingModelTests`.)
  @inline(never) @usableFromInline
  package func wait(
    _ purpose: StaticString, until deadline: Deadline = .never, parties: Int = 2, batch: UInt? = nil,
    isShared: Bool = false, attempt: () -> Bool
  ) -> Bool {
    if !isReserved, attempt() { return true }  // S1
    return waitOn(purpose, until: deadline, parties: parties, batch: batch, isShared: isShared, attempt: attempt)
  }

  /// The same for whoever has just tried in vain, or stood back for a reservation.
  ///
  /// To try once more at once would be too early, and take the line away from the one who could help. `onListing` runs each time
  /// between S2 and S3, for an owner whose wakers look elsewhere than at this spot. `isPromising` is asked before each attempt that is
  /// made only because it might succeed: false where a look that costs less than the attempt says that it would not.
  @inline(never) @usableFromInline
  package func waitOn(
    _ purpose: StaticString, until deadline: Deadline = .never, parties: Int = 2, batch: UInt? = nil,
    isShared: Bool = false, onListing: () -> Void = {}, isPromising: () -> Bool = { true }, attempt: () -> Bool
  ) -> Bool {
    if deadline == .immediate { return false }
    if spin(parties, batch, glances: true, isPromising, attempt) { return true }
    let waiter = Waiter()
    let record = WaitReport.begin(purpose, waiter)
    defer { WaitReport.end(record) }
    var overtaken = 0
    var reserving = false
    defer { if reserving { unreserve() } }
    while true {
      let mayReserve = !isShared && !reserving && overtaken >= Self.patience
      if enqueue(waiter, first: overtaken > 0, reserving: mayReserve) { reserving = true }  // S2
      onListing()
      atomicMemoryFence(ordering: .sequentiallyConsistent)  // S3
      if reserving || !isReserved, attempt() {  // S4
        leave(waiter)
        return true
      }
      if !waiter.sleep(until: deadline, spinning: false), remove(waiter) { return false }  // S5
      waiter.reset()
      if attempt() || spin(parties, nil, glances: false, isPromising, attempt) { return true }
      if deadline.hasPassed { return false }
      overtaken += 1
    }
  }

  /// Blocks the thread until a waker ends this very sleep; returns the waker's code, nil when the deadline passed first.
  ///
  /// For what is not an attempt: a condition's notification. `afterListing` runs once the waiter
  /// can be woken, and returns false when there is no need to sleep after all; then the result is `unneeded`.
  /// Who has waited actively before says so by `spinning`.
  @inline(never) @usableFromInline
  package func park(
    _ purpose: StaticString, until deadline: Deadline = .never, unneeded: UInt32 = 0, spinning: Bool = true,
    afterListing: () -> Bool
  ) -> UInt32? {
    let waiter = Waiter()
    enqueue(waiter)  // S2
    return sleepOnce(purpose, waiter, until: deadline, unneeded: unneeded, spinning: spinning, afterListing)
  }

  /// Steps S3 to S5 of a listed waiter.
  private func sleepOnce(
    _ purpose: StaticString, _ waiter: Waiter, until deadline: Deadline, unneeded: UInt32, spinning: Bool = true,
    _ afterListing: () -> Bool
  ) -> UInt32? {
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // S3
    if !afterListing() {  // S4
      return remove(waiter) ? unneeded : endOfSleep(waiter)
    }
    if deadline == .immediate { return remove(waiter) ? nil : endOfSleep(waiter) }
    let record = WaitReport.begin(purpose, waiter)
    defer { WaitReport.end(record) }
    if !waiter.sleep(until: deadline, spinning: spinning), remove(waiter) { return nil }  // S5
    return endOfSleep(waiter)
  }

  /// The code of a waiter that a waker has taken from the list. The waker may be between taking and ending it.
  private func endOfSleep(_ waiter: Waiter) -> UInt32 {
    while true {
      if let code = waiter.wakeCode { return code }
      _ = waiter.sleep(until: .never, spinning: true)
    }
  }

  private func spin(
    _ parties: Int, _ batch: UInt?, glances: Bool, _ isPromising: () -> Bool, _ attempt: () -> Bool
  ) -> Bool {
    var spin = SpinPolicy(parties: parties, batch: batch, glances: glances)
    while !isReserved, spin.pauseOrYield() {
      if isPromising(), !isReserved, attempt() { return true }
    }
    return false
  }

  /// Leaves the list after a success at S4. A waker that chose this waiter meanwhile meant its wake-up for
  /// somebody who needs it: pass it on.
  func leave(_ waiter: Waiter) {
    if !remove(waiter) { _ = end(1, code: 0) }
  }
}
