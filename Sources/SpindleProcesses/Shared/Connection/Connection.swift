internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// One end of a line between two processes that carries whole messages both ways: Python's `multiprocessing.Pipe`.
///
///     func serve(_ line: Connection<String>) throws {
///       while true { try line.send("got \(try line.receive())") }
///     }
///     let (here, there) = Connection<String>.pair()
///     ChildProcess(target: serve, there).start()
///     try here.send("hello")
///     print(try here.receive())        // got hello
///
/// An end is handed to a child as an argument, alone or inside other `Codable` values, and through a ``SharedQueue`` or another
/// connection; then both processes have it. Messages may have any size: large ones travel as memory. They may hold shared
/// objects, whose memory is not copied.
///
/// Any number of threads, tasks and processes may send and receive at the same time: a message arrives whole, at one of those
/// who receive, in the order in which each sender sent. `send` waits while the line is full. A process that dies in
/// the middle of `send` has sent nothing.
///
/// When nobody has the other end any more, and all it has sent is received, `receive` throws
/// ``ConnectionError/endOfStream``; `send` does so at once. The end that was sent to a child is still had here too: let go of
/// it, or call `close()`, to notice the child's end. What was done to shared memory before `send` is visible after the `receive`.
public final class Connection<Message: Codable & Sendable>: Codable, Sendable, Pollable {
  private let core: ConnectionCore

  private init(_ core: ConnectionCore) { self.core = core }

  /// Makes a line and returns its two ends.
  ///
  /// When the system has no descriptors left, using either end throws that.
  public static func pair() -> (Connection, Connection) {
    switch PacketSocket.pair() {
    case .success(let ends):
      (Connection(ConnectionCore(.success(ends.0))), Connection(ConnectionCore(.success(ends.1))))
    case .failure(let error):
      (Connection(ConnectionCore(.failure(error))), Connection(ConnectionCore(.failure(error))))
    }
  }

  // MARK: Sending

  /// Sends a message; waits while the line is full. Throws what encoding the message throws, or a ``ConnectionError``.
  @available(*, noasync, message: "blocks its thread; in a task use 'try await send'")
  public func send(_ message: Message) throws {
    var packet = try core.packet(message)
    try core.send(&packet)
  }

  /// Sends a message; suspends the task while the line is full.
  nonisolated(nonsending) public func send(_ message: Message) async throws {
    var packet = try core.packet(message)
    try await core.send(&packet)
  }

  // MARK: Receiving

  /// Receives the next message; waits while there is none. Throws ``ConnectionError/endOfStream`` when there will be none,
  /// and what decoding the message throws; then that message is gone.
  @available(*, noasync, message: "blocks its thread; in a task use 'try await receive'")
  public func receive() throws -> Message { try core.receive(Message.self, until: .never)! }

  /// The same, waiting at most this long; nil when the time ran out. Zero or less tries once.
  @available(*, noasync, message: "blocks its thread; in a task use 'try await receive'")
  public func receive(timeout: Duration) throws -> Message? {
    try core.receive(Message.self, until: Deadline(after: timeout))
  }

  /// The next message if it is there, else nil. Never waits.
  public func tryReceive() throws -> Message? { try core.receive(Message.self, until: .immediate) }

  /// Receives the next message; suspends the task while there is none.
  nonisolated(nonsending) public func receive() async throws -> Message {
    try await core.receive(Message.self, until: .never)!
  }

  /// The same, waiting at most this long; nil when the time ran out.
  nonisolated(nonsending) public func receive(timeout: Duration) async throws -> Message? {
    try await core.receive(Message.self, until: Deadline(after: timeout))
  }

  /// Whether `receive` would return or throw at once: a message is there, or the other end is gone.
  public func poll() -> Bool { core.poll(until: .immediate) }

  /// The same, waiting at most this long for it.
  @available(*, noasync, message: "blocks its thread; in a task use 'try await poll'")
  public func poll(timeout: Duration) -> Bool { core.poll(until: Deadline(after: timeout)) }

  /// The same, suspending the task at most this long.
  nonisolated(nonsending) public func poll(timeout: Duration) async throws -> Bool {
    try await core.poll(until: Deadline(after: timeout))
  }

  // MARK: Its end

  /// Lets go of this end, here: who waits at it in this process gets ``ConnectionError/closed``. May be called again.
  public func close() { core.close() }

  /// Whether `close()` was called.
  public var isClosed: Bool { core.isClosed }

  /// The descriptor, for `poll` and the like: Python's `fileno()`. It belongs to this object; -1 when it is closed.
  public var sentinel: Int32 { (try? core.open())?.number ?? -1 }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    let socket = try core.open()
    var container = encoder.singleValueContainer()
    try container.encode(AttachedDescriptor(socket.number, owner: socket))
  }

  /// The end that another process sent.
  public init(from decoder: any Decoder) throws {
    let descriptor = try decoder.singleValueContainer().decode(AttachedDescriptor.self).descriptor
    let socket = OwnedDescriptor(owning: descriptor)
    guard spindle_is_packet_socket(descriptor) else {
      throw ConnectionError.failed(
        operation: "opening a connection that was received", reason: "the descriptor is no connection",
        errorNumber: ENOTSOCK)
    }
    core = ConnectionCore(.success(socket))
  }
}
