import ArgumentParser

/// How the files are counted.
enum Mode: String, CaseIterable, ExpressibleByArgument, Sendable {
  /// By the thread that finds them.
  case serial
  /// On a `ThreadPool`.
  case threads
  /// On a `ProcessPool`.
  case processes
}
