internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Records of bytes, first in, first out, in memory that processes share, behind a lock that survives its holder.
///
/// The file (`size` is a power of two, see `RingState`):
///
///     0           the header: magic, capacity, lock, commit word, two copies of the state, three spots
///     size        the ring of that size, up to 2 * size; only one of them is in use, the others hold no memory
///
/// A change is made under the lock in this order: first the bytes of the record, then the copy of the state that is
/// *not* valid, then the commit word, whose lowest bit says which copy is valid. So at every instant the whole state
/// is the one before or the one after; a process that is killed in the middle has done all or nothing, and the next
/// holder of the lock has nothing to mend. `peek` reads the state without the lock: the copy it reads is not written
/// before the commit word has changed, which it looks at again afterwards.
///
/// The ring grows when a record does not fit (the records move to the next place in the file that is large enough),
/// and gives a large place back when it is empty.
// SAFETY: what is in shared memory is behind its lock or atomic; `ring` and `ringSize` too belong to the lock.
@safe final class SharedRing: @unchecked Sendable {
  enum Place {
    static let magic = 0
    static let capacity = 8
    static let lock = 64
    static let commit = 128
    static let states = 192
    static let elements = 384
    static let room = 512
    static let allDone = 640
    static let deaths = 768
    static let end = 4096
  }
  private static let magic: UInt64 = 0x3130_5145_4C44_4E53
  /// A ring larger than this is given back when it is empty.
  private static let keptSize: UInt64 = 8 << 20
  private static let recordHeader: UInt64 = 8
  private static let commitStep: UInt64 = 1 << 20

  let file: SharedFile
  let capacity: Int
  /// Those who wait for an element, for room, and for the tasks to be done.
  let elements: SharedSpot
  let room: SharedSpot
  let allDone: SharedSpot

  private let header: SharedMapping
  private let lock: UnsafeMutableRawPointer
  private var ring: SharedMapping?
  private var ringSize: UInt64 = 0
  /// The place that the change being made leaves: its memory goes back once the change is committed.
  private var left: UInt64?

  /// A new ring, for up to `capacity` records; 0: any number.
  convenience init(capacity: Int) throws(SharedMemoryError) {
    let file = try SharedFile(label: "spindle-queue", byteCount: 2 * Int(RingState.firstSize))
    let header = try SharedMapping(file, 0..<Place.end)
    // Nobody else has the file yet, so plain order suffices; it is sent to others by system calls.
    let error = unsafe spindle_shared_lock_make(header.base + Place.lock)
    if error != 0 { throw SharedMemoryError("making a lock in shared memory", errorNumber: error) }
    unsafe header.word64(at: Place.capacity).pointee.store(UInt64(capacity), ordering: .relaxed)
    unsafe header.word64(at: Place.magic).pointee.store(Self.magic, ordering: .releasing)
    self.init(file, header, capacity: capacity)
    write(RingState(), copy: 0)
  }

  /// The ring behind a descriptor that another process sent, which is ours from now on.
  convenience init(received descriptor: Int32) throws(SharedMemoryError) {
    let file = try SharedFile(received: descriptor)
    guard try file.byteCount() >= Place.end else { throw Self.damaged("is too small") }
    let header = try SharedMapping(file, 0..<Place.end)
    let capacity = unsafe Int(exactly: header.word64(at: Place.capacity).pointee.load(ordering: .relaxed))
    guard unsafe header.word64(at: Place.magic).pointee.load(ordering: .acquiring) == Self.magic, let capacity,
      capacity >= 0
    else { throw Self.damaged("is no queue") }
    self.init(file, header, capacity: capacity)
    guard peek().isPlausible else { throw Self.damaged("holds no possible state") }
  }

  private init(_ file: SharedFile, _ header: SharedMapping, capacity: Int) {
    self.file = file
    self.header = header
    self.capacity = capacity
    unsafe lock = unsafe header.base + Place.lock
    elements = SharedSpot(in: header, at: Place.elements)
    room = SharedSpot(in: header, at: Place.room)
    allDone = SharedSpot(in: header, at: Place.allDone)
  }

  private static func damaged(_ what: String) -> SharedMemoryError {
    SharedMemoryError(operation: "reading a shared queue", reason: "its memory \(what)")
  }

  // MARK: The state

  private var commit: UnsafeMutablePointer<Atomic<UInt64>> { unsafe header.word64(at: Place.commit) }

  private func read(copy: UInt64) -> RingState {
    let words = unsafe header.word64(at: Place.states + Int(copy & 1) * 8 * RingState.wordCount)
    func word(_ index: Int) -> UInt64 { unsafe words[index].load(ordering: .relaxed) }
    return RingState(
      head: word(0), tail: word(1), puts: word(2), takes: word(3), done: word(4), size: word(5), committed: word(6),
      isShutDown: word(7))
  }

  private func write(_ state: RingState, copy: UInt64) {
    let words = unsafe header.word64(at: Place.states + Int(copy & 1) * 8 * RingState.wordCount)
    unsafe words[0].store(state.head, ordering: .relaxed)
    unsafe words[1].store(state.tail, ordering: .relaxed)
    unsafe words[2].store(state.puts, ordering: .relaxed)
    unsafe words[3].store(state.takes, ordering: .relaxed)
    unsafe words[4].store(state.done, ordering: .relaxed)
    unsafe words[5].store(state.size, ordering: .relaxed)
    unsafe words[6].store(state.committed, ordering: .relaxed)
    unsafe words[7].store(state.isShutDown, ordering: .relaxed)
  }

  /// The state of this moment, without the lock.
  func peek() -> RingState {
    while true {
      let before = unsafe commit.pointee.load(ordering: .acquiring)  // pairs with the store in `change`
      let state = read(copy: before)
      // The copy is overwritten only after the word has changed. Pairs with the fence in `change`: who read a part of
      // a later copy sees the later word.
      atomicMemoryFence(ordering: .acquiring)
      if unsafe commit.pointee.load(ordering: .relaxed) == before { return state }
    }
  }

  /// Makes one change under the lock; `body` gets the state and says what becomes of it, nil for no change.
  private func change<Failure: Error>(_ body: (inout RingState) throws(Failure) -> Bool) throws(Failure) {
    acquire()
    defer { unsafe spindle_shared_lock_release(lock) }
    let now = unsafe commit.pointee.load(ordering: .relaxed)
    var state = read(copy: now)
    left = nil
    guard try body(&state) else { return }
    // Peekers that see any of what is written now see the word that made the other copy valid.
    atomicMemoryFence(ordering: .releasing)
    write(state, copy: now + 1)
    unsafe commit.pointee.store(now + 1, ordering: .releasing)
    if let left { file.release(Int(left)..<2 * Int(left)) }
  }

  private func acquire() {
    var spin = SpinPolicy()
    var result = unsafe spindle_shared_lock_try(lock)
    while result == Int32(spindle_shared_lock_busy), spin.pauseOrYield() {
      result = unsafe spindle_shared_lock_try(lock)
    }
    if result == Int32(spindle_shared_lock_busy) { result = unsafe spindle_shared_lock_acquire(lock) }
    if result == Int32(spindle_shared_lock_owner_died) {
      unsafe header.word64(at: Place.deaths).pointee.wrappingAdd(1, ordering: .relaxed)
    }
    if result > 0 { mistake("the memory of a shared queue was overwritten: its lock fails with error \(result)") }
  }

  // MARK: Records

  enum Outcome {
    case done, mustWait, shutDown
    case failed(SharedMemoryError)
  }

  /// Puts a record in if it can be done at once.
  func put(_ record: UnsafeRawBufferPointer) -> Outcome {
    if let outcome = refusalOfPut(peek()) { return outcome }
    var outcome = Outcome.done
    do throws(SharedMemoryError) {
      try change { (state) throws(SharedMemoryError) in
        if let refusal = refusalOfPut(state) {
          outcome = refusal
          return false
        }
        let need = Self.recordHeader + (UInt64(record.count) + 7) & ~7
        try makeRoom(for: need, &state)
        var length = UInt64(record.count)
        unsafe withUnsafeBytes(of: &length) { unsafe copy($0, to: state.tail) }
        unsafe copy(record, to: state.tail + Self.recordHeader)
        state.tail += need
        state.puts += 1
        return true
      }
    } catch {
      return .failed(error)
    }
    if case .done = outcome { elements.wake() }
    return outcome
  }

  private func refusalOfPut(_ state: RingState) -> Outcome? {
    if !state.isPlausible { return .failed(Self.damaged("holds no possible state")) }
    if state.isShutDown != 0 { return .shutDown }
    return capacity > 0 && state.count >= capacity ? .mustWait : nil
  }

  /// Moves the next record out if it can be done at once.
  func take(_ parcel: inout SharedParcel) -> Outcome {
    if let outcome = refusalOfTake(peek()) { return outcome }
    var outcome = Outcome.done
    do throws(SharedMemoryError) {
      try change { (state) throws(SharedMemoryError) in
        if let refusal = refusalOfTake(state) {
          outcome = refusal
          return false
        }
        try mapRing(state)
        var length: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &length) { unsafe copy(from: state.head, to: $0) }
        // Never believed before it is compared with what is there.
        guard state.used >= Self.recordHeader, length <= state.used - Self.recordHeader,
          Self.recordHeader + (length + 7) & ~7 <= state.used
        else { throw Self.damaged("holds a record of \(length) bytes where \(state.used) are in use") }
        try parcel.allocate(Int(length))
        unsafe copy(from: state.head + Self.recordHeader, to: parcel.bytes)
        state.head += Self.recordHeader + (length + 7) & ~7
        state.takes += 1
        if state.count == 0 {
          guard state.used == 0 else { throw Self.damaged("holds \(state.used) bytes that are no record") }
          giveBack(&state)
        }
        return true
      }
    } catch {
      return .failed(error)
    }
    if case .done = outcome, capacity > 0 { room.wake() }
    return outcome
  }

  private func refusalOfTake(_ state: RingState) -> Outcome? {
    if !state.isPlausible { return .failed(Self.damaged("holds no possible state")) }
    if state.count > 0 { return nil }
    return state.isShutDown != 0 ? .shutDown : .mustWait
  }

  // MARK: Tasks and the end

  /// False when it is called more often than records were put.
  func taskDone() -> Bool {
    var isLast = false
    var isWrong = false
    change { state in
      isWrong = state.done >= state.puts
      if isWrong { return false }
      state.done += 1
      isLast = state.done == state.puts
      return true
    }
    if isLast { allDone.wakeAll() }
    return !isWrong
  }

  var isAllDone: Bool {
    let state = peek()
    return state.done == state.puts
  }

  /// Refuses puts from now on; `immediate` drops what is in it and counts it as done.
  func close(immediate: Bool) {
    change { state in
      if !immediate && state.isShutDown != 0 { return false }
      state.isShutDown = 1
      if immediate, state.isPlausible {
        state.done = min(state.done + state.count, state.puts)
        state.takes = state.puts
        state.head = state.tail
        giveBack(&state)
      }
      return true
    }
    elements.wakeAll()
    room.wakeAll()
    if immediate { allDone.wakeAll() }
  }

  // MARK: The memory of the ring; all under the lock

  /// Maps the place that is in use, which another process may have changed.
  private func mapRing(_ state: RingState) throws(SharedMemoryError) {
    if ringSize == state.size { return }
    ring = try map(state.size)
    ringSize = state.size
  }

  private func map(_ size: UInt64) throws(SharedMemoryError) -> SharedMapping {
    guard try UInt64(file.byteCount()) >= 2 * size else { throw Self.damaged("is smaller than its ring") }
    return try SharedMapping(file, Int(size)..<2 * Int(size))
  }

  /// Sees to it that `need` more bytes can be written at the tail.
  private func makeRoom(for need: UInt64, _ state: inout RingState) throws(SharedMemoryError) {
    try mapRing(state)
    if state.used + need > state.size { try grow(to: state.used + need, &state) }
    // Up to here the memory has been given to us, or the ring has gone round once and all of it has.
    let end = min(state.tail & (state.size - 1) + need, state.size)
    if end > state.committed {
      let target = min((end + Self.commitStep - 1) & ~(Self.commitStep - 1), state.size)
      try file.commit(Int(state.size + state.committed)..<Int(state.size + target))
      state.committed = target
    }
  }

  /// Moves the records to a larger place. Nothing of it counts before the state is committed.
  private func grow(to count: UInt64, _ state: inout RingState) throws(SharedMemoryError) {
    guard count <= RingState.lastSize else {
      throw SharedMemoryError(operation: "growing a shared queue to \(count) bytes", reason: "no queue may be so large")
    }
    let size = UInt64(1) << UInt64(UInt64.bitWidth - (count - 1).leadingZeroBitCount)
    try file.grow(to: 2 * Int(size))
    let larger = try map(size)
    // A place that was in use before, and was given back by somebody who died meanwhile, may still hold memory.
    let used = state.used
    try file.commit(Int(size)..<Int(size + used + 1))
    unsafe copy(from: state.head, to: UnsafeMutableRawBufferPointer(start: larger.base, count: Int(used)))
    let old = state.size
    state.size = size
    state.head = 0
    state.tail = used
    state.committed = used
    ring = larger
    ringSize = size
    left = old
  }

  /// An empty ring that has become large gives its memory back to the system.
  private func giveBack(_ state: inout RingState) {
    guard state.size > Self.keptSize else { return }
    left = state.size
    state.size = RingState.firstSize
    state.head = 0
    state.tail = 0
    state.committed = 0
  }

  private func copy(_ bytes: UnsafeRawBufferPointer, to position: UInt64) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    let offset = Int(position & (ringSize - 1))
    let first = min(bytes.count, Int(ringSize) - offset)
    unsafe (ring!.base + offset).copyMemory(from: source, byteCount: first)
    if first < bytes.count { unsafe ring!.base.copyMemory(from: source + first, byteCount: bytes.count - first) }
  }

  private func copy(from position: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
    guard let target = bytes.baseAddress, bytes.count > 0 else { return }
    let offset = Int(position & (ringSize - 1))
    let first = min(bytes.count, Int(ringSize) - offset)
    unsafe target.copyMemory(from: ring!.base + offset, byteCount: first)
    if first < bytes.count { unsafe (target + first).copyMemory(from: ring!.base, byteCount: bytes.count - first) }
  }

  // MARK: For tests

  /// How often somebody died holding the lock.
  var deaths: UInt64 { unsafe header.word64(at: Place.deaths).pointee.load(ordering: .relaxed) }

  /// Runs `body` in the middle of a put: a record and a state are written that are never committed.
  func interruptedPut(_ body: () -> Void) {
    acquire()
    defer { unsafe spindle_shared_lock_release(lock) }
    let now = unsafe commit.pointee.load(ordering: .relaxed)
    var state = read(copy: now)
    if (try? mapRing(state)) != nil, state.size - state.used >= 16 {
      unsafe withUnsafeBytes(of: (UInt64.max, UInt64.max)) { unsafe copy($0, to: state.tail) }
    }
    state.tail = .max
    write(state, copy: now + 1)
    body()
  }

  /// Where the valid state lies, to damage it.
  func withValidState(_ body: (UnsafeMutablePointer<Atomic<UInt64>>) -> Void) {
    let now = unsafe commit.pointee.load(ordering: .relaxed)
    unsafe body(header.word64(at: Place.states + Int(now & 1) * 8 * RingState.wordCount))
  }
}
