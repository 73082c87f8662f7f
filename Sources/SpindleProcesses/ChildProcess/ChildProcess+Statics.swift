internal import CSpindle

// Statics resolve without type arguments, as `Task.isCancelled` does.
extension ChildProcess where Output == Never {
  /// The child processes of this process that have not ended, in the order they were started.
  public static var active: [ProcessHandle] {
    Supervisor.living.filter(\.isAlive).map { ProcessHandle(worker: $0) }
  }

  /// This process: "MainProcess", or the child that this code runs in.
  public static var current: ProcessHandle { ProcessHandle(worker: nil) }

  /// The kernel's number of this process.
  public static var currentID: Int32 { spindle_process_id() }

  /// The process that started this one by Spindle; nil in the program itself, as in CPython.
  public static var parentID: Int32? { WorkerRole.parentID }
}
