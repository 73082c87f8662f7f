import CSpindle
import Testing

extension Trait where Self == OwnThreadTrait {
  /// Runs each test on threads of its own. For tests that calculate for seconds: on Swift's cooperative threads, as
  /// few as there are processors, they would keep every test that awaits something from going on.
  package static var ownThread: OwnThreadTrait { OwnThreadTrait() }
}

package struct OwnThreadTrait: TestTrait, SuiteTrait, TestScoping {
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(ThreadForEachJob()) { try await function() }
  }
}

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
