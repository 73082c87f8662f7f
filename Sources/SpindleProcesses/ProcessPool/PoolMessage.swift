/// What a pool and its workers say to each other on the control socket. Calls and replies are not among it, but for
/// those with which descriptors travel, and those for which there is no memory: a call begins with a number that its
/// slot holds, a reply with the number of its slot.
///
///     pool                                 worker
///     configuration (first message)  ──►
///                                    ◄──   ready (the reply of the initializer)
///     call                           ──►
///                                    ◄──   reply
extension ControlFrame.Kind {
  static let configuration = message(1)
  static let ready = message(2)
  static let call = message(3)
  static let reply = message(4)
}

extension ControlFrame {
  init(_ kind: Kind, number: UInt64, bytes: [UInt8], descriptors: [OwnedDescriptor]) {
    var all: [UInt8] = []
    all.reserveCapacity(8 + bytes.count)
    for shift in 0..<8 { all.append(UInt8(truncatingIfNeeded: number >> (UInt64(shift) * 8))) }
    self.init(kind: kind, bytes: all + bytes, descriptors: descriptors)
  }

  /// Which call or reply it is; nil when it says none.
  var number: UInt64? {
    guard bytes.count >= 8 else { return nil }
    return (0..<8).reduce(0) { $0 | UInt64(bytes[$1]) << (UInt64($1) * 8) }
  }
}

/// Told to a worker before anything else; the descriptors of its link, of the pool's memory and of its own replies go
/// along.
struct PoolConfiguration: Codable, Sendable {
  var identity: ProcessIdentity
  /// The bytes of a `Call`, if there is one.
  var initializer: [UInt8]?
  /// The worker asks to be replaced when it holds more memory.
  var maxResidentMemory: Int?
  /// Among how many the worker divides the processors.
  var sharers: Int
}
