import CSpindle
import CSpindleTesting
import SpindleGround

/// Ends the process with a message if `body` is not done in time: a hang becomes a failure that says who waits for what.
///
///     withWatchdog(seconds: 60, "the ring is drained") {
///       race(threads: 8) { drain($0) }
///     }
///
/// The time is an upper bound and never a wait. The process ends with status 70 and, on standard error, what every
/// thread and task waits for, and the stack of every thread. The environment variable `SPINDLE_WATCHDOG_FACTOR`
/// stretches all watchdogs, for slow machines and sanitizers; 0 turns them off, for a debugger.
package func withWatchdog<Result, Failure: Error>(
  seconds: Double = 60, _ what: String = #function, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  let dog = Watchdog(seconds: seconds, what)
  defer { dog.stop() }
  return try body()
}

/// The same for an asynchronous body.
package func withWatchdog<Result, Failure: Error>(
  seconds: Double = 60, _ what: String = #function, isolation: isolated (any Actor)? = #isolation,
  _ body: () async throws(Failure) -> Result
) async throws(Failure) -> Result {
  let dog = Watchdog(seconds: seconds, what)
  defer { dog.stop() }
  return try await body()
}

/// How much longer everything takes than on a machine with nothing else to do; see `SPINDLE_WATCHDOG_FACTOR`.
package var slownessOfTests: Double { Watchdog.factor }

/// How much a test does: as much as is usual, or less where everything takes several times as long, as under a sanitizer.
package func amount(_ usual: Int, orWhereSlow less: Int) -> Int { slownessOfTests > 1 ? less : usual }

/// A thread that ends the process unless it is stopped in time.
@safe final class Watchdog: Sendable {
  /// EX_SOFTWARE of sysexits.h.
  static let exitStatus: Int32 = 70

  private let what: String
  private let seconds: Double
  // SAFETY: written once before the object is shared; `stop` is called once, by the only owner.
  nonisolated(unsafe) private var dog: OpaquePointer?

  init(seconds: Double, _ what: String) {
    self.what = what
    self.seconds = seconds * Self.factor
    WaitReport.turnOn()
    guard self.seconds > 0 else { return }
    // SAFETY: the context is `self`, which lives until `stop` has joined the watchdog's thread.
    unsafe dog = spindle_watchdog_start(
      Int64(self.seconds * 1e9),
      { unsafe Unmanaged<Watchdog>.fromOpaque($0!).takeUnretainedValue().expire() },
      Unmanaged.passUnretained(self).toOpaque())
    if unsafe dog == nil { fatalError("cannot start the watchdog's thread: the limit of threads is reached") }
  }

  func stop() {
    if let dog = unsafe dog { unsafe spindle_watchdog_stop(dog) }
  }

  private func expire() {
    printError("\nWatchdog: \"\(what)\" is not done after \(seconds) seconds.")
    printError("What waits:")
    let lines = WaitReport.lines()
    for line in lines { printError("  " + line) }
    if lines.isEmpty { printError("  (nobody on a parking spot)") }
    printError("Threads:")
    unsafe spindle_each_thread({ _, text in unsafe printError(String(cString: text!)) }, nil)
    spindle_exit_now(Self.exitStatus)
  }

  /// How much longer all watchdogs wait than they were told.
  static let factor: Double = {
    // SAFETY: the environment's strings end with a zero byte.
    guard let text = unsafe spindle_test_setting("SPINDLE_WATCHDOG_FACTOR") else { return 1 }
    return unsafe Double(String(cString: text)) ?? 1
  }()
}

/// Writes a line to standard error, unbuffered.
private func printError(_ line: String) {
  var text = line + "\n"
  // SAFETY: the buffer is read during the call only.
  text.withUTF8 { unsafe spindle_write_error($0.baseAddress!, $0.count) }
}
