internal import CSpindle

/// How a process ended.
///
///     let child = ChildProcess(target: work, 7)
///     child.start()
///     _ = try? child.join()
///     if child.exitStatus == .signalled(11) { print("it crashed") }
///
/// `.exited` holds the exit code, 0 for success; `.signalled` the number of the signal that ended the process.
/// `.unknown` means that the program itself reaped the child or ignores SIGCHLD and that the kernel (before 6.15)
/// has not kept the status: the process has ended, nobody can say how.
public enum ProcessExitStatus: Sendable, Hashable, Codable {
  case exited(Int32)
  case signalled(Int32)
  case unknown

  init?(_ found: spindle_exit) {
    switch UInt32(bitPattern: found.kind) {
    case spindle_exit_running.rawValue: return nil
    case spindle_exit_code.rawValue: self = .exited(found.value)
    case spindle_exit_signal.rawValue: self = .signalled(found.value)
    default: self = .unknown
    }
  }
}

extension ProcessExitStatus: CustomStringConvertible {
  public var description: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .signalled(let number): "signal \(number)\(ProcessExitStatus.meaning(ofSignal: number))"
    case .unknown: "unknown exit status"
    }
  }

  private static func meaning(ofSignal number: Int32) -> String {
    switch number {
    case 1: " (SIGHUP, the terminal went away)"
    case 2: " (SIGINT, interrupted)"
    case 4: " (SIGILL, a Swift run-time failure or an illegal instruction)"
    case 5: " (SIGTRAP, a Swift run-time failure)"
    case 6: " (SIGABRT, aborted)"
    case 7: " (SIGBUS, a bad memory access)"
    case 8: " (SIGFPE, a bad arithmetic operation)"
    case 9: " (SIGKILL, killed, perhaps for want of memory)"
    case 11: " (SIGSEGV, a bad memory access)"
    case 13: " (SIGPIPE, wrote to a closed pipe)"
    case 15: " (SIGTERM, terminated)"
    default: ""
    }
  }
}
