internal import CSpindle

/// One message on a control socket: a kind, bytes, and file descriptors that become the receiver's own.
package struct ControlFrame: Sendable {
  /// What the bytes mean. Those without a `message` number belong to the start of the worker.
  package struct Kind: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    static let hello = Kind(rawValue: UInt32(spindle_frame_hello))
    static let refusal = Kind(rawValue: UInt32(spindle_frame_refusal))
    /// The first message to a worker.
    static let entry = Kind(rawValue: UInt32(spindle_frame_entry))

    /// To a fork server.
    static let fork = Kind(rawValue: UInt32(spindle_frame_fork))
    /// From a fork server, on the socket of the worker.
    static let forked = Kind(rawValue: UInt32(spindle_frame_forked))

    /// For the layers above: `Kind.message(0)`, `Kind.message(1)` and so on mean what parent and entry agree on.
    package static func message(_ number: UInt32) -> Kind {
      Kind(rawValue: UInt32(spindle_frame_first_message) + number)
    }
  }

  package var kind: Kind
  package var bytes: [UInt8]
  package var descriptors: [OwnedDescriptor]

  package init(kind: Kind, bytes: [UInt8] = [], descriptors: [OwnedDescriptor] = []) {
    self.kind = kind
    self.bytes = bytes
    self.descriptors = descriptors
  }

  fileprivate static let headerSize = MemoryLayout<spindle_frame_header>.size
  fileprivate static let groupSize = Int(spindle_descriptors_per_message)

  /// Bytes between header and payload: one for each further group of descriptors.
  fileprivate static func padding(forDescriptors count: Int) -> Int {
    count == 0 ? 0 : (count - 1) / groupSize
  }
}

/// Sends one frame in as many steps as the socket needs.
struct FrameWriter {
  enum Step { case done, blocked, failed(Int32) }

  private let frame: ControlFrame
  private let head: [UInt8]
  private var sent = 0

  init(_ frame: ControlFrame) {
    self.frame = frame
    var header = spindle_frame_header()
    header.magic = UInt32(spindle_frame_magic)
    header.kind = frame.kind.rawValue
    header.descriptors = UInt32(frame.descriptors.count)
    header.length = UInt64(frame.bytes.count)
    // SAFETY: a plain C structure without padding, read as its bytes.
    head =
      unsafe withUnsafeBytes(of: header) { unsafe Array($0) }
      + Array(repeating: 0, count: ControlFrame.padding(forDescriptors: frame.descriptors.count))
  }

  mutating func step(to socket: Int32, wait: Bool) -> Step {
    while sent < head.count + frame.bytes.count {
      let count: Int
      if sent < head.count {
        // The header goes with the first group of descriptors, then each byte of padding with one further group.
        let isPadding = sent >= ControlFrame.headerSize
        let end = isPadding ? sent + 1 : ControlFrame.headerSize
        let group = isPadding ? sent - ControlFrame.headerSize + 1 : sent == 0 ? 0 : Int.max
        count = send(head, from: sent, to: end, group: group, socket, wait)
      } else {
        count = send(frame.bytes, from: sent - head.count, to: frame.bytes.count, group: .max, socket, wait)
      }
      if count == -Int(EAGAIN) { return .blocked }
      if count < 0 { return .failed(Int32(-count)) }
      sent += count
    }
    return .done
  }

  private func send(_ bytes: [UInt8], from: Int, to end: Int, group: Int, _ socket: Int32, _ wait: Bool) -> Int {
    var numbers: [Int32] = []
    if group != .max {
      numbers = frame.descriptors.dropFirst(group * ControlFrame.groupSize).prefix(ControlFrame.groupSize).map(\.number)
    }
    // SAFETY: both buffers outlive the call, which reads no more than the counts it is given.
    return unsafe bytes.withUnsafeBytes { bytes in
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe spindle_control_send(
          socket, bytes.baseAddress! + from, end - from, numbers.baseAddress, numbers.count, wait)
      }
    }
  }
}

/// Puts frames together from what a socket delivers, in whatever pieces.
///
/// The peer runs user code, which may write anything to any descriptor: a length is never believed before its bytes are
/// there, and what is no frame is an error.
struct FrameReader {
  enum Step {
    case frame(ControlFrame)
    /// Nothing more at the moment (never when told to wait).
    case blocked
    /// The peer is gone.
    case end
    case malformed(String)
  }

  private var head: [UInt8] = []
  private var header = spindle_frame_header()
  private var payload: [UInt8] = []
  private var descriptors: [OwnedDescriptor] = []
  private static let piece = 256 << 10

  init() {}

  mutating func step(from socket: Int32, wait: Bool) -> Step {
    while true {
      if head.count < ControlFrame.headerSize {
        if let stop = receive(\.head, ControlFrame.headerSize - head.count, socket, wait) { return stop }
        guard head.count == ControlFrame.headerSize else { continue }
        // SAFETY: exactly the bytes of the structure, for which every bit pattern is a value.
        header = unsafe head.withUnsafeBytes { unsafe $0.loadUnaligned(as: spindle_frame_header.self) }
        guard header.magic == UInt32(spindle_frame_magic), header.length <= UInt64(Int.max / 2) else {
          return .malformed("bytes that are no message arrived on the control socket")
        }
      }
      let headEnd = ControlFrame.headerSize + ControlFrame.padding(forDescriptors: Int(header.descriptors))
      if head.count < headEnd {
        // One byte at a time, so that each is received together with its own group of descriptors.
        if let stop = receive(\.head, 1, socket, wait) { return stop }
        continue
      }
      let missing = Int(header.length) - payload.count
      if missing > 0 {
        if let stop = receive(\.payload, min(missing, FrameReader.piece), socket, wait) { return stop }
        continue
      }
      guard descriptors.count == Int(header.descriptors) else {
        return .malformed("a message arrived with \(descriptors.count) of its \(header.descriptors) descriptors")
      }
      let frame = ControlFrame(kind: .init(rawValue: header.kind), bytes: payload, descriptors: descriptors)
      self = FrameReader()
      return .frame(frame)
    }
  }

  /// Appends what arrives, at most `limit` bytes; nil when something did.
  private mutating func receive(
    _ target: WritableKeyPath<FrameReader, [UInt8]>, _ limit: Int, _ socket: Int32, _ wait: Bool
  ) -> Step? {
    var received = 0
    // SAFETY: the call writes at most `limit` bytes and `groupSize` numbers into buffers of that size, and says how many.
    let numbers = unsafe [Int32](unsafeUninitializedCapacity: ControlFrame.groupSize) { numbers, count in
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { bytes, byteCount in
        received = unsafe spindle_control_receive(socket, bytes.baseAddress!, limit, numbers.baseAddress, &count, wait)
        byteCount = max(0, received)
      }
      self[keyPath: target] += bytes
    }
    descriptors += numbers.map(OwnedDescriptor.init(owning:))
    if received > 0 { return nil }
    if received == 0 { return .end }
    switch Int32(-received) {
    case EAGAIN: return .blocked
    case ECONNRESET: return .end
    case let number:
      // SAFETY: see ProcessStartError.
      return .malformed("the control socket failed: \(unsafe String(cString: spindle_error_text(number)))")
    }
  }
}
