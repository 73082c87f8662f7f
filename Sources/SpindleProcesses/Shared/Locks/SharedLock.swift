internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// A lock between processes, which one of their threads holds at a time: Python's `multiprocessing.Lock`.
///
///     func work(_ lock: SharedLock, _ total: SharedValue<Int>) {
///       lock.withLock { total.value += 1 }
///     }
///     let lock = SharedLock(), total = SharedValue(0)
///     let child = ChildProcess(target: work, lock, total)
///
/// Its calls are those of ``Lock``. It is handed to a child as an argument, alone or inside other `Codable` values, and
/// through a ``SharedQueue`` or ``Connection``; it cannot be encoded anywhere else. It has no name, and is gone with the
/// last process that has it. Not recursive: see ``SharedRLock``. Any thread of any process may release it, as in Python;
/// whose process acquired it must live until then.
///
/// A process that ends while it holds the lock, killed or not, blocks nobody: the next one gets the lock, within 0.1 s if it
/// is waiting already, and is told, since what the lock guards may be half changed. `acquire()` returns an
/// ``OwnerDiedError``, `withLock(repair:_:)` calls `repair` with it, and after any other call ``ownerDied`` has it, until
/// the holder calls ``recover()``. A process that is stopped (SIGSTOP) while it holds the lock has not ended.
///
/// What was written, to any shared memory, before `release()` is visible after the next `acquire()`. Uncontended, each is
/// one atomic operation. A newcomer may overtake one that is waking up.
public final class SharedLock: Codable, Sendable, InSharedBlock {
  let block: SharedBlock
  let core: SharedLockCore

  /// Makes a free lock.
  public init() {
    block = SharedBlock(.lock, label: "spindle-lock", byteCount: SharedLockCore.byteCount)
    core = SharedLockCore(in: block.mapping, at: SharedBlock.headSize)
  }

  /// Waits until the lock is free and takes it. Returns who died holding it, nil as a rule; the lock is held then too.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  @discardableResult
  public func acquire() -> OwnerDiedError? {
    _ = core.acquire(until: .never)
    return core.ownerDied
  }

  /// Takes the lock if it is free, or if its holder has died. Never waits.
  public func tryAcquire() -> Bool { core.tryAcquire() }

  /// Takes the lock: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @discardableResult
  public func acquire(blocking: Bool) -> Bool { blocking ? core.acquire(until: .never) : core.tryAcquire() }

  /// Waits for the lock at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  public func acquire(timeout: Duration) -> Bool { core.acquire(until: Deadline(after: timeout)) }

  /// Gives the lock back and wakes one who waits for it.
  public func release() { core.release() }

  /// Whether somebody holds the lock at this moment.
  public var isLocked: Bool { core.word.holder != nil }

  /// Runs `body` with the lock held; gives it back also when `body` throws.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquire(until: .never)
    defer { core.release() }
    return try body()
  }

  /// The same, and `repair` first when a process died holding the lock: it mends what the lock guards. When it throws,
  /// the lock is given back, `body` is not run, and the next one is told again.
  public func withLock<Result: ~Copyable, Failure: Error>(
    repair: (OwnerDiedError) throws(Failure) -> Void, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquire(until: .never)
    defer { core.release() }
    if let death = core.ownerDied {
      try repair(death)
      core.recover()
    }
    return try body()
  }

  /// Who died holding the lock; nil as a rule, and again after `recover()`.
  public var ownerDied: OwnerDiedError? { core.ownerDied }

  /// Says that what the lock guards is whole again. For the holder of the lock.
  public func recover() { core.recover() }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws { try encodeBlock(to: encoder) }

  /// The lock that another process sent.
  public init(from decoder: any Decoder) throws {
    block = try Self.decodeBlock(.lock, from: decoder)
    try block.require(SharedLockCore.byteCount, .lock)
    core = SharedLockCore(in: block.mapping, at: SharedBlock.headSize)
  }

  /// For tests.
  package var holderPID: Int32? { core.word.holder?.pid }
  package var someoneWaits: Bool { core.word.mayHaveSleepers }
}

/// What a shared lock is in memory: the word of its holder, and who died holding it.
// SAFETY: both words are atomic; whoever has the core keeps the mapping.
@safe struct SharedLockCore: Sendable {
  static let byteCount = 64

  let word: OwnedWord
  private let death: SharedDeath

  init(in mapping: SharedMapping, at offset: Int) {
    word = OwnedWord(in: mapping, at: offset)
    death = SharedDeath(in: mapping, at: offset + 8)
  }

  func acquire(until deadline: Deadline) -> Bool {
    switch word.acquire(until: deadline) {
    case .acquired: return true
    case .takenOver(let owner):
      death.record(owner)
      return true
    case .timedOut: return false
    }
  }

  func tryAcquire() -> Bool {
    if word.tryAcquire() { return true }
    guard death.isTimeToLook(), let owner = word.takeOver() else { return false }
    death.record(owner)
    return true
  }

  func release() {
    if !word.release() {
      mistake("release() of a SharedLock that nobody holds; each release() needs an acquire() before it")
    }
  }

  var ownerDied: OwnerDiedError? { death.owner.map { OwnerDiedError(pid: $0.pid) } }

  func recover() {
    if word.holder == nil { mistake("recover() of a SharedLock that nobody holds; call it after acquire()") }
    death.forget()
  }
}

/// Who died holding a lock, until somebody says that all is well.
// SAFETY: the words are atomic; whoever has this value keeps the mapping.
@safe struct SharedDeath: @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt64>>
  /// When somebody looked last whether the holder lives: for all processes together.
  private let looked: UnsafeMutablePointer<Atomic<UInt64>>
  private static var interval: UInt64 { 10_000_000 }

  init(in mapping: SharedMapping, at offset: Int) {
    unsafe word = mapping.word64(at: offset)
    unsafe looked = mapping.word64(at: offset + 8)
  }

  /// Belongs to the holder of the lock, who acquired it after whoever wrote it last.
  var owner: ProcessKey? {
    let now = unsafe word.pointee.load(ordering: .relaxed)
    return now == 0 ? nil : ProcessKey(rawValue: now)
  }

  func record(_ owner: ProcessKey) { unsafe word.pointee.store(owner.rawValue, ordering: .relaxed) }
  func forget() { unsafe word.pointee.store(0, ordering: .relaxed) }

  /// A failed try asks after the holder once in a while: that costs microseconds, and others may try in a loop.
  func isTimeToLook() -> Bool {
    let now = UInt64(bitPattern: spindle_now())
    let before = unsafe looked.pointee.load(ordering: .relaxed)
    guard now &- before >= Self.interval else { return false }
    return unsafe looked.pointee.compareExchange(expected: before, desired: now, ordering: .relaxed).exchanged
  }
}
