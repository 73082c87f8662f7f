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
/// become a writer. Release on the side that was acquired; anything else is a mistake
/// and ends the program.
///
/// What a writer wrote before its release is visible to all who acquire later. Pays when reading takes longer than
/// the lock itself (some 20 ns); else a `Lock` is faster.
public final class ReadWriteLock: Sendable {
  /// How many readers hold it, or `writer`.
  @usableFromInline let state = Atomic<UInt32>(0)
  @usableFromInline let readers = ParkingSpot()
  @usableFromInline let writers = ParkingSpot()
  #if DEBUG
    @usableFromInline let notes = ReaderNotes()
  #endif

  @usableFromInline static var writer: UInt32 { .max }

  /// Makes a free lock.
  @inlinable
  public init() {}

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
    // Releasing for a later writer; sequentially consistent because it is step W1 of the parking protocol.
    let before = state.wrappingSubtract(1, ordering: .sequentiallyConsistent).oldValue
    if before == 0 || before == Self.writer { notHeld("releaseRead() of a ReadWriteLock that no reader holds") }
    #if DEBUG
      notes.remove()
    #endif
    if before == 1 { writers.wake() }
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
  public func tryAcquireWrite() -> Bool { !writers.isReserved && !readers.isReserved && enterAsWriter() }

  /// Waits until nobody holds the lock, and takes it for writing.
  @available(*, noasync, message: "blocks its thread; in async code use withWriteLock around synchronous lines")
  @inlinable
  public func acquireWrite() { takeForWriting() }

  /// Waits for the lock at most this long. Zero or less tries once.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquireWrite or withWriteLock")
  @inlinable
  public func acquireWrite(timeout: Duration) -> Bool {
    tryAcquireWrite() || waitAsWriter(until: Deadline(after: timeout))
  }

  /// Gives the write lock back and wakes all readers and a writer.
  @inlinable
  public func releaseWrite() {
    if state.exchange(0, ordering: .sequentiallyConsistent) != Self.writer {
      notHeld("releaseWrite() of a ReadWriteLock that no writer holds")
    }
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
    // Who reads gets it here, whoever waits: no writer can hold it.
    if !enterAsReader() { _ = readers.wait("a ReadWriteLock, to read", attempt: enterAsReader) }
  }

  @inlinable
  func takeForWriting() {
    if !tryAcquireWrite() { _ = waitAsWriter(until: .never) }
  }

  @inlinable
  func enterAsReader() -> Bool {
    var now = state.load(ordering: .relaxed)
    while now < Self.writer - 1 {
      // Acquiring: pairs with releaseWrite().
      let (done, seen) = state.weakCompareExchange(expected: now, desired: now + 1, ordering: .acquiring)
      if done {
        #if DEBUG
          notes.add()
        #endif
        return true
      }
      now = seen
    }
    return false
  }

  @inlinable
  func enterAsWriter() -> Bool {
    // Acquiring: pairs with releaseRead() and releaseWrite().
    state.load(ordering: .relaxed) == 0
      && state.compareExchange(expected: 0, desired: Self.writer, ordering: .acquiring).exchanged
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
    let taken = readers.wait("a ReadWriteLock, to read", until: deadline) {
      // A reader that writers overtook too often passes those who sleep.
      (readers.isReserved || !writers.hasLine) && enterAsReader()
    }
    // A reader that gave up may have held writers back by its reservation: one may try again.
    if !taken { writers.wake() }
    return taken
  }

  @inline(never) @usableFromInline
  func waitAsWriter(until deadline: Deadline) -> Bool {
    let taken = writers.wait("a ReadWriteLock, to write", until: deadline) {
      !readers.isReserved && enterAsWriter()
    }
    // A writer that gave up held readers back: they may try again.
    if !taken { readers.wakeAll() }
    return taken
  }

  @inline(never) @usableFromInline
  func notHeld(_ what: String) -> Never { mistake("\(what); each release needs an acquire of the same side before it") }
}
