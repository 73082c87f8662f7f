import Testing

/// Runs the tests of all suites with this trait one after the other: each is about the whole process.
///
///     @Suite(.oneAtATime, .watchdog(seconds: 60)) struct DescriptorTests { ... }
///
/// `.serialized` keeps the tests of one suite apart; this also keeps suites apart that count the descriptors or the children of
/// the process. It comes before a watchdog, so that waiting for one's turn takes none of one's time.
package struct OneAtATimeTrait: TestTrait, SuiteTrait, TestScoping {
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    await Turnstile.shared.enter()
    do {
      try await function()
    } catch {
      await Turnstile.shared.leave()
      throw error
    }
    await Turnstile.shared.leave()
  }
}

extension Trait where Self == OneAtATimeTrait {
  /// No two tests of this trait at a time, of whatever suites.
  package static var oneAtATime: OneAtATimeTrait { OneAtATimeTrait() }
}

private actor Turnstile {
  static let shared = Turnstile()
  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func enter() async {
    if isTaken {
      await withCheckedContinuation { waiting.append($0) }
    } else {
      isTaken = true
    }
  }

  func leave() {
    if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
  }
}
