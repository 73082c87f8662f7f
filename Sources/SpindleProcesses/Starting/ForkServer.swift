internal import CSpindle
internal import SpindleGround

/// The process whose copies are the workers of `startMethod: .forkServer`.
///
///     try ForkServer.start()      // now rather than with the first child
///     let pool = ProcessPool(maxWorkers: 4, startMethod: .forkServer)
///
/// It is this program, loaded once more and stopped before `main`, with one thread. A copy of it starts several times faster
/// than the program is loaded, and costs the same however much memory this process has. It is started by the first
/// child that asks for it, ends with this program, however that ends, and is replaced when it dies. The copies are children of
/// this process, not of the fork server.
///
/// What it was loaded with stays: environment variables, working directory and limits that this process changes later are not
/// those of its copies (`.spawn` passes on the present ones). Standard output and standard error are the present ones.
///
/// A process that has threads cannot be copied. Where there are some before `main` begins (under ThreadSanitizer, or when
/// a library that the program links starts one as it is loaded), `start()` throws a `ProcessStartError` that says so, and children
/// with `startMethod: .forkServer` are spawned instead.
public enum ForkServer {
  /// Starts the fork server and waits until it is ready, some 3 ms. Nothing happens when there is one.
  public static func start() throws { try Supervisor.prepareForkServer() }

  /// Ends the fork server; its copies live on. The next child that asks for it gets a new one.
  ///
  /// Useful after a change of the environment that children shall see.
  public static func stop() {
    guard let server = Supervisor.forkServer else { return }
    server.kill()
    server.ended.wait("the fork server to end")
  }

  /// The kernel's number of the fork server; nil when there is none.
  public static var pid: Int32? { Supervisor.forkServer.flatMap { $0.isAlive ? $0.pid : nil } }
}
