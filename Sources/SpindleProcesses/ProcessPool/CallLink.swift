internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// The memory that a pool and one of its workers share: a ring of slots, each for a call and then for its reply.
///
/// `PROTOCOL.md` beside this file has the steps, which the code cites, and why they suffice. The n-th call handed to
/// the worker lies in slot n modulo `depth`; its word says how far it has come:
///
///     empty ──► offered ──► begun ──► replied ──► empty
///                  └──────► withdrawn ──────────► empty
///
/// The parent makes the moves to `offered`, `withdrawn` and, after a reply, `empty`; the worker all others. Only
/// `offered` has two ways out, so only there the two must agree: whoever's compare-and-exchange succeeds has the
/// call.
// SAFETY: words are atomic; the rest of a slot belongs to the parent while it is empty or replied, to the worker
// while it is begun. The parent's side is used under the pool's lock, the worker's by the worker's own thread.
@safe final class CallLink: @unchecked Sendable {
  static let depth: UInt64 = 64
  static let headerSize = 512
  static let slotSize = 1024
  /// Where a slot's bytes begin: those of a small call lie in the cache line of its words.
  static let bytesOffset = 48
  static let room = slotSize - bytesOffset
  static let byteCount = headerSize + Int(depth) * slotSize

  enum Stage {
    static let empty: UInt64 = 0
    static let offered: UInt64 = 1
    static let begun: UInt64 = 2
    static let replied: UInt64 = 3
    static let withdrawn: UInt64 = 4
    static let mask: UInt64 = 7
  }

  /// Words of the header, each with its own cache line where the two sides would else disturb each other.
  private enum Place {
    /// The worker sleeps on `bell` when it has said so in `asleep`.
    static let bell = 0
    static let asleep = 4
    /// Nobody waits on the parent's side until a reply rings for it.
    static let wanted = 64
    static let orders = 128
  }

  /// Where the bytes of a call or a reply are.
  enum Where: UInt32 {
    /// In the slot itself.
    case slot
    /// In the arena, at `offset`.
    case arena
    /// In a message on the control socket, because descriptors go with them or no memory was to be had.
    case message
  }

  /// What a slot says about its bytes.
  struct Head {
    /// Several calls in a row, see `CallRow`; otherwise one.
    var isBatch = false
    var place = Where.slot
    /// Which function: a number that the worker knows or learns from the first `headerCount` bytes.
    var header: UInt32 = 0
    var headerCount = 0
    /// All bytes, the header's included.
    var count = 0
    var offset: UInt64 = 0
    /// The worker asks to be replaced.
    var isLast = false
  }

  private let base: UnsafeMutableRawPointer
  private let mapping: SharedMapping

  convenience init() throws(SharedMemoryError) { try self.init(SharedFile(label: "spindle-calls", byteCount: Self.byteCount)) }

  /// The memory behind a file that the parent made.
  init(_ file: SharedFile) throws(SharedMemoryError) {
    mapping = try SharedMapping(file, 0..<Self.byteCount)
    self.file = file
    unsafe base = unsafe mapping.base
  }

  /// Until the worker has it.
  var file: SharedFile?

  // MARK: Slots

  private func slot(_ number: UInt64) -> UnsafeMutableRawPointer {
    unsafe base + Self.headerSize + Int(number % Self.depth) * Self.slotSize
  }

  private func word(_ number: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe slot(number).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private func stopWord(_ number: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (slot(number) + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private func word32(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  private static func state(_ number: UInt64, _ stage: UInt64) -> UInt64 { number << 3 | stage }

  /// The stage of the slot of that number. Acquiring: pairs with the store of whoever moved it there.
  func stage(_ number: UInt64) -> UInt64 {
    let word = unsafe word(number).pointee.load(ordering: .acquiring)
    return word == 0 ? Stage.empty : word & Stage.mask
  }

  /// The bytes of a slot.
  func bytes(_ number: UInt64) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: slot(number) + Self.bytesOffset, count: Self.room)
  }

  func write(_ head: Head, _ number: UInt64) {
    let slot = unsafe slot(number)
    unsafe slot.storeBytes(of: head.header, toByteOffset: 16, as: UInt32.self)
    unsafe slot.storeBytes(of: UInt32(head.headerCount), toByteOffset: 20, as: UInt32.self)
    unsafe slot.storeBytes(of: UInt64(head.count), toByteOffset: 24, as: UInt64.self)
    unsafe slot.storeBytes(of: head.offset, toByteOffset: 32, as: UInt64.self)
    let flags = head.place.rawValue | (head.isBatch ? 4 : 0) | (head.isLast ? 8 : 0)
    unsafe slot.storeBytes(of: flags, toByteOffset: 40, as: UInt32.self)
  }

  /// What the other side wrote; nil when it cannot be.
  func head(_ number: UInt64) -> Head? {
    let slot = unsafe slot(number)
    var head = Head()
    let flags = unsafe slot.load(fromByteOffset: 40, as: UInt32.self)
    head.header = unsafe slot.load(fromByteOffset: 16, as: UInt32.self)
    head.headerCount = unsafe Int(slot.load(fromByteOffset: 20, as: UInt32.self))
    head.offset = unsafe slot.load(fromByteOffset: 32, as: UInt64.self)
    guard let place = Where(rawValue: flags & 3),
      let count = unsafe Int(exactly: slot.load(fromByteOffset: 24, as: UInt64.self)), head.headerCount <= count,
      place != .slot || count <= Self.room
    else { return nil }
    head.place = place
    head.count = count
    head.isBatch = flags & 4 != 0
    head.isLast = flags & 8 != 0
    return head
  }

  // MARK: The parent

  /// P2: the slot has been filled; from now on the worker may begin it. Then `ring`.
  func offer(_ number: UInt64, stopRequested: Bool) {
    unsafe stopWord(number).pointee.store(stopRequested ? number : 0, ordering: .relaxed)
    // Sequentially consistent: W1 of the bell, before `asleep` is read.
    unsafe word(number).pointee.store(Self.state(number, Stage.offered), ordering: .sequentiallyConsistent)
  }

  /// P4: takes back what the worker has not begun.
  func withdraw(_ number: UInt64) -> Bool {
    unsafe word(number).pointee.compareExchange(
      expected: Self.state(number, Stage.offered), desired: Self.state(number, Stage.withdrawn),
      ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// P5: makes the slot of a call that was taken back empty again, if the worker has not yet passed it.
  func reclaim(_ number: UInt64) -> Bool {
    unsafe word(number).pointee.compareExchange(
      expected: Self.state(number, Stage.withdrawn), desired: 0, ordering: .acquiringAndReleasing
    ).exchanged
  }

  func isReplied(_ number: UInt64) -> Bool {
    unsafe word(number).pointee.load(ordering: .acquiring) == Self.state(number, Stage.replied)  // pairs with W4
  }

  /// P6: the reply has been read. Nobody else looks at an empty slot, and `offer` is ordered after it.
  func clear(_ number: UInt64) { unsafe word(number).pointee.store(0, ordering: .relaxed) }

  /// Whether the call that was offered under that number has been begun.
  func hasBegun(_ number: UInt64) -> Bool {
    let word = unsafe word(number).pointee.load(ordering: .acquiring)
    return word == Self.state(number, Stage.begun) || word == Self.state(number, Stage.replied)
  }

  func requestStop(_ number: UInt64) {
    unsafe stopWord(number).pointee.store(number, ordering: .sequentiallyConsistent)
  }

  /// Tells the worker to end as soon as it has nothing to run.
  func dismiss() { unsafe word32(Place.orders).pointee.store(1, ordering: .sequentiallyConsistent) }

  /// P3: wakes the worker if it sleeps, after something was changed for it.
  @inline(__always)
  func ring() {
    if unsafe word32(Place.asleep).pointee.load(ordering: .sequentiallyConsistent) != 0 { wake() }
  }

  @inline(never)
  private func wake() {
    guard unsafe word32(Place.asleep).pointee.exchange(0, ordering: .sequentiallyConsistent) != 0 else { return }
    unsafe word32(Place.bell).pointee.wrappingAdd(1, ordering: .releasing)
    unsafe spindle_shared_wake(UnsafeRawPointer(word32(Place.bell)).assumingMemoryBound(to: UInt32.self), 1)
  }

  /// C2, C5: whether the next reply is to ring the parent's bell.
  func want(_ isWanted: Bool) {
    // Sequentially consistent: who sets it looks at the slots afterwards.
    unsafe word32(Place.wanted).pointee.store(isWanted ? 1 : 0, ordering: .sequentiallyConsistent)
  }

  // MARK: The worker

  enum Finding {
    case call, nothing, dismissed
  }

  /// W1, W2: begins the call with that number if there is one. Passes those that were taken back.
  func begin(_ number: inout UInt64) -> Finding {
    while true {
      let found = unsafe word(number).pointee.load(ordering: .acquiring)
      if found == Self.state(number, Stage.offered) {
        FaultPoint.callSeen.reach()
        let (exchanged, _) = unsafe word(number).pointee.compareExchange(
          expected: found, desired: Self.state(number, Stage.begun), ordering: .acquiringAndReleasing)
        if exchanged { return .call }
        continue
      }
      guard found == Self.state(number, Stage.withdrawn) else {
        return unsafe word32(Place.orders).pointee.load(ordering: .acquiring) != 0 ? .dismissed : .nothing
      }
      // W1b: the slot is the parent's again, unless the parent was faster (P5).
      if unsafe word(number).pointee.compareExchange(expected: found, desired: 0, ordering: .acquiringAndReleasing).exchanged
      {
        number += 1
      }
    }
  }

  /// For `sleep`: whether `begin` would find something.
  func isAnythingNew(_ number: UInt64) -> Bool {
    let stage = unsafe word(number).pointee.load(ordering: .sequentiallyConsistent) & Stage.mask
    return stage == Stage.offered || stage == Stage.withdrawn || isDismissed
  }

  var isDismissed: Bool { unsafe word32(Place.orders).pointee.load(ordering: .sequentiallyConsistent) != 0 }

  func isStopRequested(_ number: UInt64) -> Bool {
    unsafe stopWord(number).pointee.load(ordering: .acquiring) == number
  }

  /// W4: the reply is in the slot. True when the parent's bell must be rung (W5).
  func publish(_ number: UInt64) -> Bool {
    FaultPoint.replyWritten.reach()
    // Sequentially consistent, both: pairs with `want` and the look at the slots that follows it.
    unsafe word(number).pointee.store(Self.state(number, Stage.replied), ordering: .sequentiallyConsistent)
    FaultPoint.replied.reach()
    guard unsafe word32(Place.wanted).pointee.load(ordering: .sequentiallyConsistent) != 0 else { return false }
    return unsafe word32(Place.wanted).pointee.exchange(0, ordering: .sequentiallyConsistent) != 0
  }

  /// Sleeps until `isReady` may have become true; the worker's thread, or for its task's end.
  func sleep(unless isReady: () -> Bool) {
    let seen = unsafe word32(Place.bell).pointee.load(ordering: .acquiring)
    unsafe word32(Place.asleep).pointee.store(1, ordering: .sequentiallyConsistent)
    if !isReady() {
      FaultPoint.workerSleeps.reach()
      unsafe spindle_shared_wait(
        UnsafeRawPointer(word32(Place.bell)).assumingMemoryBound(to: UInt32.self), seen, Deadline.never.nanoseconds)
    }
    unsafe word32(Place.asleep).pointee.store(0, ordering: .relaxed)
  }
}
