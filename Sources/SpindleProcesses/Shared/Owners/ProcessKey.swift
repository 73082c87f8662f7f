internal import CSpindle

/// A process as an owner of something in shared memory: told apart from every other that lives or has lived.
struct ProcessKey: RawRepresentable, Hashable, Sendable {
  /// The number in the low 31 bits, when it began in the high 32; bit 31 is 0. 0 is nobody.
  let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue & ~Self.flag }

  /// Bit 31: free for what lies beside a key in one word.
  static var flag: UInt64 { 1 << 31 }

  /// This process. Cheap: two loads.
  static var current: ProcessKey { ProcessKey(rawValue: spindle_process_key()) }

  var pid: Int32 { Int32(truncatingIfNeeded: rawValue & 0x7FFF_FFFF) }

  /// Whether it has not ended. `exactly` also tells another process apart that has the same number now.
  func lives(exactly: Bool = true) -> Bool { spindle_process_lives(rawValue, exactly) }
}

/// The process that held a shared lock ended, and what the lock guards may be half changed.
///
///     if let death = lock.acquire() {
///       print(death)          // process 4711 ended while it held a shared lock
///       repair()
///       lock.recover()
///     }
///
/// Reported at every acquiring until somebody calls `recover()`.
public struct OwnerDiedError: Error, Sendable, Hashable, Codable {
  /// The process number of the holder; another process may have it by now.
  public let pid: Int32

  public init(pid: Int32) { self.pid = pid }
}

extension OwnerDiedError: CustomStringConvertible {
  public var description: String { "process \(pid) ended while it held a shared lock" }
}
