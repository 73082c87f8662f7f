import CSpindle
import SpindleGround

// Statics resolve without type arguments, as `Task.isCancelled` does.
extension OSThread where Success == Never, Failure == Never {
  /// The calling thread, also the main thread and threads that Spindle did not start.
  public static var current: ThreadHandle { ThreadHandle(record: .current) }

  /// The threads that are alive: the main thread, those of `OSThread`, and others that asked for `current`.
  public static var all: [ThreadHandle] { ThreadRegistry.all.map { ThreadHandle(record: $0) } }

  /// How many threads `all` holds.
  public static var activeCount: Int { ThreadRegistry.count }

  /// Whether the calling thread is the main thread. A worker process never runs `main` at all.
  public static var isMain: Bool { spindle_is_main_thread() != 0 }

  /// Called on the failing thread as soon as its closure throws; the error still goes to those who join.
  ///
  ///     OSThread.onUncaughtError = { thread, error in log("\(thread.name): \(error)") }
  ///
  /// nil, as it is at first: an error that nobody joins is written to standard error when the `OSThread` goes away,
  /// or when the process ends.
  public static var onUncaughtError: (@Sendable (ThreadHandle, any Error) -> Void)? {
    get { UncaughtErrors.hook }
    set { UncaughtErrors.hook = newValue }
  }

  /// Lets another thread that is ready run first.
  @available(*, noasync, message: "acts on its thread; in async code: await Task.yield()")
  public static func yield() { _ = spindle_yield() }

  /// Blocks the calling thread for this long, never shorter.
  @available(*, noasync, message: "blocks its thread; in async code: try await Task.sleep(for:)")
  public static func sleep(for duration: Duration) {
    let spot = ParkingSpot()
    _ = spot.park("time to pass", until: Deadline(after: duration), spinning: false) { true }
  }
}
