internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Records of bytes, first in, first out, in memory that processes share, behind two locks that survive their holders.
///
/// The file (`size` is a power of two):
///
///     0           the header: magic, capacity, the end; the side of the putters; the side of the takers; three spots; users
///     size        the place of that size, up to 2 * size; few of them are in use, the others hold no memory
///
/// Putters and takers have a lock each, and meet only when one side has used up what it knew of the other. How, and why whoever
/// is killed leaves all of it whole: `PROTOCOL.md` beside this file.
///
/// A record is a word, its length, and the bytes. Of an element with descriptors there is only a mark, and the number of the
/// packet in which bytes and descriptors wait: see `QueueLine`. A jump is a word too: the next record lies in the place of
/// that size.
///
/// The ring grows by jumping to a larger place when a record does not fit, and jumps back from a large one when it is empty.
// SAFETY: what is in shared memory is behind its lock or atomic; the variables belong to one of the locks.
@safe final class SharedRing: @unchecked Sendable {
  enum Place {
    static let magic = 0
    static let capacity = 8
    static let end = 16
    static let deaths = 24
    static let putters = 128
    static let takers = 256
    static let elements = 384
    static let room = 512
    static let allDone = 640
    static let users = 768
    static let last = 4096
  }
  private static let magic: UInt64 = 0x3330_5145_4C44_4E53

  /// Marks in a record's word: the length is that of a packet's number; the word is a jump.
  static let isPacket: UInt64 = 1 << 63
  static let isJump: UInt64 = 1 << 62
  static let recordHeader: UInt64 = 8
  /// Behind the last record there is always room for a jump.
  static let jumpSize: UInt64 = 8

  let file: SharedFile
  let capacity: Int
  /// Where elements with descriptors wait; nil in a queue whose elements have none.
  let line: QueueLine?
  /// Those who wait for an element, for room, and for the tasks to be done.
  let elements: SharedSpot
  let room: SharedSpot
  let allDone: SharedSpot
  let users: QueueUsers

  /// Between the waits of this process.
  private let putsPerWait = BatchCount()
  private let takesPerWait = BatchCount()

  private let header: SharedMapping
  let sides: RingSides
  /// Who wants both takes that of the takers first.
  let putLock: OwnedWord
  let takeLock: OwnedWord
  // SAFETY: exclusive by the lock of the putters; the run-time check would cost as much as the lock.
  @exclusivity(unchecked) var putPlace = MappedPlace()
  // SAFETY: exclusive by the lock of the takers.
  @exclusivity(unchecked) var takePlace = MappedPlace()

  /// A new ring, for up to `capacity` records; 0: any number.
  convenience init(capacity: Int, hasLine: Bool) throws(SharedMemoryError) {
    let file = try SharedFile(label: "spindle-queue", byteCount: 2 * Int(RingState.firstSize))
    let header = try SharedMapping(file, 0..<Place.last)
    // Nobody else has the file yet, so plain order suffices; it is sent to others by system calls.
    unsafe header.word64(at: Place.capacity).pointee.store(UInt64(capacity), ordering: .relaxed)
    unsafe header.word64(at: Place.magic).pointee.store(Self.magic, ordering: .releasing)
    self.init(file, header, capacity: capacity, hasLine ? try QueueLine() : nil)
    var state = PutState()
    state.isMoved = true
    sides.commit(state, after: 0)
    sides.commit(TakeState(), after: 0)
  }

  /// The ring behind a descriptor that another process sent, which is ours from now on.
  convenience init(received descriptor: Int32, _ line: QueueLine?) throws(SharedMemoryError) {
    let file = try SharedFile(received: descriptor)
    guard try file.byteCount() >= Place.last else { throw Self.damaged("is too small") }
    let header = try SharedMapping(file, 0..<Place.last)
    let capacity = unsafe Int(exactly: header.word64(at: Place.capacity).pointee.load(ordering: .relaxed))
    guard unsafe header.word64(at: Place.magic).pointee.load(ordering: .acquiring) == Self.magic, let capacity,
      capacity >= 0
    else { throw Self.damaged("is no queue") }
    self.init(file, header, capacity: capacity, line)
    guard peek().isPlausible else { throw Self.impossible }
  }

  private init(_ file: SharedFile, _ header: SharedMapping, capacity: Int, _ line: QueueLine?) {
    self.file = file
    self.header = header
    self.capacity = capacity
    self.line = line
    sides = unsafe RingSides(put: header.word64(at: Place.putters), take: header.word64(at: Place.takers))
    putLock = OwnedWord(in: header, at: Place.putters)
    takeLock = OwnedWord(in: header, at: Place.takers)
    elements = SharedSpot(in: header, at: Place.elements)
    room = SharedSpot(in: header, at: Place.room)
    allDone = SharedSpot(in: header, at: Place.allDone)
    users = QueueUsers(in: header, at: Place.users, upTo: Place.last)
  }

  static func damaged(_ what: String) -> SharedMemoryError {
    SharedMemoryError(operation: "reading a shared queue", reason: "its memory \(what)")
  }
  static var impossible: SharedMemoryError { damaged("holds no possible state") }

  enum Outcome {
    case done, mustWait, shutDown
    /// Indirect: an outcome is one word.
    indirect case failed(SharedMemoryError)
  }

  // MARK: The state

  /// How the queue ends: written under both locks, and never less than before.
  enum End {
    static let open: UInt64 = 0
    static let closed: UInt64 = 1
    /// And what was in it is dropped.
    static let emptied: UInt64 = 2
  }

  /// Acquiring: who sees the end sees all that was put before.
  @inline(__always)
  var end: UInt64 {
    get { unsafe header.word64(at: Place.end).pointee.load(ordering: .acquiring) }
    set { unsafe header.word64(at: Place.end).pointee.store(newValue, ordering: .releasing) }
  }

  /// The state of this moment, without a lock. A queue is empty from the instant at which its end says so: the dropping
  /// follows, whoever dies.
  func peek() -> RingState {
    let end = end
    var state = sides.peek()
    state.isShutDown = end != End.open
    if end == End.emptied { (state.head, state.takes) = (state.tail, state.puts) }
    return state
  }

  // MARK: Waiting, for whoever has just tried in vain

  /// Blocks the thread until `attempt` has found room; false when the deadline passed first.
  func waitForRoom(until deadline: Deadline, attempt: () -> Bool) -> Bool {
    let batch = putsPerWait.next(UInt(sides.peekPut().puts))
    return room.waitOn(until: deadline, batch: batch, patrol: { patrol() }, attempt: attempt)
  }

  /// Blocks the thread until `attempt` has found an element; false when the deadline passed first.
  func waitForElement(until deadline: Deadline, attempt: () -> Bool) -> Bool {
    let batch = takesPerWait.next(UInt(sides.peekTake().takes))
    return elements.waitOn(until: deadline, batch: batch, patrol: { patrol() }, attempt: attempt)
  }

  // MARK: The locks

  @inline(__always)
  func acquirePutters() {
    // What the putters know is whole, whoever died.
    if case .takenOver = putLock.acquire() { noteDeath() }
  }

  @inline(__always)
  func acquireTakers() {
    if case .takenOver = takeLock.acquire() { mendTakers() }
  }

  func noteDeath() { unsafe header.word64(at: Place.deaths).pointee.wrappingAdd(1, ordering: .relaxed) }

  /// Runs `body` in the middle of a put: a record and a state are written that are never committed. For tests.
  func interruptedPut(_ body: () -> Void) {
    acquirePutters()
    defer { putLock.release() }
    var state = sides.readPut(sides.putCommit)
    if (try? makeRoom(for: 16, &state)) != nil {
      unsafe withUnsafeBytes(of: (UInt64.max, UInt64.max)) { unsafe putPlace.copy($0, to: state.tail) }
    }
    sides.spoilNextTail()
    body()
  }

  /// How often somebody died holding a lock. For tests.
  var deaths: UInt64 { unsafe header.word64(at: Place.deaths).pointee.load(ordering: .relaxed) }

  /// A word of the state, to damage it: see `RingSides.word`; 13 is the end.
  func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe index == 13 ? header.word64(at: Place.end) : sides.word(index)
  }
}
