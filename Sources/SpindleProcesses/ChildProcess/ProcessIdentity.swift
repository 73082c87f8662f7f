internal import SpindleGround
internal import Synchronization

/// What a process knows of itself: told to it by its parent with its first message.
struct ProcessIdentity: Codable, Sendable {
  var name: String
  var isDaemon: Bool
  /// The number of each ancestor among its siblings, then its own: "Process-2:1" is the first child of the second child.
  var numbers: [Int]

  private static let told = RawGuarded<ProcessIdentity?>(nil)
  private static let children = Atomic<Int>(0)

  /// The program itself is "MainProcess", as in CPython.
  static var current: ProcessIdentity {
    get {
      told.withLock { $0 }
        ?? ProcessIdentity(name: WorkerRole.name ?? "MainProcess", isDaemon: false, numbers: [])
    }
    set { told.withLock { $0 = newValue } }
  }

  /// For the next child of this process, named or numbered.
  static func ofChild(named name: String?, isDaemon: Bool) -> ProcessIdentity {
    let numbers = current.numbers + [children.wrappingAdd(1, ordering: .relaxed).newValue]
    let number = numbers.map(String.init).joined(separator: ":")
    return ProcessIdentity(name: name ?? "Process-\(number)", isDaemon: isDaemon, numbers: numbers)
  }
}
