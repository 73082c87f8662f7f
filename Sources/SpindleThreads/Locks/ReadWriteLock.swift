import CSpindle
public import SpindleGround
public import Synchronization

/// A lock that many readers or one writer hold.
///
///     let lock = ReadWriteLock()
///     let price = lock.withReadLock { table[item] }
///     lock.withWriteLock { table[item] = 3 }
///
/// Fairness: once a writer sleeps, new readers wait behind it, so readers cannot starve writers. A reader that was
/// overtaken by writers eight times is served before the next writer, so writers cannot starve readers.
///
/// Not recursive: a thread that reads and takes the read lock again can wait for ever, because a writer may have
/// come between (a debug build ends the program and says so). For that there is `withReadLockRecursively`. A reader cannot
/// become a writer. Release on the side that was acquired; anything else is a mistake and ends the program, at the next
/// write at the latest.
///
/// What a writer wrote before its release is visible to all who acquire later. Pays when reading takes longer than
/// the lock itself (some 20 ns); else a `Lock` is faster. A lock for which readers often come at the same moment, and writers
/// seldom, takes 128 bytes more for each processor, and readers no longer slow each other down.
public final class ReadWriteLock: Sendable {
  /// How many readers hold it, and the bits of a writer: `writer` from when no more readers come in, `writing` when none is left.
  @usableFromInline let state = Atomic<UInt32>(0)
  /// How often readers got into each other's way, less what writers came.
  @usableFromInline let crowding = Atomic<Int32>(0)
  @usableFromInline let readers = ParkingSpot()
  @usableFromInline let writers = ParkingSpot()
  /// The writer that has the bit, while there are readers in the lanes.
  @usableFromInline let drain = ParkingSpot()
  /// The address of `ReaderLanes`, of a lock for which many readers come at once; else 0.
  @usableFromInline let laneAddress = Atomic<UInt>(0)
  #if DEBUG
    @usableFromInline let notes = ReaderNotes()
  #endif

  @usableFromInline static var writer: UInt32 { 1 << 31 }
  @usableFromInline static var writing: UInt32 { 1 << 30 }

  /// Makes a free lock.
  @inlinable
  public init() {}

  deinit { lanes?.deallocate() }

  @inlinable
  var lanes: ReaderLanes? { ReaderLanes(laneAddress.load(ordering: .acquiring)) }

  // MARK: Reading

  /// Takes the lock for reading if no writer holds it or sleeps for it. Never waits.
  @inlinable
  public func tryAcquireRead() -> Bool { !readers.isReserved && !writers.hasLine && enterAsReader() }

  /// Waits until no writer holds the lock, and takes it for reading.
  @available(*, noasync, message: "blocks its thread; in async code use withReadLock around synchronous lines")
  @inlinable
  public func acquireRead() { takeForReading() }

  /// Waits for the lock at most this long. Zero or less tries once.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquireRead or withReadLock")
  @inlinable
  public func acquireRead(timeout: Duration) -> Bool {
    tryAcquireRead() || waitAsReader(until: Deadline(after: timeout))
  }

  /// Gives one read lock back. The last reader wakes a writer.
  @inlinable
  public func releaseRead() {
    #if DEBUG
      notes.remove()
    #endif
    if let lanes { return unsafe leave(lanes.here) }
    leaveState()
  }

  /// Runs `body` with the lock held for reading.
  @inlinable
  public func withReadLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    takeForReading()
    defer { releaseRead() }
    return try body()
  }

  /// Takes the lock for reading, past writers that sleep for it: for a thread that may read already. Waits only while a writer
  /// holds it.
  ///
  /// Each call needs a `releaseRead()`. Readers that never take it in another way can keep writers out for ever.
  @available(*, noasync, message: "blocks its thread; in async code use withReadLockRecursively around synchronous lines")
  @inlinable
  public func acquireReadRecursively() { takeForReadingRecursively() }

  /// Runs `body` with the lock held for reading, also where it is already. See `acquireReadRecursively`.
  ///
  ///     func total() -> Int { lock.withReadLock { parts.indices.map(count).reduce(0, +) } }
  ///     func count(_ part: Int) -> Int { lock.withReadLockRecursively { parts[part].count } }
  @inlinable
  public func withReadLockRecursively<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    takeForReadingRecursively()
    defer { releaseRead() }
    return try body()
  }

  // MARK: Writing

  /// Takes the lock for writing if nobody holds it. Never waits.
  @inlinable
  public func tryAcquireWrite() -> Bool { !writers.isReserved && !readers.isReserved && enterAsWriter() && hasDrained() }

  /// Waits until nobody holds the lock, and takes it for writing.
  @available(*, noasync, message: "blocks its thread; in async code use withWriteLock around synchronous lines")
  @inlinable
  public func acquireWrite() { takeForWriting() }

  /// Waits for the lock at most this long. Zero or less tries once.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquireWrite or withWriteLock")
  @inlinable
  public func acquireWrite(timeout: Duration) -> Bool {
    lanes == nil && tryAcquireWrite() || waitAsWriter(until: Deadline(after: timeout))
  }

  /// Gives the write lock back and wakes all readers and a writer.
  @inlinable
  public func releaseWrite() {
    let before = state.wrappingSubtract(Self.writer | Self.writing, ordering: .sequentiallyConsistent).oldValue
    if before & Self.writing == 0 { notHeld("releaseWrite() of a ReadWriteLock that no writer holds") }
    let crowding = self.crowding.load(ordering: .relaxed)
    if crowding > 0 { self.crowding.store(crowding &- Self.crowdingPerWrite, ordering: .relaxed) }
    readers.wakeAll()
    writers.wake()
  }

  /// Runs `body` with the lock held for writing.
  @inlinable
  public func withWriteLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    takeForWriting()
    defer { releaseWrite() }
    return try body()
  }

  // MARK: Attempts

  @inlinable
  func takeForReading() {
    if !tryAcquireRead() { _ = waitAsReader(until: .never) }
  }

  @inlinable
  func takeForReadingRecursively() {
    // Who reads gets it here, whoever waits: no writer can be writing.
    if !enterAsReader(past: Self.writing) {
      _ = readers.wait("a ReadWriteLock, to read") { enterAsReader(past: Self.writing) }
    }
  }

  @inlinable
  func takeForWriting() {
    if lanes != nil || !tryAcquireWrite() { _ = waitAsWriter(until: .never) }
  }

  /// Unless the state has that bit, of a writer.
  @inlinable
  func enterAsReader(past bit: UInt32 = writer) -> Bool {
    if let lanes { return unsafe enter(lanes.here, past: bit) }
    var now = state.load(ordering: .relaxed)
    var isCrowded = false
    while now < Self.writing - 1 {
      // Acquiring: pairs with releaseWrite().
      let (done, seen) = state.weakCompareExchange(expected: now, desired: now + 1, ordering: .acquiring)
      if done {
        #if DEBUG
          notes.add()
        #endif
        if isCrowded { noteCrowding() }
        return true
      }
      now = seen
      isCrowded = true
    }
    return false
  }

  /// R1 to R3 of `ReaderLanes`.
  @inlinable
  func enter(_ lane: UnsafeMutablePointer<ReaderLanes.Count>, past bit: UInt32) -> Bool {
    if state.load(ordering: .relaxed) & bit != 0 { return false }
    unsafe lane.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if state.load(ordering: .sequentiallyConsistent) & bit != 0 {
      unsafe leave(lane)
      return false
    }
    #if DEBUG
      notes.add()
    #endif
    return true
  }

  /// R4, and R3.
  @inlinable
  func leave(_ lane: UnsafeMutablePointer<ReaderLanes.Count>) {
    unsafe lane.pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    drain.wake()
  }

  @inlinable
  func leaveState() {
    // Releasing for a later writer; sequentially consistent because it is step W1 of the parking protocol.
    let before = state.wrappingSubtract(1, ordering: .sequentiallyConsistent).oldValue
    if before & ~Self.writer == 0 || before & Self.writing != 0 {
      notHeld("releaseRead() of a ReadWriteLock that no reader holds")
    }
    if before == 1 { writers.wake() }
    if before & Self.writer != 0 { drain.wake() }  // There are lanes by now.
  }

  /// X1 of `ReaderLanes`; without lanes, all that there is to do.
  @inlinable
  func enterAsWriter() -> Bool {
    var now = state.load(ordering: .relaxed)
    while now & Self.writer == 0 {
      var bits = Self.writer | Self.writing
      if lanes != nil { bits = Self.writer } else if now != 0 { return false }
      // Acquiring: pairs with releaseRead() and releaseWrite().
      let (done, seen) = state.weakCompareExchange(expected: now, desired: now | bits, ordering: .sequentiallyConsistent)
      if done { return true }
      now = seen
    }
    return false
  }

  @inline(never) @usableFromInline
  func waitAsReader(until deadline: Deadline) -> Bool {
    #if DEBUG
      if deadline.isNever, notes.hasThisThread {
        mistake(
          "a thread that reads takes the same ReadWriteLock for reading again while a writer waits: they would wait for each other "
            + "for ever; use withReadLockRecursively for what may be called by readers")
      }
    #endif
    // `batch` as in `LockCore`.
    let taken = readers.wait("a ReadWriteLock, to read", until: deadline, batch: 1) {
      // A reader that writers overtook too often passes those who sleep.
      (readers.isReserved || !writers.hasLine) && enterAsReader()
    }
    // It may have held writers back by its reservation: one may try again. One that leaves the state wakes it in any case.
    if !taken || lanes != nil { writers.wake() }
    return taken
  }

  @inline(never) @usableFromInline
  func waitAsWriter(until deadline: Deadline) -> Bool {
    let taken = writers.wait("a ReadWriteLock, to write", until: deadline, batch: 1) {
      !readers.isReserved && enterAsWriter()
    }
    // A writer that gave up held readers back: they may try again.
    if !taken { readers.wakeAll() }
    return taken && hasDrained(until: deadline)
  }

  /// X2 and X3 of `ReaderLanes`. If there are still readers, the lock is free for others again.
  @inlinable
  func hasDrained() -> Bool { lanes == nil || hasDrained(until: .immediate) }

  @inline(never) @usableFromInline
  func hasDrained(until deadline: Deadline) -> Bool {
    guard let lanes else { return true }
    let isDrained = drain.wait("the readers of a ReadWriteLock to leave", until: deadline, isShared: true) {
      claim(lanes)
    }
    if !isDrained {
      state.wrappingSubtract(Self.writer, ordering: .sequentiallyConsistent)
      readers.wakeAll()
      writers.wake()
    }
    return isDrained
  }

  private func claim(_ lanes: ReaderLanes) -> Bool {
    if readerCount(lanes) > 0 { return false }
    state.wrappingAdd(Self.writing, ordering: .sequentiallyConsistent)
    let count = readerCount(lanes)
    if count < 0 { notHeld("releaseRead() of a ReadWriteLock that no reader holds") }
    if count == 0 { return true }
    state.wrappingSubtract(Self.writing, ordering: .sequentiallyConsistent)
    readers.wakeAll()
    return false
  }

  private func readerCount(_ lanes: ReaderLanes) -> Int {
    Int(state.load(ordering: .sequentiallyConsistent) & (Self.writing - 1)) + lanes.sum
  }

  // MARK: Many readers

  /// A writer looks at every lane, so one makes up for so many readers that had to try again.
  @usableFromInline static var crowdingPerWrite: Int32 { 16 }
  private static var crowdingOfLanes: Int32 { 1000 }

  /// By a reader that had to try again to get in.
  @inline(never) @usableFromInline
  package func noteCrowding() {
    // Read and written apart: it is an estimate.
    let crowding = self.crowding.load(ordering: .relaxed) + 1
    self.crowding.store(crowding, ordering: .relaxed)
    if crowding >= Self.crowdingOfLanes, spindle_processors() > 1 { spread() }
  }

  package var isSpread: Bool { lanes != nil }

  /// Gives the lock lanes. By a reader: see `ReaderLanes`.
  package func spread() {
    let new = ReaderLanes.make()
    if laneAddress.compareExchange(expected: 0, desired: new.address, ordering: .sequentiallyConsistent).exchanged {
      writers.wakeAll()
    } else {
      new.deallocate()
    }
  }

  @inline(never) @usableFromInline
  func notHeld(_ what: String) -> Never { mistake("\(what); each release needs an acquire of the same side before it") }
}
