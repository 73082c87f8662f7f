import Spindle
import SpindleTestSupport
import SpindleThreads
import Testing

/// A lock whose readers are counted in one place, or each where it runs.
private func makeLock(isSpread: Bool) -> ReadWriteLock {
  let lock = ReadWriteLock()
  if isSpread { lock.withReadLock { lock.spread() } }
  return lock
}

@Suite("ReadWriteLock", .watchdog()) struct ReadWriteLockTests {
  @Test("lets readers in together", arguments: [false, true]) func readersTogether(isSpread: Bool) throws {
    let lock = makeLock(isSpread: isSpread)
    let barrier = Barrier(3)
    // Nobody passes the barrier unless all three read at the same time.
    let orders = try race(threads: 3) { _ in try lock.withReadLock { try barrier.wait() } }
    #expect(orders.sorted() == [0, 1, 2])
  }

  @Test("keeps writers out while somebody reads, and readers while somebody writes", arguments: [false, true]) func exclusion(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    lock.withReadLock {
      #expect(race(threads: 1) { _ in lock.tryAcquireWrite() } == [false])
      #expect(race(threads: 1) { _ in lock.acquireWrite(timeout: .milliseconds(2)) } == [false])
    }
    lock.withWriteLock {
      #expect(race(threads: 1) { _ in lock.tryAcquireRead() } == [false])
      #expect(race(threads: 1) { _ in lock.acquireRead(timeout: .milliseconds(2)) } == [false])
    }
    #expect(lock.tryAcquireRead())
    lock.releaseRead()
  }

  @Test("lets a writer in though readers overlap without end", arguments: [false, true]) func writerIsNotStarved(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    let written = Latch(1)
    race(threads: 4) { index in
      if index == 0 {
        lock.withWriteLock { written.countDown() }
      } else {
        while !written.isOpen { lock.withReadLock {} }
      }
    }
    #expect(written.isOpen)
  }

  @Test("lets a reader in though writers follow each other without end", arguments: [false, true]) func readerIsNotStarved(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    let seen = Latch(1)
    race(threads: 4) { index in
      if index == 0 {
        lock.withReadLock { seen.countDown() }
      } else {
        while !seen.isOpen { lock.withWriteLock {} }
      }
    }
    #expect(seen.isOpen)
  }

  @Test("who reads can read again though a writer waits, with the call for that", arguments: [false, true]) func recursiveReading(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    let isRead = Latch(1)
    race(threads: 2) { index in
      if index == 0 {
        isRead.wait()
        lock.withWriteLock {}
      } else {
        lock.withReadLock {
          isRead.countDown()
          // Nobody passes a writer that waits.
          while lock.tryAcquireRead() { lock.releaseRead() }
          lock.withReadLockRecursively { lock.withReadLockRecursively {} }
        }
      }
    }
    let isFree = lock.tryAcquireWrite()
    #expect(isFree)
  }

  @Test("a recursive reader waits for a writer that holds the lock", arguments: [false, true]) func recursiveReaderWaits(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    let value = Unguarded(0)
    lock.acquireWrite()
    let reader = OSThread.spawn {
      lock.withReadLockRecursively { value.value }
    }
    OSThread.yield()
    value.value = 1
    lock.releaseWrite()
    #expect(reader.join() == 1)
  }

  #if DEBUG
    @Test("a debug build says when a reader would wait for itself") func recursiveMistake() async {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { readForEver() }
      #expect(message(of: result).contains("withReadLockRecursively"))
    }
  #endif

  @Test("readers see whole writes in a storm of both, with time-outs", arguments: [false, true]) func storm(isSpread: Bool) {
    let lock = makeLock(isSpread: isSpread)
    let pair = Unguarded((0, 0))
    let outcomes = race(threads: 6) { index in
      var random = SplitMix64(seed: UInt64(index) + 7)
      var (torn, writes) = (0, 0)
      for _ in 0..<2000 {
        let patience = Duration.microseconds(Int(random.next() % 200))
        if random.next() % 5 == 0 {
          if random.next() % 2 == 0 { lock.acquireWrite() } else if !lock.acquireWrite(timeout: patience) { continue }
          pair.value.0 += 1
          pair.value.1 += 1
          writes += 1
          lock.releaseWrite()
        } else {
          if random.next() % 2 == 0 { lock.acquireRead() } else if !lock.acquireRead(timeout: patience) { continue }
          if pair.value.0 != pair.value.1 { torn += 1 }
          lock.releaseRead()
        }
      }
      return (torn, writes)
    }
    #expect(outcomes.allSatisfy { $0.0 == 0 })
    #expect(pair.value.0 == outcomes.map(\.1).reduce(0, +))
  }

  @Test("readers go on while the lock gets its lanes, and writers see whole reads") func spreading() {
    for _ in 0..<50 {
      let lock = ReadWriteLock()
      let pair = Unguarded((0, 0))
      let torn = race(threads: 4) { index in
        var torn = 0
        for round in 0..<200 {
          if index == 0 {
            lock.withWriteLock {
              pair.value.0 += 1
              pair.value.1 += 1
            }
          } else {
            lock.withReadLock {
              if index < 3, round == 100 { lock.spread() }
              if pair.value.0 != pair.value.1 { torn += 1 }
            }
          }
        }
        return torn
      }
      #expect(torn == [0, 0, 0, 0])
      #expect(pair.value.0 == 200)
    }
  }

  @Test("a lock gets lanes when readers crowd it, unless writers come as well") func crowding() {
    let (crowded, written) = (ReadWriteLock(), ReadWriteLock())
    for round in 0..<2000 {
      crowded.withReadLock { crowded.noteCrowding() }
      written.withReadLock { written.noteCrowding() }
      if round % 10 == 0 { written.withWriteLock {} }
    }
    #expect(crowded.isSpread == (Processors.available > 1))
    #expect(!written.isSpread)
  }

  @Test("a lock with lanes says at the next writer that a side was released that nobody held") func lateMistake() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let lock = makeLock(isSpread: true)
      lock.releaseRead()
      lock.withWriteLock {}
    }
    #expect(message(of: result).contains("releaseRead() of a ReadWriteLock that no reader holds"))
  }

  @Test("releasing a side that nobody holds ends the program") func mistakes() async {
    let read = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { ReadWriteLock().releaseRead() }
    #expect(message(of: read).contains("releaseRead() of a ReadWriteLock that no reader holds"))
    let write = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { ReadWriteLock().releaseWrite() }
    #expect(message(of: write).contains("releaseWrite() of a ReadWriteLock that no writer holds"))
  }
}

#if DEBUG
  private func readForEver() {
    let lock = ReadWriteLock()
    lock.acquireRead()
    let writer = OSThread.spawn(isDaemon: true) { lock.acquireWrite() }
    while lock.tryAcquireRead() { lock.releaseRead() }
    lock.acquireRead()
    writer.join()
  }
#endif
