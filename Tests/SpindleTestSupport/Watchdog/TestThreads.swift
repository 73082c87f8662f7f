import CSpindle
import SpindleGround

/// Where tests run: on threads of their own, a few tests at a time.
///
/// Tests block, on purpose: they are about locks. On Swift's cooperative threads, as few as there are processors, two
/// blocked tests would keep every task of every other test from going on.
enum TestThreads {
  /// So many tests at a time keep the processors busy and the number of threads small.
  private static let width = 2 + 2 * Int(spindle_processors())
  private static let turnstile = RawGuarded((running: 0, line: [CheckedContinuation<Void, Never>]()))

  @TaskLocal private static var isInside = false

  /// Runs a test when it is its turn; one inside of another at once.
  static func run(_ body: @Sendable () async throws -> Void) async throws {
    if isInside { return try await body() }
    await enter()
    defer { leave() }
    try await $isInside.withValue(true) {
      try await withTaskExecutorPreference(ThreadForEachJob()) { try await body() }
    }
  }

  private static func enter() async {
    await withCheckedContinuation { continuation in
      let goesOn = turnstile.withLock {
        if $0.running < width {
          $0.running += 1
          return true
        }
        $0.line.append(continuation)
        return false
      }
      if goesOn { continuation.resume() }
    }
  }

  private static func leave() {
    let next = turnstile.withLock { state -> CheckedContinuation<Void, Never>? in
      if !state.line.isEmpty { return state.line.removeFirst() }
      state.running -= 1
      return nil
    }
    next?.resume()
  }
}

/// Starts a thread for each piece of a task between two suspensions.
private final class ThreadForEachJob: TaskExecutor {
  func enqueue(_ job: UnownedJob) {
    let work = unsafe Unmanaged.passRetained(Work(job: job, executor: self)).toOpaque()
    let error = unsafe spindle_start_detached(
      "test",
      { raw in
        let work = unsafe Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue()
        unsafe work.job.runSynchronously(on: work.executor.asUnownedTaskExecutor())
      }, work)
    precondition(error == 0, "cannot start a thread for a test: error \(error)")
  }

  private final class Work {
    let job: UnownedJob
    let executor: ThreadForEachJob
    init(job: UnownedJob, executor: ThreadForEachJob) {
      self.job = job
      self.executor = executor
    }
  }
}
