import SpindleGround
import Synchronization

/// A closure that a thread of its own calls after a delay, unless it is cancelled before: Python's `threading.Timer`.
///
///     let reminder = DelayedCall(after: .seconds(5)) { print("five seconds later") }
///     reminder.start()
///     reminder.cancel()          // in time: nothing is called
///     reminder.join()
///
/// The delay begins with `start()`. Each has its own thread, which is no daemon unless asked for: the process waits for
/// it at exit, as Python does. For a great many delays use one thread and a `PriorityQueue`.
///
/// Errors of the closure go the way of all errors that nobody joins: see `OSThread.onUncaughtError`.
public final class DelayedCall: Sendable {
  private let thread: OSThread<Void, any Error>
  private let isCancelled: CancelFlag

  /// A call of `body` that will happen `delay` after `start()`. Zero or less: as soon as the thread runs.
  public init(
    after delay: Duration, name: String? = nil, isDaemon: Bool? = nil, _ body: @escaping @Sendable () throws -> Void
  ) {
    let flag = CancelFlag()
    isCancelled = flag
    thread = OSThread(name: name, isDaemon: isDaemon) { () throws(any Error) in
      if flag.staysClear(for: delay) { try body() }
    }
  }

  /// Starts the delay. A second start is a mistake.
  public func start() { thread.start() }

  /// Prevents the call if it has not begun, before or after `start()`; otherwise nothing happens. Does not wait.
  ///
  /// After `start()` the thread ends at once.
  public func cancel() { isCancelled.set() }

  /// Waits until the closure has been called and has ended, or the call was cancelled.
  @available(*, noasync, message: "blocks its thread; in async code: try await join(); in main.swift inside a func")
  public func join() { _ = thread.record.join(until: .never) }

  /// The same, waiting at most this long. False when the time ran out.
  @available(
    *, noasync, message: "blocks its thread; in async code: try await join(timeout:); in main.swift inside a func")
  @discardableResult
  public func join(timeout: Duration) -> Bool { thread.record.join(until: Deadline(after: timeout)) }

  /// Waits for the end without blocking a thread; `CancellationError` when the waiting task is cancelled.
  public func join() async throws(CancellationError) { _ = try await thread.record.join(until: .never) }

  /// The same, waiting at most this long. False when the time ran out.
  @discardableResult
  public func join(timeout: Duration) async throws(CancellationError) -> Bool {
    try await thread.record.join(until: Deadline(after: timeout))
  }

  /// Whether its thread has been started and has not ended.
  public var isAlive: Bool { thread.isAlive }

  /// The name of its thread.
  public var name: String { thread.name }

  /// Whether the process may end without waiting for it.
  public var isDaemon: Bool { thread.isDaemon }
}

/// Set once; a thread sleeps on it.
private final class CancelFlag: Sendable {
  private let isSet = Atomic<Bool>(false)
  private let spot = ParkingSpot()

  func set() {
    isSet.store(true, ordering: .sequentiallyConsistent)  // W1 of the parking protocol
    spot.wakeAll()
  }

  /// Sleeps for the delay; true when it was not set before its end.
  func staysClear(for delay: Duration) -> Bool {
    !spot.wait("the time of a DelayedCall", until: Deadline(after: delay)) { isSet.load(ordering: .acquiring) }
  }
}
