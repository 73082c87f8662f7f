/// What a pool and its workers say to each other.
///
///     pool                                 worker
///     configuration (first message)  ──►
///                                    ◄──   ready (the reply of the initializer)
///     call                           ──►   one at a time
///                                    ◄──   reply
///     dismissal                      ──►   ends, and flushes what it printed
extension ControlFrame.Kind {
  static let configuration = message(1)
  static let ready = message(2)
  /// The bytes of a `Call`, and its reply.
  static let call = message(3)
  static let reply = message(4)
  /// Several calls in a row, up to the first that fails, and their replies.
  static let batch = message(5)
  static let batchReply = message(6)
  static let dismissal = message(7)
  /// The call whose number is in the shared memory was asked to stop.
  static let stop = message(8)
}

/// Told to a worker before anything else; the descriptor of its `WorkerCell` goes along.
struct PoolConfiguration: Codable, Sendable {
  var identity: ProcessIdentity
  /// The bytes of a `Call`, if there is one.
  var initializer: [UInt8]?
}

/// Several byte strings as one: the length of each, eight bytes, before its bytes.
struct ByteBatch {
  private(set) var bytes: [UInt8] = []

  init() {}

  mutating func append(_ part: [UInt8]) {
    let count = UInt64(part.count).littleEndian
    // SAFETY: an integer as its bytes.
    unsafe withUnsafeBytes(of: count) { unsafe bytes.append(contentsOf: $0) }
    bytes += part
  }

  /// The parts; nil when the bytes are no batch.
  static func parts(of bytes: [UInt8]) -> [[UInt8]]? {
    var parts: [[UInt8]] = []
    var place = 0
    while place < bytes.count {
      guard bytes.count - place >= 8 else { return nil }
      let count = bytes[place..<place + 8].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      place += 8
      guard count <= UInt64(bytes.count - place) else { return nil }
      parts.append(Array(bytes[place..<place + Int(count)]))
      place += Int(count)
    }
    return parts
  }
}
