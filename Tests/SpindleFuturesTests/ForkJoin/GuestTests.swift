import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

/// A thread from outside that calls `join`, `forEach` and so on works in the place of a worker without work.
@Suite(.watchdog()) struct GuestTests {
  /// The thread of a pool of one, once it has nothing to do and sleeps. The first fork wakes it, so there has been one.
  private static func restingWorker(of pool: ThreadPool) throws -> Int32 {
    _ = pool.join {} _: {}
    let id = try pool.submit { OSThread.current.nativeID }.result()
    _ = sleepsWhenCalm { [currentSleep(ofThread: id)] }
    return id
  }

  @Test func `the caller does the work of a pool of one`() {
    withThreadPool(maxWorkers: 1) { pool in
      let id = OSThread.current.nativeID
      let (a, b) = pool.join { OSThread.current.nativeID } _: { OSThread.current.nativeID }
      #expect((a, b) == (id, id))
    }
  }

  @Test func `the caller works in the place of a worker that sleeps`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      let worker = try Self.restingWorker(of: pool)
      let id = OSThread.current.nativeID
      let (a, b) = pool.join { OSThread.current.nativeID } _: { OSThread.current.nativeID }
      #expect((a, b) == (id, id))
      #expect(try pool.submit { OSThread.current.nativeID }.result() == worker)
    }
  }

  @Test func `while the caller has its place the worker does no job, and does it afterwards`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      let worker = try Self.restingWorker(of: pool)
      let isInside = Flag()
      let (future, _) = pool.join {
        isInside.raise()
        let future = pool.submit { (isInside.count, OSThread.current.nativeID) }
        // Were it woken, it would have begun by the time that it sleeps again.
        _ = sleepsWhenCalm { [currentSleep(ofThread: worker)] }
        isInside.raise()
        return future
      } _: {}
      #expect(try future.result() == (2, worker))
    }
  }

  @Test func `a job that comes while the caller works in a pool without threads is done afterwards`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      let id = OSThread.current.nativeID
      let (future, _) = pool.join { pool.submit { OSThread.current.nativeID } } _: {}
      #expect(try future.result() != id)
    }
  }

  @Test func `the caller does a future of the pool for which it waits in a closure`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      let id = OSThread.current.nativeID
      let (value, _) = try pool.join { try pool.submit { OSThread.current.nativeID }.result() } _: {}
      #expect(value == id)
    }
  }

  @Test func `a spare worker helps out when the caller waits with a time-out`() throws {
    try withThreadPool(maxWorkers: 1) { pool throws in
      let (value, _) = try pool.join { try pool.submit { 7 }.result(timeout: .seconds(60)) } _: {}
      #expect(value == 7)
    }
  }

  @Test(arguments: [false, true]) func `no more threads are at work than the pool has workers`(areStarted: Bool) throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      if areStarted {
        let met = Barrier(2)
        for future in (0..<2).map({ _ in pool.submit { try met.wait() } }) { _ = try future.result() }
      }
      let now = Atomic<Int>(0)
      let most = Atomic<Int>(0)
      for _ in 0..<200 {
        pool.forEach(0..<20) { _ in
          most.max(now.wrappingAdd(1, ordering: .relaxed).newValue, ordering: .relaxed)
          for _ in 0..<100 { _ = now.load(ordering: .relaxed) }
          now.wrappingSubtract(1, ordering: .relaxed)
        }
      }
      #expect(most.load(ordering: .relaxed) <= 2)
    }
  }

  @Test func `where each worker has to be initialised the caller does nothing`() throws {
    let pool = ThreadPool(maxWorkers: 2, initializer: {})
    let id = OSThread.current.nativeID
    let (a, b) = pool.join { OSThread.current.nativeID } _: { OSThread.current.nativeID }
    #expect(a != id && b != id)
    pool.shutdown()
  }

  @Test func `a caller with a stack of its own size does nothing`() {
    withThreadPool(maxWorkers: 2) { pool in
      let caller = OSThread.spawn(stackSize: 1 << 18) {
        let id = OSThread.current.nativeID
        let (a, b) = pool.join { OSThread.current.nativeID } _: { OSThread.current.nativeID }
        return a != id && b != id
      }
      let isSpared = caller.join()
      #expect(isSpared)
    }
  }

  /// The caller holds a lock, and waits for a closure that a worker does. What another call has forked meanwhile wants that lock.
  @Test func `a caller that waits does nothing for other calls`() {
    withThreadPool(maxWorkers: 3) { pool in
      let lock = Lock()
      let gate = Gate()
      let met = Barrier(2)
      let caller = Event()
      let callerID = Atomic<Int32>(0)
      let first = OSThread.spawn {
        lock.withLock {
          _ = pool.join {
            callerID.store(OSThread.current.nativeID, ordering: .relaxed)
            _ = try? met.wait()
            caller.set()
          } _: {
            _ = try? met.wait()
            gate.pass()
          }
        }
      }
      caller.wait()
      let second = OSThread.spawn {
        pool.join {
          // The first caller has nothing to do, and this call's second closure lies there to be had.
          _ = sleepsWhenCalm { [currentSleep(ofThread: callerID.load(ordering: .relaxed))] }
          gate.open()
          return 1
        } _: { lock.withLock { 2 } }
      }
      first.join()
      let both = second.join()
      #expect(both == (1, 2))
    }
  }

  /// The caller waits for a closure; when the other call has ended it helps.
  @Test func `a caller helps as soon as no other call forks`() {
    withThreadPool(maxWorkers: 2) { pool in
      let id = OSThread.current.nativeID
      let (met, begun) = (Barrier(2), Event())
      let helped = Flag()
      let other = OSThread.spawn {
        // Takes the second worker's place before it is started, or waits for it; either way it is a call of its own.
        begun.wait()
        pool.forEach(0..<1) { _ in _ = sleepsWhenCalm { [currentSleep(ofThread: id)] } }
      }
      _ = pool.join {
        begun.set()
        _ = try? met.wait()
      } _: {
        _ = try? met.wait()
        // Forks until the caller has come.
        while helped.count == 0 {
          _ = pool.join { OSThread.yield() } _: { if OSThread.current.nativeID == id { helped.raise() } }
        }
      }
      other.join()
      #expect(helped.count > 0)
    }
  }

  @Test func `a worker is started in the place that a caller leaves while another call goes on`() {
    withThreadPool(maxWorkers: 2) { pool in
      let gate = Gate()
      let first = OSThread.spawn { _ = pool.join { gate.pass() } _: {} }
      gate.awaitArrivals()
      let met = Barrier(2)
      let second = OSThread.spawn {
        _ = pool.join {
          gate.open()
          _ = try? met.wait()
        } _: { _ = try? met.wait() }
      }
      first.join()
      second.join()
    }
  }

  @Test func `a shutdown waits for the caller, too`() {
    let pool = ThreadPool(maxWorkers: 2)
    let hasEnded = Flag()
    let gate = Gate()
    let caller = OSThread.spawn {
      _ = pool.join { gate.pass() } _: {}
      hasEnded.raise()
    }
    gate.awaitArrivals()
    let closer = OSThread.spawn {
      pool.shutdown()
      return hasEnded.count
    }
    gate.open()
    caller.join()
    _ = closer.join()
    #expect(pool.description.hasSuffix("shut down)"))
  }

  @Test func `a caller that works counts on its part of the processors, and on all afterwards`() {
    let before = Processors.share
    withThreadPool(maxWorkers: Processors.available) { pool in
      let (a, b) = pool.join { Processors.share } _: { Processors.share }
      #expect((a, b) == (1, 1))
    }
    #expect(Processors.share == before)
  }

  @Test func `a worker of one pool is a guest in another`() throws {
    let inner = ThreadPool(maxWorkers: 1)
    try withThreadPool(maxWorkers: 1) { outer throws in
      let isOne = try outer.submit {
        let id = OSThread.current.nativeID
        let (a, b) = inner.join { OSThread.current.nativeID } _: { OSThread.current.nativeID }
        return a == id && b == id
      }.result()
      #expect(isOne)
    }
    inner.shutdown()
  }

  /// The outer pool's only worker works in the inner pool, and there waits for a job of the outer one.
  @Test func `a worker that is a guest elsewhere counts as waiting at home`() throws {
    let inner = ThreadPool(maxWorkers: 1)
    try withThreadPool(maxWorkers: 1) { outer throws in
      let value = try outer.submit {
        let (value, _) = try inner.join { try outer.submit { 7 }.result() } _: {}
        return value
      }.result()
      #expect(value == 7)
    }
    inner.shutdown()
  }

  @Test func `what a closure of a scope spawned is done before a job that waits for it`() throws {
    try withThreadPool(maxWorkers: 2) { pool throws in
      for _ in 0..<100 {
        let isDone = Event()
        try pool.scope { scope in
          scope.spawn { scope.spawn { isDone.set() } }
          _ = pool.submit { isDone.wait() }
        }
        #expect(isDone.isSet)
      }
    }
  }
}
