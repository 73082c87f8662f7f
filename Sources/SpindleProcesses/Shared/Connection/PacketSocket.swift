internal import CSpindle
internal import SpindleGround

/// One end of a pair of sockets that carry whole messages, with their descriptors.
///
/// A message is one packet, so any number of threads and processes may send and receive at the same time, and one that is
/// killed has sent all of its message or nothing. What is too large for a packet lies in sealed memory, whose descriptor the packet
/// carries; further descriptors than a packet may carry wait in a socket of their own, whose end it carries.
///
///     byte 0: 1, the bytes are in memory: the first descriptor; 2, there are further descriptors: in the next one
///     bytes 1 to 7: a number, where packets are numbered (`QueueLine`), else 0
///     then the bytes, unless they are in memory
enum PacketSocket {
  static let headSize = 8
  /// The longest packet, as long as every system's socket takes one.
  ///
  /// Copying twice through the kernel is quicker than memory for a single message, which is new each time, is taken page by page, and
  /// has to be mapped. Round trips in packets to those in memory, measured in turn on two cores: 14 to 1 with 16 KB, 9 to 1 with 60 and
  /// 70 KB, 4 to 1 with 120 KB and with 200 KB.
  static let packetLimit = 200 << 10
  /// The longest packet with descriptors. Where these wait beside a queue (`QueueLine`), many are to find room in the socket.
  private static let packetLimitWithDescriptors = 64 << 10
  private static let inMemory: UInt8 = 1
  private static let hasMore: UInt8 = 2
  private static var groupSize: Int { Int(spindle_descriptors_per_message) }

  enum Failure: Error {
    /// The socket is full, or there is nothing in it.
    case blocked
    case endOfStream
    case system(operation: String, errorNumber: Int32)
  }

  static func pair() -> Result<(OwnedDescriptor, OwnedDescriptor), ConnectionError> {
    var ends: (Int32, Int32) = (-1, -1)
    // SAFETY: two numbers of the type that the call writes.
    let error = unsafe withUnsafeMutableBytes(of: &ends) {
      unsafe spindle_packet_pair($0.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
    if error != 0 { return .failure(Failure.system(operation: "making a connection", errorNumber: error).asError) }
    return .success((OwnedDescriptor(owning: ends.0), OwnedDescriptor(owning: ends.1)))
  }

  // MARK: Sending

  /// A message on its way out: made once, however often sending is tried.
  struct Packet: ~Copyable {
    private let writer: WireWriter
    private var numbers: [Int32] = []
    private var kept: [OwnedDescriptor] = []
    private var flags: UInt8 = 0

    /// `encode` writes the message. Before sending call `finish`.
    init(_ encode: (borrowing WireWriter) throws -> Void) throws {
      writer = WireWriter(makingAttachments: ())
      writer.appendZeros(PacketSocket.headSize)
      try encode(writer)
    }

    var hasDescriptors: Bool { (writer.attachments?.count ?? 0) > 0 }

    /// The message's bytes.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
      unsafe writer.withBytes {
        unsafe body(
          UnsafeRawBufferPointer(
            start: $0.baseAddress! + PacketSocket.headSize, count: $0.count - PacketSocket.headSize))
      }
    }

    /// Brings it into the form in which it is sent.
    mutating func finish() throws(Failure) {
      numbers = writer.attachments?.descriptors ?? []
      // Room for the memory and for the socket with the rest.
      if numbers.count > PacketSocket.groupSize - 2 { try putRestAside() }
      let limit = numbers.isEmpty ? PacketSocket.packetLimit : PacketSocket.packetLimitWithDescriptors
      if writer.count > limit { try moveToMemory() }
    }

    private mutating func putRestAside() throws(Failure) {
      let pair = try PacketSocket.pairForDescriptors()
      var rest = Array(numbers[(PacketSocket.groupSize - 2)...])
      numbers.removeLast(rest.count)
      while !rest.isEmpty {
        let group = Array(rest.prefix(PacketSocket.groupSize))
        rest.removeFirst(group.count)
        try PacketSocket.send([0], group, to: pair.0.number)
      }
      // Dropping the first end says to the receiver that this was all.
      kept.append(pair.1)
      numbers.insert(pair.1.number, at: 0)
      flags |= PacketSocket.hasMore
    }

    private mutating func moveToMemory() throws(Failure) {
      let number = unsafe writer.withBytes { bytes in
        unsafe spindle_parcel_create(
          "spindle-message", bytes.baseAddress! + PacketSocket.headSize, bytes.count - PacketSocket.headSize)
      }
      if number < 0 {
        throw .system(
          operation: "taking \(writer.count) bytes of memory for a message", errorNumber: -number)
      }
      let memory = OwnedDescriptor(owning: number)
      kept.append(memory)
      numbers.insert(memory.number, at: 0)
      flags |= PacketSocket.inMemory
    }

    /// Sends it if there is room at once.
    mutating func send(to socket: Int32, number: UInt64 = 0) throws(Failure) {
      if flags & PacketSocket.inMemory == 0 {
        setHead(number)
        let error = unsafe writer.withBytes { unsafe PacketSocket.send($0, numbers, to: socket) }
        // This system's sockets hold less than others', or there is no memory in one piece, as the kernel wants it for a long packet.
        guard error == EMSGSIZE || error == ENOBUFS && writer.count > PacketSocket.packetLimitWithDescriptors else {
          return try PacketSocket.check(error)
        }
        try moveToMemory()
      }
      setHead(number)
      let error = unsafe writer.withBytes {
        unsafe PacketSocket.send(UnsafeRawBufferPointer(rebasing: $0[..<PacketSocket.headSize]), numbers, to: socket)
      }
      try PacketSocket.check(error)
    }

    private func setHead(_ number: UInt64) {
      let head = number << 8 | UInt64(flags)
      unsafe writer.withBytes {
        // SAFETY: the writer's own memory, which nobody else has; the head was put there for this.
        unsafe UnsafeMutableRawPointer(mutating: $0.baseAddress!).storeBytes(of: head.littleEndian, as: UInt64.self)
      }
    }
  }

  private static func pairForDescriptors() throws(Failure) -> (OwnedDescriptor, OwnedDescriptor) {
    switch pair() {
    case .success(let pair): return pair
    case .failure(.failed(let operation, _, let number)):
      throw Failure.system(operation: operation, errorNumber: number)
    case .failure: throw Failure.endOfStream
    }
  }

  private static func send(_ bytes: [UInt8], _ numbers: [Int32], to socket: Int32) throws(Failure) {
    try check(unsafe bytes.withUnsafeBytes { unsafe send($0, numbers, to: socket) })
  }

  /// 0 or an errno value.
  private static func send(_ bytes: UnsafeRawBufferPointer, _ numbers: [Int32], to socket: Int32) -> Int32 {
    // SAFETY: both buffers outlive the call, which reads no more than the counts it is given.
    let sent = unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe spindle_control_send(socket, bytes.baseAddress!, bytes.count, numbers.baseAddress, numbers.count, false)
    }
    return sent < 0 ? Int32(-sent) : 0
  }

  private static func check(_ error: Int32) throws(Failure) {
    switch error {
    case 0: return
    case EAGAIN, ENOBUFS: throw .blocked
    case EPIPE, ECONNRESET: throw .endOfStream
    default: throw .system(operation: "sending a message", errorNumber: error)
    }
  }

  // MARK: Receiving

  /// A message that has arrived.
  struct Arrival: ~Copyable {
    fileprivate var buffer = PacketBuffer()
    fileprivate var count = 0
    fileprivate var numbers: [Int32] = []

    /// Once: the descriptors go with it.
    mutating func decode<Message: Decodable>(_ type: Message.Type) throws -> Message {
      var numbers = self.numbers
      self.numbers = []
      var bytes = unsafe UnsafeRawBufferPointer(start: buffer.base, count: count)
      // What is in the list, and what is taken out of it here, is closed whatever goes wrong.
      defer { for number in numbers { _ = spindle_close(number) } }
      guard bytes.count >= PacketSocket.headSize else { throw PacketSocket.malformed("has no head") }
      let flags = unsafe bytes[0]
      unsafe bytes = UnsafeRawBufferPointer(rebasing: bytes[PacketSocket.headSize...])
      var memory: UnsafeRawBufferPointer?
      defer { if let memory = unsafe memory { unsafe spindle_parcel_close(memory.baseAddress!, memory.count) } }
      if flags & PacketSocket.inMemory != 0 {
        guard !numbers.isEmpty else { throw PacketSocket.malformed("has lost its memory") }
        let number = numbers.removeFirst()
        defer { _ = spindle_close(number) }
        var count = 0
        var error: Int32 = 0
        guard let base = unsafe spindle_parcel_open(number, &count, &error) else {
          if error == EBADMSG { throw PacketSocket.malformed("lies in memory that is not sealed") }
          throw Failure.system(operation: "opening a message in memory", errorNumber: error).asError
        }
        unsafe memory = UnsafeRawBufferPointer(start: base, count: count)
        unsafe bytes = memory!
      }
      if flags & PacketSocket.hasMore != 0 {
        guard !numbers.isEmpty else { throw PacketSocket.malformed("has lost the socket with its descriptors") }
        let rest = OwnedDescriptor(owning: numbers.removeFirst())
        var arrival = Arrival()
        while (try? PacketSocket.receive(&arrival, from: rest.number)) != nil {
          numbers += arrival.numbers
          arrival.numbers = []
        }
      }
      let attachments = AttachmentList(received: numbers)
      numbers = []
      defer { attachments.closeRest() }
      return try unsafe Wire.decode(type, from: bytes, attachments: attachments)
    }

    mutating func drop() {
      for number in numbers { _ = spindle_close(number) }
      numbers = []
    }

    deinit { for number in numbers { _ = spindle_close(number) } }
  }

  /// The number of the next packet, which stays; nil when there is none.
  static func nextNumber(_ socket: Int32) -> UInt64? {
    var head: UInt64 = 0
    let count = unsafe withUnsafeMutableBytes(of: &head) {
      unsafe spindle_packet_peek(socket, $0.baseAddress!, headSize)
    }
    return count == headSize ? UInt64(littleEndian: head) >> 8 : count > 0 ? 0 : nil
  }

  /// Receives the next message if there is one.
  static func receive(_ arrival: inout Arrival, from socket: Int32) throws(Failure) {
    guard let base = unsafe arrival.buffer.provide() else {
      throw .system(operation: "receiving a message", errorNumber: ENOMEM)
    }
    var received = 0
    // SAFETY: the call writes at most `packetLimit` bytes and `groupSize` numbers into buffers of that size.
    arrival.numbers = unsafe [Int32](unsafeUninitializedCapacity: groupSize) { numbers, count in
      received = unsafe spindle_control_receive(
        socket, base, packetLimit, numbers.baseAddress, &count, false)
    }
    if received > 0 {
      arrival.count = received
      return
    }
    for number in arrival.numbers { _ = spindle_close(number) }
    arrival.numbers = []
    switch Int32(-received) {
    case 0, ECONNRESET: throw .endOfStream
    case EAGAIN: throw .blocked
    case let error: throw .system(operation: "receiving a message", errorNumber: error)
    }
  }

  private static func malformed(_ what: String) -> DecodingError {
    .dataCorrupted(.init(codingPath: [], debugDescription: "a message arrived that \(what)"))
  }
}

/// Room for the longest packet. One such room of the process is kept for the next who receives: so much memory, taken and given back for
/// each message, would be new each time.
// SAFETY: this value has the memory alone, from `provide` to its end.
@safe private struct PacketBuffer: ~Copyable {
  private(set) var base: UnsafeMutableRawPointer?

  /// Nil when there is no memory.
  mutating func provide() -> UnsafeMutableRawPointer? {
    if unsafe base == nil { unsafe base = spindle_packet_room_take(PacketSocket.packetLimit) }
    return unsafe base
  }

  deinit { unsafe spindle_packet_room_give(base) }
}

extension PacketSocket.Failure {
  var asError: ConnectionError {
    switch self {
    case .endOfStream: return .endOfStream
    case .blocked: return .failed(operation: "waiting for a connection", reason: "it is blocked", errorNumber: EAGAIN)
    case .system(let operation, let number):
      // SAFETY: the C string is static or belongs to this thread until its next call; it is copied here.
      return .failed(
        operation: operation, reason: unsafe String(cString: spindle_error_text(number)), errorNumber: number)
    }
  }
}
