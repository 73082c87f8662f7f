import Spindle

/// One line of the cheat sheet, to be run live.
///
/// The Swift lines are written twice, once to be shown and once to be run: a test compares the two, line for line.
package struct Stop: Sendable {
  /// What a user of Python knows.
  package let python: String
  package let swift: String
  /// What it prints when all is as documented.
  package let prints: [String]
  private let body: @Sendable (Transcript) throws -> Void

  /// `body` takes what `swift` shows as `print`, so that its lines read as a user would write them.
  init(
    _ python: String, swift: String, prints: [String], body: @escaping @Sendable (_ print: Transcript) throws -> Void
  ) {
    self.python = python
    self.swift = swift
    self.prints = prints
    self.body = body
  }

  /// What came of it.
  package struct Outcome: Sendable {
    package let printed: [String]
    /// What it threw, or that it did not end.
    package let failure: String?

    package init(printed: [String], failure: String?) {
      self.printed = printed
      self.failure = failure
    }
  }

  /// Longer than any of them takes on a busy machine; a stop that hangs is given up.
  private static let patience = Duration.seconds(30)

  /// Runs it on a thread of its own, and waits for it a limited time.
  package func run() -> Outcome {
    let transcript = Transcript()
    let body = body
    let thread = OSThread(name: "tour", isDaemon: true) { () -> String? in
      do {
        try body(transcript)
        return nil
      } catch {
        return "threw \(error)"
      }
    }
    thread.start()
    let failure: String? =
      switch thread.join(timeout: Self.patience) {
      case .some(let failure): failure
      case .none: "did not end within \(Self.patience)"
      }
    return Outcome(printed: transcript.lines, failure: failure)
  }

  /// Whether an outcome is the documented one.
  package func isAsDocumented(_ outcome: Outcome) -> Bool { outcome.failure == nil && outcome.printed == prints }
}

/// Takes down what a stop prints, from any thread.
package final class Transcript: Sendable {
  private let written = Guarded([String]())

  package var lines: [String] { written.withLock { $0 } }

  /// `print(...)`, with a line of the transcript in place of standard output.
  func callAsFunction(_ items: Any...) {
    let line = items.map { String(describing: $0) }.joined(separator: " ")
    written.withLock { $0.append(line) }
  }
}
