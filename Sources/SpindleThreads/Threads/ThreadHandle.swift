import CSpindle

/// One thread of this process, whoever started it: what `OSThread.current` and `OSThread.all` give.
///
///     print(OSThread.current.name)                       // "MainThread"
///     for thread in OSThread.all { print(thread.name, thread.nativeID) }
///
/// Every thread has one: those of `OSThread`, the main thread, and threads that Spindle did not start (named "Dummy-1",
/// "Dummy-2" ... when they first ask, as in Python). It stays valid when the thread has ended. Two handles are equal
/// when they are of the same thread.
public struct ThreadHandle: Sendable {
  let record: ThreadRecord

  /// The thread's name: "MainThread", the name given to `OSThread`, "Thread-1" ..., or "Dummy-1" ...
  ///
  /// Setting it also changes what the kernel shows (`ps -L`, debuggers), which is cut after 15 bytes at most.
  public var name: String {
    get { record.name }
    nonmutating set { record.name = newValue }
  }

  /// The kernel's id of the thread, unique in the system while the thread lives. 0 for a thread not started yet.
  public var nativeID: Int32 { record.nativeID ?? 0 }

  /// Whether the process may end without waiting for it. True for threads that Spindle did not start.
  public var isDaemon: Bool { record.isDaemon }

  /// Whether it has been started and has not ended.
  public var isAlive: Bool { record.isAlive }

  /// Whether it is the main thread.
  public var isMain: Bool { record.origin == .main }
}

extension ThreadHandle: Hashable {
  public static func == (a: ThreadHandle, b: ThreadHandle) -> Bool { a.record === b.record }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(record)) }
}

extension ThreadHandle: CustomStringConvertible {
  public var description: String {
    let state = record.phase.load(ordering: .acquiring)
    let word = state == ThreadRecord.new ? "not started" : state == ThreadRecord.started ? "alive" : "ended"
    return "thread \"\(name)\" (\(word)\(isDaemon ? ", daemon" : ""))"
  }
}
