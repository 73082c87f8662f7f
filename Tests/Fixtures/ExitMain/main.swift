// Ends in the way its first argument names; the tests of threads look at what it writes and at its status.
import CSpindle
import CSpindleTesting
import Glibc
import Spindle
import SpindleThreads
import Synchronization

struct Failed: Error {}

func say(_ line: String) {
  var text = line + "\n"
  text.withUTF8 { unsafe spindle_write_error($0.baseAddress!, $0.count) }
}

/// True when the process has begun to exit. Top-level, so made before any thread: under ThreadSanitizer each use of a
/// lazy static takes a lock, which a child forked at that moment finds held by a thread that it does not have.
let hasBegunToExit = Atomic<Bool>(false)

enum Exiting {
  /// Registered after Spindle's own handler, so run before it.
  static func watch() { atexit { hasBegunToExit.store(true, ordering: .releasing) } }
  static func wait() {
    while !hasBegunToExit.load(ordering: .acquiring) { OSThread.yield() }
    // Time enough for a process that does not wait to be gone.
    OSThread.sleep(for: .milliseconds(20))
  }
}

/// A thread that ends only after the exit has begun.
func startSlowThread() {
  OSThread.spawn(name: "slow") {
    Exiting.wait()
    say("thread ends")
  }
  Exiting.watch()
}

let scenario = CommandLine.arguments.dropFirst().first ?? ""
let failing = OSThread { () throws(Failed) in throw Failed() }

switch scenario {
case "return":
  startSlowThread()
  say("main ends")

case "exit":
  startSlowThread()
  say("main ends")
  exit(7)

case "throw":
  // No exit handler runs when main throws; the thread is slow all the same.
  OSThread.spawn {
    OSThread.sleep(for: .milliseconds(50))
    say("thread ends")
  }
  say("main ends")
  throw Failed()

case "throw-alone":
  OSThread.spawn {}.join()
  throw Failed()

case "daemon":
  OSThread.spawn(isDaemon: true) { OSThread.sleep(for: .seconds(3600)) }
  say("main ends")

case "busy-daemons":
  let inside = Inside()
  for _ in 0..<4 {
    OSThread.spawn(isDaemon: true) {
      inside.count.wrappingAdd(1, ordering: .releasing)
      while true {
        let words = (0..<50).map { "\($0) \(OSThread.current.name)" }
        if words.isEmpty { say("never") }
        OSThread.spawn(isDaemon: true) { words.count }.join()
      }
    }
  }
  while inside.count.load(ordering: .acquiring) < 4 { OSThread.yield() }
  say("main ends")

case "exit-in-thread":
  startSlowThread()
  OSThread.spawn { exit(3) }
  while true { pause() }

case "exit-in-daemon":
  startSlowThread()
  OSThread.spawn(isDaemon: true) { exit(4) }
  while true { pause() }

case "exit-twice":
  startSlowThread()
  OSThread.spawn {
    Exiting.wait()
    exit(6)
  }
  exit(5)

case "delayed-call":
  DelayedCall(after: .milliseconds(20)) {
    Exiting.wait()
    say("call")
  }.start()
  Exiting.watch()
  let cancelled = DelayedCall(after: .seconds(3600)) { say("never") }
  cancelled.start()
  cancelled.cancel()
  say("main ends")

case "late-start":
  OSThread.spawn {
    Exiting.wait()
    OSThread.spawn(name: "late") {
      OSThread.sleep(for: .milliseconds(20))
      say("late thread ends")
    }
  }
  Exiting.watch()

case "stages":
  ProcessExit.register(.processes) { say("processes 1") }
  ProcessExit.register(.pools) { say("pools 1") }
  ProcessExit.register(.pools) {
    say("pools 2")
    ProcessExit.register(.pools) { say("pools 3") }
  }
  ProcessExit.register(.processes) { say("processes 2") }
  startSlowThread()

case "fork":
  startSlowThread()
  say("child \(spindle_test_fork_and_exit(9))")

case "unjoined-global":
  failing.start()

case "unjoined-dropped":
  OSThread.spawn(name: "dropped") { throw Failed() }

case "joined":
  failing.start()
  do { try failing.join() } catch { say("joined \(error)") }

case "hook":
  OSThread.onUncaughtError = { thread, error in say("hook \(thread.name) \(error) \(OSThread.current == thread)") }
  OSThread.spawn(name: "hooked") { throw Failed() }

case "main-thread":
  say("\(OSThread.current.name) \(OSThread.isMain) \(OSThread.current.isMain) \(OSThread.current.isDaemon)")
  say("\(OSThread.current.nativeID == getpid()) \(OSThread.activeCount) \(OSThread.all == [OSThread.current])")
  let thread = OSThread.spawn { (OSThread.isMain, OSThread.activeCount) }
  say("\(thread.join())")
  say("\(OSThread.activeCount) \(OSThread {}.name)")

default:
  say("no such scenario: \(scenario)")
  exit(64)
}

final class Inside: Sendable {
  let count = Atomic<Int>(0)
}
