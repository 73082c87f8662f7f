internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// What a connection is whatever its messages are.
///
/// A call keeps the descriptor open until it returns; so `close` in the middle of it closes nothing that is in use, and tells
/// those who wait: tasks through their spot, threads by a second descriptor that they poll, made when the first thread waits.
final class ConnectionCore: Sendable {
  private struct State {
    var socket: Result<OwnedDescriptor, ConnectionError>
    var watch: DescriptorWatch?
    var bell: OwnedDescriptor?
  }
  private let state: RawGuarded<State>

  init(_ socket: Result<OwnedDescriptor, ConnectionError>) { state = RawGuarded(State(socket: socket)) }

  func open() throws(ConnectionError) -> OwnedDescriptor {
    try state.withLock { $0.socket }.get()
  }

  var isClosed: Bool {
    if case .failure(.closed) = state.withLock({ $0.socket }) { true } else { false }
  }

  func close() {
    let before = state.withLock { state in
      let before = state
      state = State(socket: .failure(.closed))
      return before
    }
    // Those who wait find it closed; the descriptor goes with the last of them.
    before.watch?.wakeAll()
    if let bell = before.bell { spindle_event_notify(bell.number) }
  }

  /// What threads poll besides the socket; nil when the system has no descriptor left: then they look once a slice.
  private func bell() -> OwnedDescriptor? {
    state.withLock { state in
      guard case .success = state.socket else { return nil }
      if state.bell == nil {
        let number = spindle_event_descriptor()
        if number >= 0 { state.bell = OwnedDescriptor(owning: number) }
      }
      return state.bell
    }
  }

  private func watch() throws(ConnectionError) -> DescriptorWatch {
    try state.withLock { state throws(ConnectionError) in
      if let watch = state.watch { return watch }
      let watch = DescriptorWatch(try state.socket.get())
      state.watch = watch
      return watch
    }
  }

  // MARK: Threads

  /// The only loop around a wait of a thread: until `attempt` does not say that it is blocked. False when time ran out.
  private func wait(
    toWrite: Bool, until deadline: Deadline, attempt: (Int32) throws(PacketSocket.Failure) -> Void
  ) throws -> Bool {
    var spin = SpinPolicy()
    while true {
      let socket = try open()
      do throws(PacketSocket.Failure) {
        try attempt(socket.number)
        return true
      } catch {
        guard case .blocked = error else { throw error.asError }
      }
      if deadline.hasPassed { return false }
      if spin.pauseOrYield() { continue }
      let bell = bell()
      let slice = bell == nil ? spindle_now() + SharedSpot.slice : .max
      var ready = (false, false)
      // SAFETY: as many numbers and answers as the count says.
      _ = unsafe withUnsafeMutableBytes(of: &ready) { ready in
        unsafe withUnsafeBytes(of: (socket.number, bell?.number ?? -1)) { numbers in
          unsafe spindle_poll(
            numbers.baseAddress!.assumingMemoryBound(to: Int32.self),
            ready.baseAddress!.assumingMemoryBound(to: Bool.self), bell == nil ? 1 : 2, toWrite,
            min(deadline.nanoseconds, slice))
        }
      }
      withExtendedLifetime((socket, bell)) {}
    }
  }

  // MARK: Calls

  func packet(_ message: some Encodable) throws -> PacketSocket.Packet {
    var packet = try PacketSocket.Packet { try $0.encode(message) }
    do throws(PacketSocket.Failure) { try packet.finish() } catch { throw error.asError }
    return packet
  }

  func send(_ packet: inout PacketSocket.Packet) throws {
    _ = try wait(toWrite: true, until: .never) { (socket) throws(PacketSocket.Failure) in try packet.send(to: socket) }
  }

  nonisolated(nonsending) func send(_ packet: inout PacketSocket.Packet) async throws {
    _ = try await waitInTask("room in a connection", toWrite: true, until: .never) {
      (socket) throws(PacketSocket.Failure) in try packet.send(to: socket)
    }
  }

  func receive<Message: Decodable>(_ type: Message.Type, until deadline: Deadline) throws -> Message? {
    var arrival = PacketSocket.Arrival()
    let isThere = try wait(toWrite: false, until: deadline) { (socket) throws(PacketSocket.Failure) in
      try PacketSocket.receive(&arrival, from: socket)
    }
    return isThere ? try arrival.decode(type) : nil
  }

  nonisolated(nonsending) func receive<Message: Decodable>(
    _ type: Message.Type, until deadline: Deadline
  ) async throws -> Message? {
    var arrival = PacketSocket.Arrival()
    let isThere = try await waitInTask("a message of a connection", toWrite: false, until: deadline) {
      (socket) throws(PacketSocket.Failure) in try PacketSocket.receive(&arrival, from: socket)
    }
    return isThere ? try arrival.decode(type) : nil
  }

  private static func canRead(_ socket: Int32) throws(PacketSocket.Failure) {
    if !isReady(socket) { throw .blocked }
  }

  func poll(until deadline: Deadline) -> Bool {
    (try? wait(toWrite: false, until: deadline, attempt: Self.canRead)) ?? true
  }

  nonisolated(nonsending) func poll(until deadline: Deadline) async throws -> Bool {
    do {
      return try await waitInTask("a message of a connection", toWrite: false, until: deadline, Self.canRead)
    } catch is ConnectionError {
      return true
    }
  }

  // MARK: Tasks

  nonisolated(nonsending) private func waitInTask(
    _ purpose: StaticString, toWrite: Bool, until deadline: Deadline,
    _ attempt: (Int32) throws(PacketSocket.Failure) -> Void
  ) async throws -> Bool {
    let watch = try watch()
    var failure: ConnectionError?
    let isDone = try await watch.wait(purpose, toWrite: toWrite, until: deadline) {
      if isClosed {
        failure = .closed
        return true
      }
      do throws(PacketSocket.Failure) { try attempt(watch.descriptor.number) } catch {
        if case .blocked = error { return false }
        failure = error.asError
      }
      return true
    }
    if let failure { throw failure }
    return isDone
  }
}

/// Whether the descriptor can be read, or has ended.
func isReady(_ descriptor: Int32) -> Bool {
  var ready = false
  // SAFETY: one number and one answer.
  let count = unsafe withUnsafePointer(to: descriptor) { number in
    unsafe spindle_poll(number, &ready, 1, false, 0)
  }
  return count != 0
}
