internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// A lock between processes that its holder may take again: Python's `multiprocessing.RLock`.
///
///     let lock = SharedRLock()
///     func add(_ x: Int) { lock.withLock { total.value += x } }
///     lock.withLock { add(1); add(2) }   // taken twice, given back twice
///
/// It is free again after as many `release()` as `acquire()`. Only the thread that holds it may release it; anything else
/// is a mistake and ends the program.
///
/// Sending it, memory effects and what happens when its holder's process dies are as with ``SharedLock``.
public final class SharedRLock: Codable, Sendable {
  let block: SharedBlock
  let core: SharedRLockCore
  private let offset: Int

  /// Makes a free lock.
  public init() {
    block = SharedBlock(.rlock, label: "spindle-rlock", byteCount: SharedRLockCore.byteCount)
    offset = SharedBlock.headSize
    core = SharedRLockCore(in: block.mapping, at: offset)
  }

  /// The lock that lies in another object.
  init(in block: SharedBlock, at offset: Int) {
    self.block = block
    self.offset = offset
    core = SharedRLockCore(in: block.mapping, at: offset)
  }

  /// Whether this thread holds the lock.
  public var isHeldByCurrentThread: Bool { core.isMine }

  /// Whether some thread of some process holds the lock at this moment.
  public var isLocked: Bool { core.word.holder != nil }

  /// Waits until the lock is free or held by this thread, and takes it. Returns who died holding it, nil as a rule; the
  /// lock is held then too.
  @available(*, noasync, message: "blocks its thread; in async code use withLock around synchronous lines")
  @discardableResult
  public func acquire() -> OwnerDiedError? {
    _ = core.acquire(until: .never)
    return core.ownerDied
  }

  /// Takes the lock if it is free, held by this thread, or if its holder has died. Never waits.
  public func tryAcquire() -> Bool { core.tryAcquire() }

  /// Takes the lock: waits for it, or with `blocking: false` only tries.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  @discardableResult
  public func acquire(blocking: Bool) -> Bool { blocking ? core.acquire(until: .never) : core.tryAcquire() }

  /// Waits for the lock at most this long. Zero or less tries once. True when it was taken.
  @available(*, noasync, message: "blocks its thread; in async code use tryAcquire or withLock")
  public func acquire(timeout: Duration) -> Bool { core.acquire(until: Deadline(after: timeout)) }

  /// Gives back one `acquire()`; the last one frees the lock and wakes one who waits for it.
  public func release() { core.release() }

  /// Runs `body` with the lock held; gives it back also when `body` throws.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquire(until: .never)
    defer { core.release() }
    return try body()
  }

  /// The same, and `repair` first when a process died holding the lock: see ``SharedLock``.
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
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    try container.encode(block.attachment())
    try container.encode(offset)
  }

  /// The lock that another process sent.
  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    let descriptor = try container.decode(AttachedDescriptor.self).descriptor
    // From here on the block closes it; so nothing may throw in between.
    block = try SharedBlock(received: descriptor)
    offset = try container.decode(Int.self)
    // Those objects that have a lock have it right behind their head.
    guard offset == SharedBlock.headSize, block.isAnyOf([.rlock, .value, .array]) else {
      throw SharedBlock.isOther(.rlock)
    }
    try block.require(SharedRLockCore.byteCount, .rlock)
    core = SharedRLockCore(in: block.mapping, at: offset)
  }
}

/// What a recursive shared lock is in memory.
///
/// Which thread holds it says a second pair of words, which only the holder writes: first the thread, then its process; and
/// before the lock is freed no process. So a thread that reads its own process and itself there, and its process in the
/// lock's word, is the holder: another thread of its process would have written itself before that process, and what the
/// dead left there names their process.
// SAFETY: all words are atomic; whoever has the core keeps the mapping.
@safe struct SharedRLockCore: @unchecked Sendable {
  static let byteCount = 64

  private let lock: SharedLockCore
  private let process: UnsafeMutablePointer<Atomic<UInt64>>
  private let thread: UnsafeMutablePointer<Atomic<UInt64>>
  private let depth: UnsafeMutablePointer<Atomic<UInt64>>

  init(in mapping: SharedMapping, at offset: Int) {
    lock = SharedLockCore(in: mapping, at: offset)
    unsafe process = mapping.word64(at: offset + 24)
    unsafe thread = mapping.word64(at: offset + 32)
    unsafe depth = mapping.word64(at: offset + 40)
  }

  /// Who holds it, as a process.
  var word: OwnedWord { lock.word }
  private var currentThread: UInt64 { UInt64(UInt(spindle_thread_key())) }

  var isMine: Bool {
    let me = spindle_process_key()
    // Acquiring: pairs with the store in `taken`.
    return unsafe process.pointee.load(ordering: .acquiring) == me
      && thread.pointee.load(ordering: .relaxed) == currentThread && word.holder?.rawValue == me
  }

  func acquire(until deadline: Deadline) -> Bool {
    if again() { return true }
    guard lock.acquire(until: deadline) else { return false }
    taken()
    return true
  }

  func tryAcquire() -> Bool {
    if again() { return true }
    guard lock.tryAcquire() else { return false }
    taken()
    return true
  }

  private func again() -> Bool {
    guard isMine else { return false }
    unsafe depth.pointee.wrappingAdd(1, ordering: .relaxed)
    return true
  }

  private func taken() {
    unsafe thread.pointee.store(currentThread, ordering: .relaxed)
    unsafe depth.pointee.store(1, ordering: .relaxed)
    unsafe process.pointee.store(spindle_process_key(), ordering: .releasing)
  }

  func release() {
    if !isMine { notMine("release()") }
    if unsafe depth.pointee.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { free() }
  }

  private func free() {
    unsafe process.pointee.store(0, ordering: .relaxed)
    word.release()
  }

  /// Frees the lock however often it was acquired; returns how often.
  func releaseAll() -> UInt64 {
    let count = unsafe depth.pointee.exchange(0, ordering: .relaxed)
    free()
    return count
  }

  /// Takes the lock as if acquired `count` times.
  func acquireAll(_ count: UInt64) {
    _ = acquire(until: .never)
    unsafe depth.pointee.store(count, ordering: .relaxed)
  }

  var ownerDied: OwnerDiedError? { lock.ownerDied }

  func recover() {
    if !isMine { notMine("recover()") }
    lock.recover()
  }

  @inline(never)
  private func notMine(_ call: StaticString) -> Never {
    mistake(
      word.holder == nil
        ? "\(call) of a SharedRLock that nobody holds; it needs an acquire() before it"
        : "\(call) of a SharedRLock that another thread holds; only the thread that acquired it may do that")
  }
}
