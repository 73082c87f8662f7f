import Spindle
import SpindleTestSupport
import Testing

@Suite("Lock", .watchdog()) struct LockTests {
  @Test("withLock returns the value of its body") func value() {
    #expect(Lock().withLock { 7 } == 7)
  }

  @Test("withLock throws the typed error of its body and is free again") func typedError() {
    struct Failure: Error, Equatable {}
    let lock = Lock()
    #expect(throws: Failure()) {
      try lock.withLock { () throws(Failure) in throw Failure() }
    }
    #expect(!lock.isLocked)
  }

  @Test("every closure form gives out state that is not Sendable, and takes a function by name")
  func stateThatIsNotSendable() async throws {
    final class Item {}
    let items = [Item()]
    func first() -> Item { items[0] }
    let readWrite = ReadWriteLock()
    #expect(Lock().withLock { items[0] } === items[0])
    #expect(RLock().withLock { items[0] } === items[0])
    #expect(Condition().withLock { items[0] } === items[0])
    #expect(readWrite.withReadLock { items[0] } === items[0])
    #expect(readWrite.withWriteLock { items[0] } === items[0])
    #expect(Lock().withLock(first) === items[0])
    let one = try await Semaphore(1).withPermit { items[0] }
    #expect(one === items[0])
    let other = try await Semaphore(1).withPermit {
      await Task.yield()
      return items[0]
    }
    #expect(other === items[0])
  }

  @Test("may be released by another thread than the one that acquired it") func otherThread() {
    let lock = Lock()
    lock.acquire()
    race(threads: 1) { _ in lock.release() }
    #expect(lock.tryAcquire())
    lock.release()
  }

  @Test("acquire(blocking: false) is tryAcquire") func nonBlocking() {
    let lock = Lock()
    #expect(lock.acquire(blocking: false))
    #expect(!lock.acquire(blocking: false))
    lock.release()
    #expect(lock.acquire(blocking: true))
    lock.release()
  }

  @Test("can be used in async code around synchronous lines") func inAsyncCode() async {
    let lock = Lock()
    let total = Unguarded(0)
    await withTaskGroup { group in
      for _ in 0..<50 { group.addTask { lock.withLock { total.value += 1 } } }
    }
    #expect(total.value == 50)
  }

  @Test("release of a lock that nobody holds ends the program") func releaseOfAFreeLock() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { Lock().release() }
    #expect(message(of: result).contains("release() of a Lock that nobody holds"))
  }
}

@Suite("RLock", .watchdog()) struct RLockTests {
  @Test("may be acquired again by its holder and is free after as many releases") func recursion() {
    let lock = RLock()
    lock.acquire()
    lock.acquire()
    #expect(lock.tryAcquire())
    #expect(lock.acquire(timeout: .zero))
    for _ in 0..<4 {
      #expect(lock.isHeldByCurrentThread)
      #expect(race(threads: 1) { _ in lock.tryAcquire() } == [false])
      lock.release()
    }
    #expect(!lock.isHeldByCurrentThread)
    #expect(!lock.isLocked)
  }

  @Test("is held by the thread that acquired it and by no other") func owner() {
    let lock = RLock()
    lock.withLock {
      #expect(race(threads: 2) { _ in lock.isHeldByCurrentThread } == [false, false])
    }
  }

  @Test("release by another thread ends the program") func releaseByAnother() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let lock = RLock()
      lock.withLock { race(threads: 1) { _ in lock.release() } }
    }
    #expect(message(of: result).contains("release() of an RLock that another thread holds"))
  }

  @Test("release of a free one ends the program") func releaseOfAFreeOne() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { RLock().release() }
    #expect(message(of: result).contains("release() of an RLock that nobody holds"))
  }
}

@Suite("Guarded", .watchdog()) struct GuardedTests {
  @Test("changes of many threads are all there") func counting() {
    let count = Guarded(0)
    race(threads: 4) { _ in
      for _ in 0..<5000 { count.withLock { $0 += 1 } }
    }
    #expect(count.withLock { $0 } == 20_000)
  }

  @Test("holds a value that is not Sendable") func notSendable() {
    final class Box { var value = 1 }
    let guarded = Guarded(Box())
    guarded.withLock { $0.value += 1 }
    #expect(guarded.withLock { $0.value } == 2)
  }

  @Test("holds a value that cannot be copied") func moveOnly() {
    struct Token: ~Copyable { var uses = 0 }
    let guarded = Guarded(Token())
    guarded.withLock { $0.uses += 1 }
    #expect(guarded.withLock { $0.uses } == 1)
  }

  @Test("tryWithLock and a timed withLock give nil while it is held") func busy() {
    let guarded = Guarded(0)
    guarded.withLock { _ in
      let values = race(threads: 1) { _ in guarded.tryWithLock { $0 } }
      #expect(values == [nil])
      let late = race(threads: 1) { _ in guarded.withLock(timeout: .milliseconds(2)) { $0 } }
      #expect(late == [nil])
    }
    #expect(guarded.tryWithLock { $0 } == 0)
  }
}

/// What a process that ended wrote to its standard error.
func message(of result: ExitTest.Result?) -> String {
  String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
}
