internal import CSpindle
internal import SpindleGround

extension Supervisor {
  /// How long a daemon that ignores SIGTERM may delay the program's exit.
  private static let daemonGrace = Duration.seconds(2)

  /// At `exit` and at the end of `main`: daemons are ended, the others awaited. (A program that dies by a trap or a
  /// signal takes all its children with it.)
  static func programExits() {
    // exit() called by a handler on the supervisor's own thread: nobody is left to learn of ends; the children end with us.
    if isCurrentThread { return }
    let all = living
    for worker in all where worker.isDaemon { worker.terminate() }
    let grace = Deadline(after: daemonGrace)
    for worker in all {
      if !worker.ended.wait("a child process, at exit", until: worker.isDaemon ? grace : .never) {
        worker.kill()
        worker.ended.wait("a killed child process, at exit")
      }
    }
    ForkServer.stop()
  }
}
