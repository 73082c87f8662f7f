internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Records of bytes, first in, first out, in memory that processes share, behind a lock that survives its holder.
///
/// The file (`size` is a power of two, see `RingState`):
///
///     0           the header: magic, capacity, lock, commit word, two copies of the state, three spots, the table of users
///     size        the ring of that size, up to 2 * size; only one of them is in use, the others hold no memory
///
/// A change is made under the lock in this order: first the bytes of the record, then the copy of the state that is
/// *not* valid, then the commit word, whose lowest bit says which copy is valid. So at every instant the whole state
/// is the one before or the one after; a process that is killed in the middle has done all or nothing, and the next
/// holder of the lock has nothing to mend in it. `peek` reads the state without the lock: the copy it reads is not written
/// before the commit word has changed, which it looks at again afterwards.
///
/// A record is a word, its length, and the bytes. Of an element with descriptors there is only a mark, and the number of the
/// packet in which bytes and descriptors wait: see `QueueLine`.
///
/// The ring grows when a record does not fit (the records move to the next place in the file that is large enough),
/// and gives a large place back when it is empty.
// SAFETY: what is in shared memory is behind its lock or atomic; the variables too belong to the lock.
@safe final class SharedRing: @unchecked Sendable {
  enum Place {
    static let magic = 0
    static let capacity = 8
    static let lock = 64
    /// In one line with the lock: whoever has that needs this.
    static let commit = 72
    static let packets = 80
    static let deaths = 88
    static let states = 128
    static let elements = 384
    static let room = 512
    static let allDone = 640
    static let users = 768
    static let end = 4096
  }
  private static let magic: UInt64 = 0x3230_5145_4C44_4E53
  private static let recordHeader: UInt64 = 8
  /// In a record's word: the length is that of a packet's number.
  private static let isPacket: UInt64 = 1 << 63

  let file: SharedFile
  let capacity: Int
  /// Where elements with descriptors wait; nil in a queue whose elements have none.
  let line: QueueLine?
  /// Those who wait for an element, for room, and for the tasks to be done.
  let elements: SharedSpot
  let room: SharedSpot
  let allDone: SharedSpot
  let users: QueueUsers

  let header: SharedMapping
  private let lock: OwnedWord
  // SAFETY: exclusive by the lock, as its documentation says; the run-time check would cost as much as the lock.
  @exclusivity(unchecked) var ring: SharedMapping?
  @exclusivity(unchecked) var ringBase: UnsafeMutableRawPointer?
  @exclusivity(unchecked) var ringSize: UInt64 = 0
  /// The place that the change being made leaves: its memory goes back once the change is committed.
  @exclusivity(unchecked) var left: UInt64?

  /// A new ring, for up to `capacity` records; 0: any number.
  convenience init(capacity: Int, hasLine: Bool) throws(SharedMemoryError) {
    let file = try SharedFile(label: "spindle-queue", byteCount: 2 * Int(RingState.firstSize))
    let header = try SharedMapping(file, 0..<Place.end)
    // Nobody else has the file yet, so plain order suffices; it is sent to others by system calls.
    unsafe header.word64(at: Place.capacity).pointee.store(UInt64(capacity), ordering: .relaxed)
    unsafe header.word64(at: Place.magic).pointee.store(Self.magic, ordering: .releasing)
    self.init(file, header, capacity: capacity, hasLine ? try QueueLine() : nil)
    write(RingState(), copy: 0)
  }

  /// The ring behind a descriptor that another process sent, which is ours from now on.
  convenience init(received descriptor: Int32, _ line: QueueLine?) throws(SharedMemoryError) {
    let file = try SharedFile(received: descriptor)
    guard try file.byteCount() >= Place.end else { throw Self.damaged("is too small") }
    let header = try SharedMapping(file, 0..<Place.end)
    let capacity = unsafe Int(exactly: header.word64(at: Place.capacity).pointee.load(ordering: .relaxed))
    guard unsafe header.word64(at: Place.magic).pointee.load(ordering: .acquiring) == Self.magic, let capacity,
      capacity >= 0
    else { throw Self.damaged("is no queue") }
    self.init(file, header, capacity: capacity, line)
    guard peek().isPlausible else { throw Self.damaged("holds no possible state") }
  }

  private init(_ file: SharedFile, _ header: SharedMapping, capacity: Int, _ line: QueueLine?) {
    self.file = file
    self.header = header
    self.capacity = capacity
    self.line = line
    lock = OwnedWord(in: header, at: Place.lock)
    elements = SharedSpot(in: header, at: Place.elements)
    room = SharedSpot(in: header, at: Place.room)
    allDone = SharedSpot(in: header, at: Place.allDone)
    users = QueueUsers(in: header, at: Place.users, upTo: Place.end)
  }

  static func damaged(_ what: String) -> SharedMemoryError {
    SharedMemoryError(operation: "reading a shared queue", reason: "its memory \(what)")
  }

  // MARK: The state

  private var commit: UnsafeMutablePointer<Atomic<UInt64>> { unsafe header.word64(at: Place.commit) }

  @inline(__always)
  private func read(copy: UInt64) -> RingState {
    let words = unsafe header.word64(at: Place.states + Int(copy & 1) * 8 * RingState.wordCount)
    func word(_ index: Int) -> UInt64 { unsafe words[index].load(ordering: .relaxed) }
    return RingState(
      head: word(0), tail: word(1), puts: word(2), takes: word(3), done: word(4), size: word(5), committed: word(6),
      isShutDown: word(7))
  }

  @inline(__always)
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

  /// Makes one change under the lock; `body` gets the state and says what becomes of it, false for no change. `after` runs
  /// under the lock too, when the change is made.
  @inline(__always)
  private func change<Failure: Error>(
    after: () -> Void = {}, _ body: (inout RingState) throws(Failure) -> Bool
  ) throws(Failure) {
    acquire()
    // Sequentially consistent on the way out: step W2 of the spots' wakers, see `SharedSpot.wakeAfterExchange`.
    defer { lock.release() }
    let now = unsafe commit.pointee.load(ordering: .relaxed)
    var state = read(copy: now)
    unsafe left = nil
    guard try body(&state) else { return }
    FaultPoint.ringWritten.reach()
    // Peekers that see any of what is written now see the word that made the other copy valid.
    atomicMemoryFence(ordering: .releasing)
    write(state, copy: now + 1)
    FaultPoint.ringStateWritten.reach()
    unsafe commit.pointee.store(now + 1, ordering: .releasing)
    FaultPoint.ringCommitted.reach()
    after()
    FaultPoint.ringNoted.reach()
    if let left = unsafe left { file.release(Int(left)..<2 * Int(left)) }
  }

  @inline(__always)
  private func acquire() {
    if case .takenOver = lock.acquire() { mend() }
  }

  /// The state is whole; but who died may have made a change and not noted who did it.
  @inline(never)
  private func mend() {
    unsafe header.word64(at: Place.deaths).pointee.wrappingAdd(1, ordering: .relaxed)
    let now = unsafe commit.pointee.load(ordering: .relaxed)
    var state = read(copy: now)
    let lost = users.reconcile(takes: state.takes, puts: state.puts, done: &state.done)
    atomicMemoryFence(ordering: .releasing)
    write(state, copy: now + 1)
    unsafe commit.pointee.store(now + 1, ordering: .releasing)
    if lost > 0 { allDone.wakeAll() }
  }

  // MARK: Records

  enum Outcome {
    case done, mustWait, shutDown
    case failed(SharedMemoryError)
  }

  /// Puts a record in if it can be done at once.
  func put(_ record: UnsafeRawBufferPointer) -> Outcome {
    var outcome = Outcome.done
    do throws(SharedMemoryError) {
      try change { (state) throws(SharedMemoryError) in
        if let refusal = refusalOfPut(state) {
          outcome = refusal
          return false
        }
        unsafe try append(record, mark: 0, &state)
        return true
      }
    } catch {
      return .failed(error)
    }
    if case .done = outcome { elements.wakeAfterExchange() }
    return outcome
  }

  /// Puts an element with descriptors in if it can be done at once; there must be a line.
  func put(_ packet: inout PacketSocket.Packet) -> Outcome {
    var outcome = Outcome.done
    do throws(SharedMemoryError) {
      try change { (state) throws(SharedMemoryError) in
        if let refusal = refusalOfPut(state) {
          outcome = refusal
          return false
        }
        // Room for the record first: a packet that was sent cannot be taken back. One that was sent by who dies now has
        // no record, and is dropped by whoever takes the next.
        try makeRoom(for: 2 * Self.recordHeader, &state)
        let packets = unsafe header.word64(at: Place.packets)
        var number = unsafe packets.pointee.load(ordering: .relaxed) + 1
        unsafe packets.pointee.store(number, ordering: .relaxed)
        guard try line!.send(&packet, number) else {
          outcome = .mustWait
          return false
        }
        FaultPoint.ringPacketSent.reach()
        unsafe try withUnsafeBytes(of: &number) { (bytes) throws(SharedMemoryError) in
          unsafe try append(bytes, mark: Self.isPacket, &state)
        }
        return true
      }
    } catch {
      return .failed(error)
    }
    if case .done = outcome { elements.wakeAfterExchange() }
    return outcome
  }

  @inline(__always)
  private func append(
    _ record: UnsafeRawBufferPointer, mark: UInt64, _ state: inout RingState
  ) throws(SharedMemoryError) {
    let need = Self.recordHeader + (UInt64(record.count) + 7) & ~7
    try makeRoom(for: need, &state)
    unsafe word(at: state.tail).pointee = UInt64(record.count) | mark
    unsafe copy(record, to: state.tail + Self.recordHeader)
    state.tail += need
    state.puts += 1
  }

  private func refusalOfPut(_ state: RingState) -> Outcome? {
    if !state.isPlausible { return .failed(Self.damaged("holds no possible state")) }
    if state.isShutDown != 0 { return .shutDown }
    return capacity > 0 && state.count >= capacity ? .mustWait : nil
  }

  /// An element on its way out.
  struct Element: ~Copyable {
    var parcel = SharedParcel()
    /// In place of the parcel, when it came with descriptors.
    var arrival: PacketSocket.Arrival?
  }

  /// Moves the next record out if it can be done at once.
  func take(_ element: inout Element) -> Outcome {
    take(packet: { (arrival: consuming PacketSocket.Arrival) in element.arrival = consume arrival }) {
      (count, position) throws(SharedMemoryError) in
      try element.parcel.allocate(Int(count))
      unsafe copy(from: position, to: element.parcel.bytes)
    }
  }

  /// Moves the next record out to `target`, whose size it must have.
  func take(into target: UnsafeMutableRawBufferPointer) -> Outcome {
    take(packet: { (_: consuming PacketSocket.Arrival) in }) { (count, position) throws(SharedMemoryError) in
      guard count == target.count else { throw Self.damaged("holds an element of another type") }
      unsafe copy(from: position, to: target)
    }
  }

  @inline(__always)
  private func take(
    packet: (consuming PacketSocket.Arrival) -> Void,
    move: (UInt64, UInt64) throws(SharedMemoryError) -> Void
  ) -> Outcome {
    var outcome = Outcome.done
    var hasFreedLine = false
    var lost: UInt64 = 0
    do throws(SharedMemoryError) {
      try change(after: { users.noteTake(lost: lost) }) { (state) throws(SharedMemoryError) in
        while true {
          if let refusal = refusalOfTake(state) {
            outcome = refusal
            // Elements whose reader died with their packet have left all the same.
            return lost > 0
          }
          try mapRing(state)
          let word = unsafe word(at: state.head).pointee
          let length = word & ~Self.isPacket
          // Never believed before it is compared with what is there.
          guard state.used >= Self.recordHeader, length <= state.used - Self.recordHeader,
            Self.recordHeader + (length + 7) & ~7 <= state.used
          else { throw Self.damaged("holds a record of \(length) bytes where \(state.used) are in use") }
          var isLost = false
          if word & Self.isPacket != 0 {
            guard let line, length == 8 else { throw Self.damaged("holds the mark of a packet where there is none") }
            hasFreedLine = true
            var arrival = line.receive(unsafe self.word(at: state.head + Self.recordHeader).pointee)
            if let arrival = arrival.take() {
              packet(arrival)
              FaultPoint.ringPacketReceived.reach()
            } else {
              isLost = true
            }
          } else {
            try move(length, state.head + Self.recordHeader)
          }
          state.head += Self.recordHeader + (length + 7) & ~7
          state.takes += 1
          if state.count == 0 {
            guard state.used == 0 else { throw Self.damaged("holds \(state.used) bytes that are no record") }
            giveBack(&state)
          }
          if !isLost { return true }
          lost += 1
          state.done = min(state.done + 1, state.puts)
        }
      }
    } catch {
      return .failed(error)
    }
    if case .done = outcome, capacity > 0 || hasFreedLine { room.wakeAfterExchange() }
    if lost > 0 { allDone.wakeAll() }
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
      if state.done >= state.puts {
        // Late, for an element whose reader was thought to have died with it.
        isWrong = !users.takeBackLoss()
        return false
      }
      users.noteDone()
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

  /// Counts what the dead had taken and not done as lost. Asks at most once in a while unless `always`.
  func patrol(always: Bool = false) {
    for (place, key) in users.dead(always: always) {
      var isAny = false
      change { state in
        let lost = users.bury(place, key)
        state.done = min(state.done + lost, state.puts)
        isAny = lost > 0
        return isAny
      }
      if isAny { allDone.wakeAll() }
    }
  }

  /// Refuses puts from now on; `immediate` drops what is in it and counts it as done.
  func close(immediate: Bool) {
    var dropped: UInt64 = 0
    change(after: { users.noteDrop(dropped) }) { state in
      if !immediate && state.isShutDown != 0 { return false }
      state.isShutDown = 1
      if immediate, state.isPlausible {
        dropped = state.count
        state.done = min(state.done + state.count, state.puts)
        state.takes = state.puts
        state.head = state.tail
        line?.empty()
        giveBack(&state)
      }
      return true
    }
    elements.wakeAll()
    room.wakeAll()
    if immediate { allDone.wakeAll() }
  }

  // MARK: For tests

  /// How often somebody died holding the lock.
  var deaths: UInt64 { unsafe header.word64(at: Place.deaths).pointee.load(ordering: .relaxed) }

  /// Runs `body` in the middle of a put: a record and a state are written that are never committed.
  func interruptedPut(_ body: () -> Void) {
    acquire()
    defer { lock.release() }
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
