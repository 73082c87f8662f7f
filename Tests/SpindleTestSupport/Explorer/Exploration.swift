/// What an exploration found.
package struct Exploration: Sendable {
  package let model: String
  /// How many different states are reachable; when there is a failure, how many were seen before it.
  package let states: Int
  package let transitions: Int
  package let failure: Failure?
}

extension Exploration: CustomStringConvertible {
  package var description: String {
    let size = "\(states) states, \(transitions) transitions"
    return failure.map { "\(model): \($0)\n  (\(size))" } ?? "\(model) holds (\(size))"
  }
}

/// A reason why a model does not hold, with a shortest way to get there.
package struct Failure: Error, Sendable, CustomStringConvertible {
  package enum Kind: Equatable, Sendable {
    /// Somebody is not finished and no step is enabled: a deadlock or a lost wake-up.
    case stuck
    /// A property stated with `always` does not hold.
    case violated(String)
    /// A property stated with `finally` does not hold.
    case endedWrong(String)
    /// A step returned `.fail`.
    case failed(String)
    /// Steps are enabled for ever, but no schedule reaches the end.
    case trapped
    /// More states than the limit.
    case tooLarge
  }

  package let kind: Kind
  /// One line a step, then where each unfinished thread stands.
  package let trace: [String]

  package var description: String {
    let headline =
      switch kind {
      case .stuck: "stuck: nobody can take a step and not everybody is finished"
      case .violated(let name): "violated: \(name)"
      case .endedWrong(let name): "wrong end: \(name)"
      case .failed(let message): "failed: \(message)"
      case .trapped: "trapped: steps are possible, the end is not"
      case .tooLarge: "more states than the limit"
      }
    return ([headline] + trace).joined(separator: "\n  ")
  }
}
