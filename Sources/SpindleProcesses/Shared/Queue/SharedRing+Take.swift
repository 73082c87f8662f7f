internal import SpindleGround

/// What the takers do: see `PROTOCOL.md`.
extension SharedRing {
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
      unsafe takePlace.copy(from: position, to: element.parcel.bytes)
    }
  }

  /// Moves the next record out to `target`, whose size it must have.
  func take(into target: UnsafeMutableRawBufferPointer) -> Outcome {
    take(packet: { (_: consuming PacketSocket.Arrival) in }) { (count, position) throws(SharedMemoryError) in
      guard count == target.count else { throw Self.damaged("holds an element of another type") }
      unsafe takePlace.copy(from: position, to: target)
    }
  }

  /// What a call that takes has found on its way.
  private struct Finds {
    /// Elements whose reader died with their packet.
    var lost: UInt32 = 0
    /// Since the last record.
    var jumps = 0
    var hasFreedLine = false
  }

  @inline(__always)
  private func take(
    packet: (consuming PacketSocket.Arrival) -> Void,
    move: (UInt64, UInt64) throws(SharedMemoryError) -> Void
  ) -> Outcome {
    var finds = Finds()
    var outcome = Outcome.done
    acquireTakers()  // T1
    do throws(SharedMemoryError) {
      outcome = try takeNext(&finds, packet: packet, move: move)
    } catch {
      outcome = .failed(error)
    }
    takeLock.release()  // T6
    if case .done = outcome, capacity > 0 || finds.hasFreedLine { room.wakeAfterExchange() }  // T7
    if finds.lost > 0 {
      room.wake(finds.lost)
      allDone.wakeAll()
    }
    return outcome
  }

  @inline(__always)
  private func takeNext(
    _ finds: inout Finds, packet: (consuming PacketSocket.Arrival) -> Void,
    move: (UInt64, UInt64) throws(SharedMemoryError) -> Void
  ) throws(SharedMemoryError) -> Outcome {
    var now = sides.takeCommit
    var state = sides.readTake(now)
    while true {
      if state.head == sides.tailSeenByTakers, let refusal = try refusalOfTake(state) { return refusal }
      let tail = sides.tailSeenByTakers
      guard state.head < tail, tail - state.head <= RingState.lastSize, state.takes < RingState.limit else {
        throw Self.impossible
      }
      unsafe try takePlace.use(state.size, of: file)
      let used = min(tail - state.head, state.size)
      let word = unsafe takePlace.word(at: state.head).pointee
      if word & (Self.isJump | Self.isPacket) == Self.isJump {
        finds.jumps += 1
        // One for the shrinking whose taker died, one for the growing thereafter.
        guard finds.jumps <= 4 else { throw Self.damaged("holds nothing but jumps") }
        try jump(to: word & ~Self.isJump, &state, &now)
        continue
      }
      let length = word & ~Self.isPacket
      // Never believed before it is compared with what is there.
      guard used >= Self.recordHeader, length <= used - Self.recordHeader,
        Self.recordHeader + (length + 7) & ~7 <= used
      else { throw Self.damaged("holds a record of \(length) bytes where \(used) are in use") }
      let isWhole: Bool
      if word & Self.isPacket != 0 {
        finds.hasFreedLine = true
        isWhole = try receive(length, state.head, packet)
      } else {
        try move(length, state.head + Self.recordHeader)  // T2
        isWhole = true
      }
      state.head += Self.recordHeader + (length + 7) & ~7
      state.takes += 1
      guard (state.head == tail) == (state.takes == sides.putsSeenByTakers) else {
        throw Self.damaged("holds other elements than it counts")
      }
      FaultPoint.ringWritten.reach()
      now = sides.commit(state, after: now)
      if !isWhole {
        users.noteLost(1)
        sides.done = min(sides.done &+ 1, sides.putsSeenByTakers)
        finds.lost += 1
        finds.jumps = 0
        continue
      }
      users.noteTake()  // T5
      FaultPoint.ringNoted.reach()
      if state.head == tail, state.size > Self.keptSize { shrink(&state, &now) }
      return .done
    }
  }

  /// The packet whose number lies in the record at `position`; false when it is gone.
  @inline(never)
  private func receive(
    _ length: UInt64, _ position: UInt64, _ packet: (consuming PacketSocket.Arrival) -> Void
  ) throws(SharedMemoryError) -> Bool {
    guard let line, length == 8 else { throw Self.damaged("holds the mark of a packet where there is none") }
    var arrival = line.receive(unsafe takePlace.word(at: position + Self.recordHeader).pointee)
    guard let arrival = arrival.take() else { return false }
    packet(arrival)
    FaultPoint.ringPacketReceived.reach()
    return true
  }

  /// Looks at the putters; nil when there is something to take.
  @inline(__always)
  private func refusalOfTake(_ state: TakeState) throws(SharedMemoryError) -> Outcome? {
    // First: who sees the end sees all that was put before it.
    let end = end
    let put = sides.peekPut()
    guard end <= End.emptied, put.tail >= state.head, put.tail &- state.head <= put.size, put.puts >= state.takes
    else { throw Self.impossible }
    sides.noteSeen(put)
    if put.tail != state.head { return nil }
    return end == End.open ? .mustWait : .shutDown
  }

  /// Goes on in the place to which the putters have gone, and gives this one's memory back.
  @inline(never)
  private func jump(to size: UInt64, _ state: inout TakeState, _ now: inout UInt64) throws(SharedMemoryError) {
    guard RingState.isSize(size), size != state.size else { throw Self.damaged("holds a jump to nowhere") }
    let left = state.size
    state.head += Self.jumpSize
    state.size = size
    now = sides.commit(state, after: now)
    FaultPoint.ringJumped.reach()
    if size < left {
      giveBackLarge(left)
    } else {
      // The putters do not come back to it but by a shrinking, which needs the lock that we have.
      file.release(Int(left)..<2 * Int(left))
    }
  }

  /// J3: a place that a shrinking has left, if the putters have not grown into it again.
  private func giveBackLarge(_ left: UInt64) {
    acquirePutters()
    if sides.readPut(sides.putCommit).size < left { file.release(Int(left)..<2 * Int(left)) }
    putLock.release()
  }

  /// The last element of a large place has been taken: back to the smallest, if nothing has been put meanwhile.
  @inline(never)
  private func shrink(_ state: inout TakeState, _ now: inout UInt64) {
    acquirePutters()
    let putNow = sides.putCommit
    var put = sides.readPut(putNow)
    guard put.tail == state.head, put.size == state.size,
      unsafe (try? takePlace.use(state.size, of: file)) != nil
    else {
      putLock.release()
      return
    }
    unsafe takePlace.word(at: put.tail).pointee = Self.isJump | RingState.firstSize
    put.tail += Self.jumpSize
    put.size = RingState.firstSize
    put.start = put.tail
    put.given = put.tail
    put.isMoved = true
    // What they saw long ago may lie further back than a small place is large.
    sides.lookAtTakers()
    sides.commit(put, after: putNow)
    putLock.release()
    FaultPoint.ringShrunk.reach()
    sides.noteSeen(put)
    // Its size is not the first one: that is no place to shrink.
    try? jump(to: put.size, &state, &now)
  }

  // MARK: Deaths

  /// What the takers know is whole; but who died may have taken an element and not noted it, or not finished the end.
  @inline(never)
  func mendTakers() {
    noteDeath()
    let state = sides.readTake(sides.takeCommit)
    let put = sides.peekPut()
    // Of the two words perhaps one was written.
    sides.noteSeen(put)
    let before = sides.done
    // What was written under this lock after the end was so is the dropping: who writes the end drops before it leaves the lock.
    let isDropping = end == End.emptied
    let done = users.reconcile(takes: state.takes, puts: put.puts, done: before, wereDropped: isDropping)
    sides.done = done
    if isDropping { drop() }
    if isDropping || done > before { allDone.wakeAll() }
  }

  /// Takes all there is; nothing can be put any more.
  func drop() {
    var now = sides.takeCommit
    var state = sides.readTake(now)
    let put = sides.peekPut()
    guard put.tail >= state.head, put.puts >= state.takes, RingState.isSize(put.size), RingState.isSize(state.size)
    else { return }
    let dropped = put.puts - state.takes
    state = TakeState(head: put.tail, takes: put.puts, size: put.size)
    now = sides.commit(state, after: now)
    FaultPoint.ringDropped.reach()
    sides.noteSeen(put)
    users.noteDrop(dropped)
    sides.done = min(sides.done &+ dropped, put.puts)
    line?.empty()
    for size in sequence(first: RingState.firstSize, next: { 2 * $0 }).prefix(while: { $0 < put.size }) {
      file.release(Int(size)..<2 * Int(size))
    }
    if state.size > Self.keptSize { shrink(&state, &now) }
  }
}
