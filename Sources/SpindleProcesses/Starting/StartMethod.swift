/// How a child process is made: Python's `multiprocessing.set_start_method`, for one child or one pool.
///
///     let child = ChildProcess(target: hash, path, startMethod: .forkServer)
///     let pool = ProcessPool(maxWorkers: 4, startMethod: .forkServer)
///
/// With either, the child begins as the program did when it was loaded, before `main`: nothing of its parent's memory and
/// no descriptor of its is there, but standard output and standard error.
public enum StartMethod: Sendable, Hashable, CaseIterable {
  /// A new process that loads the program again and is diverted before `main`. It inherits the environment, the arguments
  /// and the working directory as they are now.
  case spawn

  /// A copy of the fork server: a process that loaded the program once and waits, with one thread and before `main`. The
  /// child starts faster, whatever the size of the program. Environment and working directory are those of the moment in which
  /// the fork server was started; see ``ForkServer``.
  case forkServer
}

/// To which process group a child belongs, and with it whom its signals reach.
///
///     let child = ChildProcess(target: compileAll, processGroup: .own)
///     child.start()
///     child.kill()     // also the compilers that it started
public enum ProcessGroup: Sendable, Hashable {
  /// The group of its parent. `terminate()`, `kill()` and `interrupt()` reach the child alone; Ctrl-C at a terminal reaches all.
  case inherited

  /// A group of its own, in which the programs that it starts are too. `terminate()`, `kill()` and `interrupt()` reach them
  /// all, and when the child has ended, for whatever reason, what is left of its group is killed. Ctrl-C at a terminal does
  /// not reach the group; it ends with its parent.
  case own
}

/// Where a child's standard output and standard error go.
///
///     let child = ChildProcess(target: compileAll, name: "compiler", output: .labelled)
///     child.start()     // compiler: error: expected expression
public enum ProcessOutput: Sendable, Hashable {
  /// To where the parent's go, directly.
  case inherited

  /// To the parent's standard output and standard error, in whole lines, each behind the name of the process and a colon.
  ///
  /// No line is torn or mixed with another. The last lines of standard error are part of the `WorkerDiedError` of a child that
  /// died.
  case labelled
}
