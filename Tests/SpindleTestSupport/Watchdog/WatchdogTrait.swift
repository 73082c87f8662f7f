import Testing

/// Gives every test, or every test of a suite, a watchdog and threads of its own.
///
///     @Suite(.watchdog(seconds: 60)) struct QueueTests { ... }
///
/// See ``withWatchdog(seconds:_:_:)``. Each case of a parametrised test has its own time, from when its turn has
/// come: a few tests run at a time, see `TestThreads`.
package struct WatchdogTrait: TestTrait, SuiteTrait, TestScoping {
  let seconds: Double

  /// A suite hands it down to its tests.
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await TestThreads.run {
      try await withWatchdog(seconds: seconds, test.name) { try await function() }
    }
  }
}

extension Trait where Self == WatchdogTrait {
  /// Ends the process, saying what every thread waits for, when a test is not done in time.
  package static func watchdog(seconds: Double = 60) -> WatchdogTrait { WatchdogTrait(seconds: seconds) }
}
