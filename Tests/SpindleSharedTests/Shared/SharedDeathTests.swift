#if DEBUG
  import Glibc
  import Spindle
  import SpindleProcesses
  import SpindleTestSupport
  import Testing

  // What the tests run in children: each goes on until it reaches the armed point.

  private func usePermits(_ semaphore: SharedSemaphore, _ point: UInt8, _ after: Int) {
    FaultPoint(rawValue: point)?.arm(after: after)
    while true { semaphore.withPermit {} }
  }
  private func takeOne(_ semaphore: SharedSemaphore, _ point: UInt8, _ after: Int) {
    semaphore.acquire()
    FaultPoint(rawValue: point)?.arm(after: after)
    while true {
      semaphore.acquire()
      semaphore.release()
    }
  }
  private func waitAndNotify(_ condition: SharedCondition, _ point: UInt8, _ after: Int) {
    FaultPoint(rawValue: point)?.arm(after: after)
    while true {
      condition.withLock {
        condition.wait(timeout: .zero)
        condition.notify()
      }
    }
  }
  private func notifyOnce(_ condition: SharedCondition, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    condition.withLock { condition.notify() }
  }
  private func waitAndDie(_ condition: SharedCondition, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    condition.withLock { condition.wait() }
  }
  private func setOnce(_ event: SharedEvent, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    event.set()
  }
  private func passBarrier(_ barrier: SharedBarrier, _ point: UInt8, _ after: Int) throws {
    FaultPoint(rawValue: point)?.arm(after: after)
    while true { try barrier.wait() }
  }
  private func lockAndRelease(_ lock: SharedLock, _ point: UInt8, _ isHeld: SharedEvent, _ go: SharedEvent) {
    lock.acquire()
    isHeld.set()
    go.wait()
    FaultPoint(rawValue: point)?.arm()
    lock.release()
  }
  private func changeValue(_ value: SharedValue<Int>, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    value.withLock { $0 = 99 }
  }
  private let nothing: @Sendable () throws -> Void = {}

  private func expectKilled<Result>(_ child: ChildProcess<Result>, _ place: SourceLocation = #_sourceLocation) {
    let error = #expect(throws: WorkerDiedError.self, sourceLocation: place) { try child.join() }
    #expect(error?.exitStatus == .signalled(SIGKILL), sourceLocation: place)
  }

  /// Processes that are killed at each step of the protocols by which shared objects change.
  @Suite(.watchdog(seconds: 180)) struct SharedDeathTests {
    static let journal: [FaultPoint] = [
      .journalLocked, .journalWritten, .journalDecided, .journalHalfApplied, .journalApplied,
    ]

    @Test(arguments: journal) func `permits are neither lost nor made`(_ point: FaultPoint) {
      for after in [1, 2, 4] {
        let semaphore = SharedSemaphore(3)
        let child = ChildProcess(target: usePermits, semaphore, point.rawValue, after)
        child.start()
        expectKilled(child)
        for _ in 0..<3 { #expect(semaphore.acquire(timeout: long)) }
        #expect(!semaphore.tryAcquire() && semaphore.available == 0 && semaphore.isOwned)
        semaphore.release(3)
        #expect(semaphore.available == 3)
      }
    }

    @Test(arguments: journal) func `permits that were held all the time are given back too`(_ point: FaultPoint) {
      let semaphore = SharedBoundedSemaphore(3)
      let child = ChildProcess(target: takeOne, semaphore as SharedSemaphore, point.rawValue, 2)
      child.start()
      expectKilled(child)
      for _ in 0..<3 { #expect(semaphore.acquire(timeout: long)) }
      #expect(semaphore.reclaimed >= 1)
    }

    @Test(arguments: journal + [.conditionEnded]) func `a condition goes on`(_ point: FaultPoint) {
      for after in 1...2 {
        let condition = SharedCondition()
        let waiter = OSThread.spawn { condition.withLock { condition.wait(timeout: long) } }
        eventually { condition.waiterCount == 1 }
        let child = ChildProcess(target: waitAndNotify, condition, point.rawValue, point == .conditionEnded ? 1 : after)
        child.start()
        expectKilled(child)
        #expect(condition.acquire(timeout: long))
        // The dead may have notified the waiter, or not.
        condition.notify()
        condition.release()
        #expect(waiter.join())
        #expect(condition.waiterCount <= 1)
      }
    }

    @Test func `a notifier that dies before it wakes has notified`() {
      let condition = SharedCondition()
      let waiter = OSThread.spawn { condition.withLock { condition.wait(timeout: long) } }
      eventually { condition.waiterCount == 1 }
      let child = ChildProcess(target: notifyOnce, condition, FaultPoint.conditionEnded.rawValue)
      child.start()
      expectKilled(child)
      #expect(waiter.join())
    }

    @Test(arguments: [FaultPoint.conditionWoken, .conditionLocked], [false, true])
    func `the notification of who dies before it can act on it goes to the next`(_ point: FaultPoint, isRecursive: Bool) {
      let condition = isRecursive ? SharedCondition(SharedRLock()) : SharedCondition(SharedLock())
      let victim = ChildProcess(target: waitAndDie, condition, point.rawValue)
      victim.start()
      eventually { condition.waiterCount == 1 }
      let survivor = OSThread.spawn { condition.withLock { condition.wait(timeout: long) } }
      eventually { condition.waiterCount == 2 }
      condition.withLock { condition.notify() }
      expectKilled(victim)
      #expect(survivor.join())
      #expect(condition.waiterCount == 0)
      #expect((condition.ownerDied != nil) == (point == .conditionLocked))
    }

    @Test(arguments: [FaultPoint.spotChanged, .spotClaimed, .spotMoved])
    func `who sets an event and dies has let those go who wait`(_ point: FaultPoint) async throws {
      let event = SharedEvent()
      let thread = OSThread.spawn { event.wait(timeout: long) }
      let task = Task { try await event.wait(timeout: long) }
      await eventually { event.someoneSleeps }
      let child = ChildProcess(target: setOnce, event, point.rawValue)
      child.start()
      await #expect(throws: WorkerDiedError.self) { try await child.join() }
      #expect(try await task.value)
      #expect(try! await thread.join())
    }

    @Test(arguments: journal + [.spotChanged, .spotClaimed, .spotMoved, .barrierHeld], [false, true])
    func `a barrier breaks, or its parties go on`(_ point: FaultPoint, hasAction: Bool) throws {
      // Without an action nobody holds those who wait.
      if point == .barrierHeld && !hasAction { return }
      for after in 2...3 {
        let barrier = SharedBarrier(2, action: hasAction ? nothing : nil)
        let child = ChildProcess(target: passBarrier, barrier, point.rawValue, after)
        child.start()
        let partner = OSThread.spawn { () -> Bool in
          do { while true { try barrier.wait() } } catch { return error as? BarrierError == .broken }
        }
        expectKilled(child)
        // If the dead did not wait, its partner rightly waits for another: and meets it.
        if !barrier.isBroken { _ = try? barrier.wait(timeout: long) }
        barrier.abort()
        #expect(partner.join())
        barrier.reset()
        race(threads: 2) { _ in _ = try! barrier.wait(timeout: long) }
      }
    }

    @Test func `who dies between freeing a lock and waking leaves it to the others`() {
      let lock = SharedLock(), isHeld = SharedEvent(), go = SharedEvent()
      let child = ChildProcess(target: lockAndRelease, lock, FaultPoint.ownedWordReleased.rawValue, isHeld, go)
      child.start()
      isHeld.wait()
      let waiter = OSThread.spawn { lock.acquire() }
      eventually { lock.someoneWaits }
      go.set()
      expectKilled(child)
      // It was free when its last holder died: nobody is to be told.
      #expect(waiter.join() == nil)
      lock.release()
    }

    @Test func `a change of a value that was not finished has not happened`() {
      let value = SharedValue(7)
      let child = ChildProcess(target: changeValue, value, FaultPoint.valueWritten.rawValue)
      child.start()
      expectKilled(child)
      #expect(value.value == 7)
      #expect(value.lock.ownerDied?.pid == child.pid)
      value.withLock { $0 += 1 }
      #expect(value.value == 8)
    }
  }
#endif
