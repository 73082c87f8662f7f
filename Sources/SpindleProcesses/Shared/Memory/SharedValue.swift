internal import SpindleGround
internal import Synchronization

/// A value in memory that processes share, with a lock: Python's `multiprocessing.Value`.
///
///     func work(_ total: SharedValue<Int>) { total.withLock { $0 += 1 } }
///     let total = SharedValue(0)
///     let children = (0..<4).map { _ in ChildProcess(target: work, total) }
///     // when they have ended: total.value == 4
///
/// The type is one that is copied by its bits: numbers, SIMD vectors, structures of such; no references, and no pointers,
/// which mean nothing in another process. It is sent to other processes as ``SharedLock`` is.
///
/// `value` takes the lock for one reading or one writing, so `total.value += 1` is two steps, between which another may
/// write: use `withLock`, or hold ``lock`` over several. A process that dies at any moment leaves the value as it was before
/// or as it is after a change, never half written; ``lock`` says then that its holder died. `withLock` writes what `body` has
/// made of the value when `body` returns or throws; do not use `value` inside.
public final class SharedValue<Value: BitwiseCopyable & Sendable>: Codable, Sendable {
  private let block: SharedBlock
  private let core: SharedRLockCore

  private static var lockOffset: Int { SharedBlock.headSize }
  /// 0 or 1: which of two copies is the value. All-or-nothing is one store of this word.
  private static var choiceOffset: Int { SharedBlock.headSize + SharedRLockCore.byteCount }
  private static var copiesOffset: Int { choiceOffset + 128 }
  private static var spacing: Int { (max(MemoryLayout<Value>.stride, 1) + 127) & ~127 }
  private static var byteCount: Int { copiesOffset + 2 * spacing - SharedBlock.headSize }

  /// Makes a shared value.
  public init(_ value: Value) {
    block = SharedBlock(.value, label: "spindle-value", byteCount: Self.byteCount, [MemoryLayout<Value>.size])
    core = SharedRLockCore(in: block.mapping, at: Self.lockOffset)
    unsafe copy(0).pointee = value
  }

  // SAFETY: two places of this type's size and alignment (at most 128) inside the mapping; guarded by the lock.
  private func copy(_ index: UInt64) -> UnsafeMutablePointer<Value> {
    unsafe (block.mapping.base + Self.copiesOffset + Int(index & 1) * Self.spacing).assumingMemoryBound(to: Value.self)
  }

  private var choice: UnsafeMutablePointer<Atomic<UInt64>> { unsafe block.mapping.word64(at: Self.choiceOffset) }

  /// The value, read or written in one step.
  public var value: Value {
    get {
      _ = core.acquire(until: .never)
      defer { core.release() }
      return unsafe copy(choice.pointee.load(ordering: .relaxed)).pointee
    }
    set {
      _ = core.acquire(until: .never)
      defer { core.release() }
      write(newValue)
    }
  }

  /// Runs `body` with the value, which nobody else changes meanwhile; waits for the lock if need be.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquire(until: .never)
    defer { core.release() }
    var value = unsafe copy(choice.pointee.load(ordering: .relaxed)).pointee
    defer { write(value) }
    return try body(&value)
  }

  private func write(_ value: Value) {
    let now = unsafe choice.pointee.load(ordering: .relaxed)
    unsafe copy(now ^ 1).pointee = value
    FaultPoint.valueWritten.reach()
    // Releasing: who finds the new choice, also after our death, finds what was written there.
    unsafe choice.pointee.store(now & 1 ^ 1, ordering: .releasing)
  }

  /// The value's lock: Python's `get_lock()`. Recursive, so `value` and `withLock` may be used while it is held.
  public var lock: SharedRLock { SharedRLock(in: block, at: Self.lockOffset) }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(block.attachment())
  }

  /// The value that another process sent.
  public init(from decoder: any Decoder) throws {
    let descriptor = try decoder.singleValueContainer().decode(AttachedDescriptor.self).descriptor
    block = try SharedBlock(received: descriptor, .value)
    _ = try block.number(0, in: MemoryLayout<Value>.size...MemoryLayout<Value>.size, .value)
    try block.require(Self.byteCount, .value)
    core = SharedRLockCore(in: block.mapping, at: Self.lockOffset)
  }
}

extension SharedValue: CustomStringConvertible {
  public var description: String { "SharedValue(\(value))" }
}
