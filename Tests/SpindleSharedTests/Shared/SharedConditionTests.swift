import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// What the tests run in children.

private func takeTokens(_ condition: SharedCondition, _ tokens: SharedArray<Int>, _ count: Int) {
  for _ in 0..<count {
    condition.withLock {
      condition.wait { tokens[0] > 0 }
      tokens[0] -= 1
    }
  }
}
private func waitOnce(_ condition: SharedCondition) -> Bool {
  condition.withLock { condition.wait(timeout: .seconds(60)) }
}
private func waitWithoutTheLock() { SharedCondition().wait(timeout: .zero) }
private func notifyAll(_ condition: SharedCondition) { condition.withLock { condition.notifyAll() } }

@Suite(.watchdog(seconds: 120)) struct SharedConditionTests {
  @Test func `a condition has the calls of its lock`() {
    for condition in [SharedCondition(), SharedCondition(SharedLock()), SharedCondition(SharedRLock())] {
      #expect(condition.acquire() == nil)
      condition.release()
      #expect(condition.tryAcquire())
      condition.release()
      #expect(condition.acquire(blocking: true))
      condition.release()
      #expect(condition.acquire(timeout: short))
      #expect(!condition.wait(timeout: short) && !condition.wait(timeout: .zero))
      condition.notify()
      condition.notify(0)
      condition.notifyAll()
      condition.release()
      #expect(condition.ownerDied == nil)
    }
  }

  @Test func `notify wakes exactly so many, those who have waited longest`() {
    let condition = SharedCondition()
    let woken = Guarded([Int]())
    let threads = (0..<4).map { number in
      eventually { condition.waiterCount == number }
      return OSThread.spawn {
        condition.withLock {
          condition.wait(); woken.withLock { $0.append(number) }
        }
      }
    }
    eventually { condition.waiterCount == 4 }
    condition.withLock { condition.notify() }
    eventually { woken.withLock { $0.count } == 1 }
    #expect(woken.withLock { $0 } == [0] && condition.waiterCount == 3)
    condition.withLock { condition.notify(2) }
    eventually { woken.withLock { $0.count } == 3 }
    #expect(woken.withLock { $0.sorted() } == [0, 1, 2] && condition.waiterCount == 1)
    condition.withLock { condition.notifyAll() }
    for thread in threads { thread.join() }
  }

  @Test func `wait gives a recursive lock back however often it is held, and takes it again so often`() {
    let lock = SharedRLock()
    let condition = SharedCondition(lock)
    let thread = OSThread.spawn {
      lock.acquire()
      condition.withLock { condition.wait() }
      #expect(lock.isHeldByCurrentThread)
      lock.release()
      #expect(!lock.isHeldByCurrentThread)
    }
    eventually { condition.waiterCount == 1 }
    condition.withLock { condition.notify() }
    thread.join()
  }

  @Test func `a predicate is waited for, with a time-out`() {
    let condition = SharedCondition(SharedLock())
    let value = SharedValue(0)
    let thread = OSThread.spawn {
      for _ in 0..<5 {
        condition.withLock {
          value.value += 1
          condition.notifyAll()
        }
      }
    }
    condition.withLock { condition.wait { value.value == 5 } }
    thread.join()
    #expect(!condition.withLock { condition.wait(timeout: short) { value.value == 6 } })
    #expect(condition.withLock { condition.wait(timeout: .zero) { value.value == 5 } })
  }

  @Test func `processes hand tokens to each other, and none is lost`() throws {
    let condition = SharedCondition(), tokens = SharedArray<Int>(count: 1)
    let children = (0..<3).map { _ in ChildProcess(target: takeTokens, condition, tokens, 200) }
    for child in children { child.start() }
    for _ in 0..<600 {
      condition.withLock {
        tokens[0] += 1
        condition.notify()
      }
    }
    for child in children { try child.join() }
    #expect(tokens[0] == 0)
  }

  @Test func `a child notifies us`() throws {
    let condition = SharedCondition(SharedLock())
    let thread = OSThread.spawn { waitOnce(condition) }
    eventually { condition.waiterCount == 1 }
    let child = ChildProcess(target: notifyAll, condition)
    child.start()
    try child.join()
    #expect(thread.join())
  }

  @Test func `waiting or notifying without the lock is a mistake`() async {
    await #expect(processExitsWith: .failure) { waitWithoutTheLock() }
    await #expect(processExitsWith: .failure) { SharedCondition(SharedLock()).notify() }
  }

  // MARK: Deaths

  @Test func `a notification passes over the dead`() throws {
    let condition = SharedCondition()
    let victim = ChildProcess(target: waitOnce, condition)
    victim.start()
    eventually { condition.waiterCount == 1 }
    let survivor = OSThread.spawn { waitOnce(condition) }
    eventually { condition.waiterCount == 2 }
    victim.kill()
    #expect(throws: WorkerDiedError.self) { try victim.join() }
    condition.withLock { condition.notify() }
    #expect(survivor.join())
    #expect(condition.waiterCount == 0)
  }

  @Test func `a notification that reached one who died before it woke goes to the next`() throws {
    let condition = SharedCondition()
    let victim = ChildProcess(target: waitOnce, condition)
    victim.start()
    eventually { condition.waiterCount == 1 }
    let survivor = OSThread.spawn { waitOnce(condition) }
    eventually { condition.waiterCount == 2 }
    // Stopped, it cannot act on the notification; but it may be looking for the dead just now, and goes on until the signal is there.
    kill(victim.pid!, SIGSTOP)
    var info = unsafe siginfo_t()
    let isStopped = unsafe waitid(P_PID, id_t(victim.pid!), &info, WSTOPPED | WNOWAIT | Int32(bitPattern: UInt32(__WALL))) == 0
    #expect(isStopped)
    condition.withLock { condition.notify() }
    #expect(condition.waiterCount == 1)
    victim.kill()
    #expect(survivor.join())
    #expect(throws: WorkerDiedError.self) { try victim.join() }
  }
}
