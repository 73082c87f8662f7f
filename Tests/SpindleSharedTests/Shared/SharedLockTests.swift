import CSpindle
import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// What the tests run in children.

private func addMany(_ lock: SharedLock, _ total: SharedArray<Int>, _ times: Int) {
  for _ in 0..<times { lock.withLock { total[0] += 1 } }
}
private func addManyRecursively(_ lock: SharedRLock, _ total: SharedArray<Int>, _ times: Int) {
  for _ in 0..<times { lock.withLock { lock.withLock { total[0] += 1 } } }
}
private func hold(_ lock: SharedLock, _ isHeld: SharedEvent) {
  lock.acquire()
  isHeld.set()
  while true { pause() }
}
private func holdAndExit(_ lock: SharedLock) { lock.acquire() }
private func holdRecursively(_ lock: SharedRLock, _ isHeld: SharedEvent) {
  lock.acquire()
  lock.acquire()
  isHeld.set()
  while true { pause() }
}
private func release(_ lock: SharedLock) { lock.release() }
private func tryBoth(_ lock: SharedLock, _ recursive: SharedRLock) -> [Bool] {
  [lock.tryAcquire(), lock.acquire(timeout: .milliseconds(1)), recursive.tryAcquire(), recursive.isHeldByCurrentThread]
}

private func releaseOnAnotherThread() {
  let lock = SharedRLock()
  lock.acquire()
  OSThread.spawn { lock.release() }.join()
}

/// A child that holds the lock until it is killed; returns when it does.
private func holder(of lock: SharedLock) -> ChildProcess<Void> {
  let isHeld = SharedEvent()
  let child = ChildProcess(target: hold, lock, isHeld)
  child.start()
  isHeld.wait()
  return child
}

@Suite(.watchdog(seconds: 120)) struct SharedLockTests {
  @Test func `a lock is free, held, and free again`() {
    let lock = SharedLock()
    #expect(!lock.isLocked)
    #expect(lock.acquire() == nil)
    #expect(lock.isLocked && !lock.tryAcquire() && !lock.acquire(blocking: false))
    #expect(!lock.acquire(timeout: short) && !lock.acquire(timeout: .zero) && !lock.acquire(timeout: .seconds(-1)))
    lock.release()
    #expect(!lock.isLocked && lock.tryAcquire())
    lock.release()
    #expect(lock.acquire(blocking: true) && lock.ownerDied == nil)
    lock.release()
  }

  @Test func `withLock returns what the body returns and frees the lock when it throws`() {
    struct Odd: Error {}
    let lock = SharedLock()
    #expect(lock.withLock { 7 } == 7)
    #expect(throws: Odd.self) { try lock.withLock { throw Odd() } }
    #expect(!lock.isLocked)
  }

  @Test func `threads exclude each other`() {
    let lock = SharedLock()
    let total = SharedArray<Int>(count: 1)
    race(threads: 4) { _ in addMany(lock, total, 2000) }
    #expect(total[0] == 8000)
  }

  @Test func `processes exclude each other`() throws {
    let lock = SharedLock(), recursive = SharedRLock()
    let totals = (SharedArray<Int>(count: 1), SharedArray<Int>(count: 1))
    let children = (0..<2).map { _ in ChildProcess(target: addMany, lock, totals.0, 20_000) }
    let others = (0..<2).map { _ in ChildProcess(target: addManyRecursively, recursive, totals.1, 5000) }
    for child in children + others { child.start() }
    for child in children + others { try child.join() }
    #expect(totals.0[0] == 40_000 && totals.1[0] == 10_000)
  }

  @Test func `another process may release a lock`() throws {
    let lock = SharedLock()
    lock.acquire()
    let child = ChildProcess(target: release, lock)
    child.start()
    try child.join()
    #expect(!lock.isLocked)
  }

  @Test func `a lock that is held here is held there`() throws {
    let lock = SharedLock(), recursive = SharedRLock()
    lock.acquire()
    recursive.acquire()
    let child = ChildProcess(target: tryBoth, lock, recursive)
    child.start()
    #expect(try child.join() == [false, false, false, false])
    lock.release()
    recursive.release()
  }

  @Test func `releasing what nobody holds is a mistake`() async {
    await #expect(processExitsWith: .failure) { SharedLock().release() }
    await #expect(processExitsWith: .failure) { SharedRLock().release() }
    await #expect(processExitsWith: .failure) { SharedLock().recover() }
  }

  // MARK: Recursive

  @Test func `a recursive lock is free after as many releases as acquires`() {
    let lock = SharedRLock()
    #expect(lock.acquire() == nil && lock.tryAcquire() && lock.acquire(timeout: short) && lock.acquire(blocking: false))
    #expect(lock.isHeldByCurrentThread)
    for _ in 0..<3 {
      lock.release()
      #expect(lock.isLocked && lock.isHeldByCurrentThread)
    }
    lock.release()
    #expect(!lock.isLocked && !lock.isHeldByCurrentThread)
  }

  @Test func `another thread of the holder's process does not hold it`() {
    let lock = SharedRLock()
    lock.acquire()
    let results = race(threads: 2) { _ in
      lock.isHeldByCurrentThread || lock.tryAcquire() || lock.acquire(timeout: short)
    }
    #expect(results == [false, false])
    lock.release()
  }

  @Test func `releasing a recursive lock that another thread holds is a mistake`() async {
    await #expect(processExitsWith: .failure) { releaseOnAnotherThread() }
  }

  // MARK: Deaths

  @Test func `a killed holder is reported to who waits, until somebody recovers`() throws {
    let lock = SharedLock()
    let child = holder(of: lock)
    let deaths = race(threads: 2) { index -> OwnerDiedError? in
      if index == 0 {
        defer { lock.release() }
        return lock.acquire()
      }
      child.kill()
      return nil
    }
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(deaths[0] == OwnerDiedError(pid: child.pid!))
    // Still, for whoever comes.
    #expect(lock.acquire() == deaths[0])
    #expect(lock.ownerDied == deaths[0])
    lock.recover()
    lock.release()
    #expect(lock.acquire() == nil)
    lock.release()
  }

  @Test func `every way to acquire takes a lock over from the dead`() throws {
    let ways: [(SharedLock) -> Bool] = [
      { $0.acquire() != nil },
      { lock in
        while !lock.tryAcquire() { spindle_yield() }; return true
      },
      { $0.acquire(timeout: long) }, { $0.acquire(timeout: .zero) }, { $0.acquire(blocking: true) },
    ]
    for way in ways {
      let lock = SharedLock()
      let child = holder(of: lock)
      child.kill()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      #expect(lock.isLocked)
      #expect(way(lock))
      #expect(lock.ownerDied?.pid == child.pid)
      lock.recover()
      lock.release()
      #expect(!lock.isLocked && lock.ownerDied == nil)
    }
  }

  @Test func `a process that just ends while it holds the lock is reported too`() throws {
    let lock = SharedLock()
    let child = ChildProcess(target: holdAndExit, lock)
    child.start()
    try child.join()
    #expect(lock.acquire()?.pid == child.pid)
    lock.release()
  }

  @Test func `withLock repairs before it runs the body, and tells the next one when that fails`() throws {
    struct Hopeless: Error {}
    let lock = SharedLock()
    let child = holder(of: lock)
    child.kill()
    #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(throws: Hopeless.self) { try lock.withLock(repair: { _ in throw Hopeless() }) { Issue.record("is run") } }
    #expect(!lock.isLocked)
    var repaired: [Int32?] = []
    let result = lock.withLock(repair: { repaired.append($0.pid) }) { 5 }
    #expect(result == 5 && repaired == [child.pid])
    #expect(lock.withLock(repair: { repaired.append($0.pid) }) { 6 } == 6 && repaired.count == 1)
  }

  @Test func `a recursive lock outlives its holder however often that held it`() throws {
    let lock = SharedRLock(), isHeld = SharedEvent()
    let child = ChildProcess(target: holdRecursively, lock, isHeld)
    child.start()
    isHeld.wait()
    child.kill()
    #expect(lock.acquire()?.pid == child.pid)
    #expect(lock.isHeldByCurrentThread)
    lock.recover()
    lock.release()
    #expect(!lock.isLocked)
    #expect(throws: WorkerDiedError.self) { try child.join() }
  }

  @Test func `nobody who waits is left behind when one holder after the other is killed`() throws {
    let lock = SharedLock()
    var children: [ChildProcess<Void>] = []
    for _ in 0..<3 {
      let isHeld = SharedEvent()
      let child = ChildProcess(target: hold, lock, isHeld)
      child.start()
      children.append(child)
    }
    // Whoever of them has it; the others wait.
    for _ in 0..<3 {
      let pid = { lock.holderPID }
      eventually { pid() != nil }
      let victim = pid()
      let index = children.firstIndex { $0.pid == victim }
      children[try #require(index)].kill()
      eventually { lock.holderPID != victim || children.count == 1 }
      #expect(throws: WorkerDiedError.self) { try children.remove(at: index!).join() }
    }
    #expect(lock.acquire(timeout: long))
    #expect(lock.ownerDied != nil)
    lock.release()
  }

  @Test func `locks are encoded for other processes only`() {
    #expect(throws: EncodingError.self) { try Wire.encode(SharedLock()) }
    #expect(throws: EncodingError.self) { try Wire.encode(SharedRLock()) }
  }
}
