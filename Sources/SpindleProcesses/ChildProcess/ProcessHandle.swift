internal import CSpindle

/// One process of this program, without the type of its result: what `ChildProcess.active` and `.current` give.
///
///     for child in ChildProcess.active { print(child.name, child.pid) }
///     print(ChildProcess.current.name)   // "MainProcess", or the name this process was started with
///
/// It stays valid when the process has ended. Two handles are equal when they are of the same process.
public struct ProcessHandle: Sendable {
  /// nil: this very process.
  let worker: WorkerProcess?

  /// The name it was started with; "MainProcess" for the program itself.
  public var name: String { worker?.name ?? ProcessIdentity.current.name }

  /// The kernel's number of the process.
  public var pid: Int32 { worker.map { $0.pid ?? 0 } ?? spindle_process_id() }

  /// Whether it is ended, not awaited, when its parent ends.
  public var isDaemon: Bool { worker?.isDaemon ?? ProcessIdentity.current.isDaemon }

  /// Whether it has not ended.
  public var isAlive: Bool { worker?.isAlive ?? true }

  /// How it ended; nil while it runs.
  public var exitStatus: ProcessExitStatus? { worker.flatMap(\.exitStatus) }

  /// Interrupts it (SIGINT). Nothing happens when it has ended.
  public func interrupt() { signal(SIGINT) }

  /// Asks it to end (SIGTERM). Nothing happens when it has ended.
  public func terminate() { signal(SIGTERM) }

  /// Ends it at once (SIGKILL). Nothing happens when it has ended.
  public func kill() { signal(SIGKILL) }

  private func signal(_ number: Int32) {
    if let worker { worker.signal(number) } else { _ = raise(number) }
  }
}

extension ProcessHandle: Hashable {
  public static func == (a: ProcessHandle, b: ProcessHandle) -> Bool { a.worker === b.worker }
  public func hash(into hasher: inout Hasher) { hasher.combine(worker.map(ObjectIdentifier.init)) }
}

extension ProcessHandle: CustomStringConvertible {
  public var description: String {
    let state = exitStatus.map(\.description) ?? "alive"
    return "process \"\(name)\" (pid \(pid), \(state)\(isDaemon ? ", daemon" : ""))"
  }
}
