import Synchronization

extension ParkingSpot {
  /// Suspends the task until `attempt` succeeds. False when the deadline passed first; throws when the task was
  /// cancelled while it had to wait. A success is never given up for a cancellation that came at the same time.
  ///
  /// The same protocol as for threads, on the same list. `owner` holds this spot and is kept alive by the wait.
  @usableFromInline
  package func wait(
    _ purpose: StaticString, owner: AnyObject & Sendable, until deadline: Deadline = .never, parties: Int = 2,
    isShared: Bool = false, isolation: isolated (any Actor)? = #isolation, attempt: () -> Bool
  ) async throws(CancellationError) -> Bool {
    if !isReserved, attempt() { return true }  // S1
    return try await waitOn(
      purpose, owner: owner, until: deadline, parties: parties, isShared: isShared, isolation: isolation, attempt: attempt)
  }

  /// The same for whoever has just tried in vain, or stood back for a reservation. See the form for threads.
  @usableFromInline
  package func waitOn(
    _ purpose: StaticString, owner: AnyObject & Sendable, until deadline: Deadline = .never, parties: Int = 2,
    batch: UInt? = nil, isShared: Bool = false, isolation: isolated (any Actor)? = #isolation,
    onListing: () -> Void = {}, isPromising: () -> Bool = { true }, attempt: () -> Bool
  ) async throws(CancellationError) -> Bool {
    if deadline == .immediate { return false }
    if Task.isCancelled { throw CancellationError() }
    var pauses = SpinPolicy(parties: parties, batch: batch, glances: true)
    while !isReserved, pauses.pause() {
      if isPromising(), attempt() { return true }
    }
    let waiter = Waiter()
    let record = WaitReport.begin(purpose, waiter, isTask: true)
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
      let ending = await suspend(waiter, owner: owner, until: deadline)  // S5
      if ending == .woken {
        waiter.reset()
        if attempt() { return true }
      }
      if Task.isCancelled { throw CancellationError() }
      if ending == .gaveUp || deadline.hasPassed { return false }
      overtaken += 1
    }
  }

  /// Suspends the task until a waker ends this very sleep; nil when the deadline passed first.
  /// See the form for threads. Throws when the task is or becomes cancelled and no waker was faster.
  @usableFromInline
  package func park(
    _ purpose: StaticString, owner: AnyObject & Sendable, until deadline: Deadline = .never, unneeded: UInt32 = 0,
    isolation: isolated (any Actor)? = #isolation, afterListing: () -> Bool
  ) async throws(CancellationError) -> UInt32? {
    let waiter = Waiter()
    enqueue(waiter)  // S2
    return try await sleepOnce(
      purpose, waiter, owner: owner, until: deadline, unneeded: unneeded, isolation: isolation, afterListing)
  }

  /// Steps S3 to S5 of a listed waiter.
  private func sleepOnce(
    _ purpose: StaticString, _ waiter: Waiter, owner: AnyObject & Sendable, until deadline: Deadline, unneeded: UInt32,
    isolation: isolated (any Actor)?, _ afterListing: () -> Bool
  ) async throws(CancellationError) -> UInt32? {
    atomicMemoryFence(ordering: .sequentiallyConsistent)  // S3
    if !afterListing(), remove(waiter) { return unneeded }  // S4
    if deadline == .immediate, giveUp(waiter) { return nil }
    let record = WaitReport.begin(purpose, waiter, isTask: true)
    defer { WaitReport.end(record) }
    // A waiter that a waker has taken meanwhile is not asleep for long: its end is on the way.
    switch await suspend(waiter, owner: owner, until: deadline) {  // S5
    case .woken: return waiter.wakeCode
    case .gaveUp:
      if Task.isCancelled { throw CancellationError() }
      return nil
    }
  }

  private enum Ending { case woken, gaveUp }

  /// One sleep of a listed waiter. Deadline and cancellation both end it by `giveUp`, outside of any lock of ours.
  private func suspend(
    _ waiter: Waiter, owner: AnyObject & Sendable, until deadline: Deadline,
    isolation: isolated (any Actor)? = #isolation
  ) async -> Ending {
    // SAFETY: the spot is a stored part of `owner`, which the closures retain; so the address outlives them.
    nonisolated(unsafe) let spot = unsafe withUnsafePointer(to: self) { unsafe $0 }
    let giveUp: @Sendable () -> Void = {
      withExtendedLifetime(owner) { _ = unsafe spot.pointee.giveUp(waiter) }
    }
    let alarm = deadline.isNever ? nil : Alarms.shared.set(for: deadline, giveUp)
    await withTaskCancellationHandler {
      await waiter.suspend()
    } onCancel: {
      giveUp()
    }
    if let alarm { Alarms.shared.cancel(alarm) }
    return waiter.wakeCode == nil ? .gaveUp : .woken
  }
}
