internal import SpindleGround

/// What the putters do: see `PROTOCOL.md`.
extension SharedRing {
  /// Puts a record in if it can be done at once.
  func put(_ record: UnsafeRawBufferPointer) -> Outcome {
    let outcome = unsafe putUnderLock(record)
    if case .done = outcome { elements.wakeAfterExchange() }
    return outcome
  }

  @inline(__always)
  private func putUnderLock(_ record: UnsafeRawBufferPointer) -> Outcome {
    acquirePutters()  // P1
    defer { putLock.release() }  // P5
    let now = sides.putCommit
    var state = sides.readPut(now)
    if let refusal = refusalOfPut(state) { return refusal }
    do throws(SharedMemoryError) {
      unsafe try append(record, mark: 0, &state)
    } catch {
      return .failed(error)
    }
    FaultPoint.ringWritten.reach()
    sides.commit(state, after: now)
    return .done
  }

  /// Puts an element with descriptors in if it can be done at once; there must be a line.
  func put(_ packet: inout PacketSocket.Packet) -> Outcome {
    let outcome = putUnderLock(&packet)
    if case .done = outcome { elements.wakeAfterExchange() }
    return outcome
  }

  private func putUnderLock(_ packet: inout PacketSocket.Packet) -> Outcome {
    acquirePutters()
    defer { putLock.release() }
    let now = sides.putCommit
    var state = sides.readPut(now)
    if let refusal = refusalOfPut(state) { return refusal }
    do throws(SharedMemoryError) {
      // Room for the record first: a packet that was sent cannot be taken back. One that was sent by who dies now has
      // no record, and is dropped by whoever takes the next.
      try makeRoom(for: 2 * Self.recordHeader, &state)
      var number = sides.nextPacket()
      guard try line!.send(&packet, number) else { return .mustWait }
      FaultPoint.ringPacketSent.reach()
      unsafe try withUnsafeBytes(of: &number) { (bytes) throws(SharedMemoryError) in
        unsafe try append(bytes, mark: Self.isPacket, &state)
      }
    } catch {
      return .failed(error)
    }
    FaultPoint.ringWritten.reach()
    sides.commit(state, after: now)
    return .done
  }

  /// P2
  @inline(__always)
  private func append(
    _ record: UnsafeRawBufferPointer, mark: UInt64, _ state: inout PutState
  ) throws(SharedMemoryError) {
    let need = Self.recordHeader + (UInt64(record.count) + 7) & ~7
    try makeRoom(for: need, &state)
    unsafe putPlace.word(at: state.tail).pointee = UInt64(record.count) | mark
    unsafe putPlace.copy(record, to: state.tail + Self.recordHeader)
    state.tail += need
    state.puts += 1
  }

  @inline(__always)
  private func refusalOfPut(_ state: PutState) -> Outcome? {
    let end = end
    if end != End.open { return end <= End.emptied ? .shutDown : .failed(Self.impossible) }
    guard isPlausible(state) else { return .failed(Self.impossible) }
    guard capacity > 0, state.puts &- sides.takesSeenByPutters >= UInt64(capacity) else { return nil }
    sides.lookAtTakers()
    guard isPlausible(state) else { return .failed(Self.impossible) }
    return state.puts &- sides.takesSeenByPutters >= UInt64(capacity) ? .mustWait : nil
  }

  @inline(__always)
  func isPlausible(_ state: PutState) -> Bool {
    let head = sides.headSeenByPutters
    return state.tail < RingState.limit && head <= state.tail && state.tail &- head <= state.size
      && state.puts < RingState.limit && sides.takesSeenByPutters <= state.puts
  }
}
