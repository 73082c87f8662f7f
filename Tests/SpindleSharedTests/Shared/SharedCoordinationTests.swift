import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// What the tests run in children.

private func sleepForEver() -> Never { while true { pause() } }
private func takePermits(_ semaphore: SharedSemaphore, _ count: Int, _ isDone: SharedEvent) {
  for _ in 0..<count { semaphore.acquire() }
  isDone.set()
  sleepForEver()
}
private func giveSignals(_ semaphore: SharedSemaphore, _ count: Int) { for _ in 0..<count { semaphore.release() } }
private func usePermits(_ semaphore: SharedSemaphore, _ inside: SharedArray<Int>, _ lock: SharedLock) -> Int {
  var most = 0
  for _ in 0..<300 {
    semaphore.withPermit {
      let now = lock.withLock {
        inside[0] += 1; return inside[0]
      }
      most = max(most, now)
      lock.withLock { inside[0] -= 1 }
    }
  }
  return most
}
private func awaitEvent(_ event: SharedEvent) -> Bool { event.wait(timeout: .seconds(60)) }
private func awaitEventInTask(_ event: SharedEvent) async throws -> Bool { try await event.wait(timeout: .seconds(60)) }
private func passBarrier(_ barrier: SharedBarrier, _ times: Int) throws -> [Int] {
  try (0..<times).map { _ in try barrier.wait() }
}
private func passBarrierInTask(_ barrier: SharedBarrier, _ times: Int) async throws -> [Int] {
  var orders: [Int] = []
  for _ in 0..<times { orders.append(try await barrier.wait()) }
  return orders
}
private func isBrokenAtBarrier(_ barrier: SharedBarrier) throws -> Bool {
  do { try barrier.wait(); return false } catch BarrierError.broken { return true }
}
private let note: @Sendable () throws -> Void = { unsafe setenv("SPINDLE_TEST_ACTION", "ran", 1) }
private func dieInAction() throws { kill(getpid(), SIGKILL) }
private func actionRan(_ barrier: SharedBarrier) throws -> Bool {
  try barrier.wait()
  return unsafe getenv("SPINDLE_TEST_ACTION") != nil
}

@Suite(.watchdog(seconds: 120)) struct SharedSemaphoreTests {
  @Test func `exactly so many permits can be taken`() {
    let semaphore = SharedSemaphore(3)
    #expect(semaphore.available == 3)
    #expect(semaphore.tryAcquire() && semaphore.acquire(timeout: short) && semaphore.acquire(blocking: true))
    #expect(!semaphore.tryAcquire() && !semaphore.acquire(blocking: false) && !semaphore.acquire(timeout: short))
    semaphore.release(2)
    #expect(semaphore.available == 2)
    #expect(semaphore.withPermit { semaphore.available } == 1)
    #expect(SharedSemaphore().available == 1 && SharedSemaphore(0).available == 0)
  }

  @Test func `permits may grow past the first number, but not of a bounded semaphore`() async {
    let semaphore = SharedSemaphore(1)
    semaphore.release(5)
    #expect(semaphore.available == 6)
    await #expect(processExitsWith: .failure) { SharedBoundedSemaphore(2).release() }
    await #expect(processExitsWith: .failure) { SharedSemaphore(-1).release() }
    await #expect(processExitsWith: .failure) { SharedSemaphore(1).release(0) }
  }

  @Test func `no more than the permits are inside, over several processes`() throws {
    let semaphore = SharedBoundedSemaphore(2), inside = SharedArray<Int>(count: 1), lock = SharedLock()
    let children = (0..<3).map { _ in
      ChildProcess(target: usePermits, semaphore as SharedSemaphore, inside, lock)
    }
    for child in children { child.start() }
    for child in children { #expect(try child.join() <= 2) }
    #expect(semaphore.available == 2 && semaphore.isOwned)
  }

  @Test func `a release in a child lets a thread and a task go`() async throws {
    let semaphore = SharedSemaphore(0)
    let task = Task { try await semaphore.acquire() }
    let thread = OSThread.spawn { semaphore.acquire() }
    await eventually { semaphore.someoneWaits }
    let child = ChildProcess(target: giveSignals, semaphore, 2)
    child.start()
    try await task.value
    try! await thread.join()
    try await child.join()
    #expect(semaphore.available == 0)
  }

  @Test func `tasks wait without a thread, with time-outs and cancellation`() async throws {
    let semaphore = SharedSemaphore(1)
    try await semaphore.acquire()
    #expect(try await semaphore.acquire(timeout: short) == false)
    let waiting = (0..<40).map { _ in Task { try await semaphore.withPermit { await Task.yield() } } }
    let cancelled = Task { try await semaphore.acquire() }
    await eventually { semaphore.someoneWaits }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    semaphore.release()
    for task in waiting { try await task.value }
    #expect(semaphore.available == 1)
  }

  @Test(arguments: [false, true]) func `permits of a killed process are given back, once`(isWaiting: Bool) throws {
    let semaphore = SharedSemaphore(3), isDone = SharedEvent()
    let child = ChildProcess(target: takePermits, semaphore, 3, isDone)
    child.start()
    isDone.wait()
    #expect(semaphore.available == 0)
    if isWaiting {
      let taken = race(threads: 2) { index in
        if index == 0 { return semaphore.acquire(timeout: long) }
        child.kill()
        return true
      }
      #expect(taken == [true, true])
    } else {
      child.kill()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      eventually { semaphore.tryAcquire() }
    }
    #expect(semaphore.available == 2)
    #expect(semaphore.reclaimed == 3)
    #expect(semaphore.acquire(timeout: .zero) && semaphore.acquire(timeout: .zero))
    #expect(!semaphore.acquire(timeout: short))
    semaphore.release(3)
    if isWaiting { #expect(throws: WorkerDiedError.self) { try child.join() } }
  }

  @Test func `a killed process is no reason for a task to wait`() async throws {
    let semaphore = SharedSemaphore(1), isDone = SharedEvent()
    let child = ChildProcess(target: takePermits, semaphore, 1, isDone)
    child.start()
    try await isDone.wait()
    let task = Task { try await semaphore.acquire(timeout: long) }
    await eventually { semaphore.someoneWaits }
    child.kill()
    #expect(try await task.value)
    await #expect(throws: WorkerDiedError.self) { try await child.join() }
  }

  @Test func `signals belong to nobody, so a death gives nothing back`() throws {
    let signals = SharedSemaphore(0), isDone = SharedEvent()
    let child = ChildProcess(target: takePermits, signals, 2, isDone)
    child.start()
    signals.release(2)
    isDone.wait()
    #expect(!signals.isOwned)
    child.kill()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(!signals.acquire(timeout: short))
    #expect(signals.reclaimed == 0 && signals.available == 0)
  }
}

@Suite(.watchdog(seconds: 120)) struct SharedEventTests {
  @Test func `an event is set, cleared, and waited for with time-outs`() {
    let event = SharedEvent()
    #expect(!event.isSet && !event.wait(timeout: short) && !event.wait(timeout: .zero))
    event.set()
    event.set()
    #expect(event.isSet && event.wait(timeout: .zero))
    event.wait()
    event.clear()
    event.clear()
    #expect(!event.isSet)
  }

  @Test func `it lets threads and tasks of all processes go, though it is cleared at once`() async throws {
    let event = SharedEvent()
    let children = (0..<2).map { _ in ChildProcess(target: awaitEvent, event) }
    let inTasks = (0..<2).map { _ in ChildProcess(target: awaitEventInTask, event) }
    for child in children + inTasks { child.start() }
    let task = Task { try await event.wait() }
    let thread = OSThread.spawn { event.wait() }
    await eventually { event.someoneWaits }
    // Children that are not there yet find it set; then it is cleared.
    event.set()
    try await task.value
    try! await thread.join()
    for child in children + inTasks { #expect(try await child.join()) }
    // Another one: registrations that sleepers have left behind look like sleepers.
    let other = SharedEvent()
    let late = Task { try await other.wait() }
    await eventually { other.someoneWaits }
    other.set()
    other.clear()
    try await late.value
  }

  @Test func `a cancelled task stops waiting`() async throws {
    let event = SharedEvent()
    let task = Task { try await event.wait() }
    await eventually { event.someoneWaits }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await event.wait(timeout: short) == false)
  }
}

@Suite(.watchdog(seconds: 120)) struct SharedBarrierTests {
  @Test func `all go on together, in rounds, each with its order of arrival`() throws {
    let barrier = SharedBarrier(3)
    #expect(barrier.parties == 3 && barrier.waiting == 0 && !barrier.isBroken)
    let orders = race(threads: 3) { _ in try! passBarrier(barrier, 200) }
    for round in 0..<200 { #expect(orders.map { $0[round] }.sorted() == [0, 1, 2]) }
    #expect(try SharedBarrier(1).wait() == 0)
  }

  @Test func `threads and tasks of several processes meet`() async throws {
    let barrier = SharedBarrier(4)
    let children = [
      ChildProcess(target: passBarrier, barrier, 100), ChildProcess(target: passBarrierInTask, barrier, 100),
    ]
    for child in children { child.start() }
    let thread = OSThread.spawn { try! passBarrier(barrier, 100) }
    let mine = try await passBarrierInTask(barrier, 100)
    let orders = [mine, try! await thread.join(), try await children[0].join(), try await children[1].join()]
    for round in 0..<100 { #expect(orders.map { $0[round] }.sorted() == [0, 1, 2, 3]) }
  }

  @Test func `running out of time breaks it for all, until it is reset`() throws {
    let barrier = SharedBarrier(3, timeout: short)
    let broken = race(threads: 2) { _ in try! isBrokenAtBarrier(barrier) }
    #expect(broken == [true, true])
    #expect(barrier.isBroken)
    #expect(throws: BarrierError.broken) { try barrier.wait(timeout: .zero) }
    barrier.reset()
    #expect(!barrier.isBroken)
    race(threads: 3) { _ in _ = try! barrier.wait(timeout: long) }
  }

  @Test(arguments: [false, true]) func `abort and reset send those away who wait`(resets: Bool) throws {
    let barrier = SharedBarrier(2)
    let child = ChildProcess(target: isBrokenAtBarrier, barrier)
    child.start()
    eventually { barrier.waiting == 1 }
    if resets { barrier.reset() } else { barrier.abort() }
    #expect(try child.join())
    #expect(barrier.isBroken == !resets)
  }

  @Test func `cancelling a task takes its arrival back and breaks nothing`() async throws {
    let barrier = SharedBarrier(2)
    let task = Task { try await barrier.wait() }
    await eventually { barrier.waiting == 1 }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(barrier.waiting == 0 && !barrier.isBroken)
    let other = Task { try await barrier.wait() }
    let orders = [try await barrier.wait(), try await other.value]
    #expect(orders.sorted() == [0, 1])
  }

  @Test func `the last one runs the action, in its process`() throws {
    let barrier = SharedBarrier(2, action: note)
    let child = ChildProcess(target: actionRan, barrier)
    child.start()
    eventually { barrier.waiting == 1 }
    unsafe unsetenv("SPINDLE_TEST_ACTION")
    try barrier.wait()
    #expect(unsafe getenv("SPINDLE_TEST_ACTION") != nil)
    #expect(try child.join() == false)
    let other = ChildProcess(target: actionRan, barrier)
    other.start()
    let thread = OSThread.spawn { try! barrier.wait() }
    eventually { barrier.waiting <= 1 }
    _ = try other.join()
    thread.join()
  }

  @Test func `an action that throws breaks the barrier, and an action that captures cannot be sent`() throws {
    struct Refused: Error {}
    let barrier = SharedBarrier(2) { throw Refused() }
    let child = ChildProcess(target: isBrokenAtBarrier, barrier)
    child.start()
    eventually { barrier.waiting == 1 }
    #expect(throws: Refused.self) { try barrier.wait() }
    #expect(try child.join() && barrier.isBroken)
    let captured = [1, 2]
    let other = ChildProcess(target: isBrokenAtBarrier, SharedBarrier(2) { _ = captured.count })
    #expect(throws: CapturedContextError.self) { try other.tryStart() }
  }

  @Test func `the death of one who waits breaks it`() throws {
    let barrier = SharedBarrier(3)
    let victim = ChildProcess(target: isBrokenAtBarrier, barrier)
    let survivor = ChildProcess(target: isBrokenAtBarrier, barrier)
    victim.start()
    survivor.start()
    eventually { barrier.waiting == 2 }
    victim.kill()
    #expect(throws: WorkerDiedError.self) { try victim.join() }
    #expect(try survivor.join())
    #expect(barrier.isBroken)
    barrier.reset()
    #expect(barrier.waiting == 0)
    race(threads: 3) { _ in _ = try! barrier.wait(timeout: long) }
  }

  @Test func `the last one to arrive does not pass with the dead`() throws {
    let barrier = SharedBarrier(2)
    let victim = ChildProcess(target: isBrokenAtBarrier, barrier)
    victim.start()
    eventually { barrier.waiting == 1 }
    victim.kill()
    #expect(throws: WorkerDiedError.self) { try victim.join() }
    #expect(throws: BarrierError.broken) { try barrier.wait() }
  }

  @Test func `the death of who runs the action breaks it`() throws {
    let barrier = SharedBarrier(2, action: dieInAction)
    let thread = OSThread.spawn { try! isBrokenAtBarrier(barrier) }
    eventually { barrier.waiting == 1 }
    let victim = ChildProcess(target: isBrokenAtBarrier, barrier)
    victim.start()
    #expect(throws: WorkerDiedError.self) { try victim.join() }
    #expect(thread.join())
    #expect(barrier.isBroken)
  }

  @Test func `a death breaks it for a task that waits`() async throws {
    let barrier = SharedBarrier(3)
    let victim = ChildProcess(target: isBrokenAtBarrier, barrier)
    victim.start()
    let task = Task { try await barrier.wait() }
    await eventually { barrier.waiting == 2 }
    victim.kill()
    await #expect(throws: BarrierError.broken) { try await task.value }
    await #expect(throws: WorkerDiedError.self) { try await victim.join() }
  }

  @Test func `no parties are a mistake`() async {
    await #expect(processExitsWith: .failure) { _ = SharedBarrier(0) }
  }
}
