import Glibc
import Spindle
import Synchronization

/// Ctrl-C and its like: a request that the work looks at, and an end by force when it does not.
///
///     let interruption = Interruption(summary: { "3 files counted" })
///     while !interruption.isRequested { work() }
///     if interruption.isRequested { interruption.sayWhatWasDone() }
///
/// SIGINT, SIGTERM and SIGHUP (this one unless it is ignored, as `nohup` has it) are blocked in all threads and taken by
/// a thread of their own, so no code runs in a signal handler. Work that does not end within 0.7 s, because a
/// file system does not answer, is left as it is, and so it is at a second Ctrl-C: child processes end with this one.
///
/// Make it before other threads are started: they inherit the blocked signals.
final class Interruption: Sendable {
  private static let patience: Int = 700_000_000

  private let number = Atomic<Int32>(0)
  private let wasSaid = Atomic<Bool>(false)
  private let summary: @Sendable () -> String

  /// `summary` says in some words what was done so far.
  init(summary: @escaping @Sendable () -> String) {
    self.summary = summary
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM] { unsafe sigaddset(&signals, signal) }
    if !Self.isIgnored(SIGHUP) { unsafe sigaddset(&signals, SIGHUP) }
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    let awaited = signals
    OSThread.spawn(name: "signals", isDaemon: true) { self.wait(for: awaited) }
  }

  /// Whether the work is to end.
  var isRequested: Bool { number.load(ordering: .relaxed) != 0 }

  /// The exit status that says which signal it was: 130 for Ctrl-C.
  var exitStatus: Int32 { 128 + number.load(ordering: .relaxed) }

  /// Writes what was done, once.
  func sayWhatWasDone() {
    if !wasSaid.exchange(true, ordering: .acquiringAndReleasing) { Console.shared.say("interrupted: \(summary())") }
  }

  private func wait(for signals: sigset_t) {
    var signals = signals
    var signal: Int32 = 0
    while unsafe sigwait(&signals, &signal) != 0 {}
    number.store(signal, ordering: .relaxed)
    // The work ends by itself now, and the process with it. If it does not:
    var patience = timespec(tv_sec: 0, tv_nsec: Self.patience)
    while unsafe sigtimedwait(&signals, nil, &patience) < 0, errno == EINTR {}
    sayWhatWasDone()
    _exit(exitStatus)
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    unsafe sigaction(signal, nil, &action)
    guard let handler = unsafe action.__sigaction_handler.sa_handler else { return false }
    return unsafe unsafeBitCast(handler, to: Int.self) == 1  // SIG_IGN, a macro that Swift does not see
  }
}
