/// How the process of a thread may be killed, between any two of its steps.
///
///     let killed = Death<State>(while: { $0.mortals.deaths < 2 }) { state in
///       state.mortals.kill(me)
///       return .finish                      // or .go("P1"): another comes in its place
///     }
///     program.step("P1 lock", or: killed) { state in ... }
package struct Death<State> {
  let mayCome: (State) -> Bool
  let come: (inout State) -> Flow

  /// `come` does what the death does to the state, and says where the thread goes on.
  package init(while mayCome: @escaping (State) -> Bool, _ come: @escaping (inout State) -> Flow) {
    self.mayCome = mayCome
    self.come = come
  }
}

extension Program {
  /// Adds a step before which its process may be killed.
  package mutating func step(
    _ name: String, or death: Death<State>, _ run: @escaping (inout State, inout Choices) -> Flow
  ) {
    step(name) { state, choices in
      if death.mayCome(state), choices.either("killed") { return death.come(&state) }
      return run(&state, &choices)
    }
  }

  package mutating func step(_ name: String, or death: Death<State>, _ run: @escaping (inout State) -> Flow) {
    step(name, or: death) { state, _ in run(&state) }
  }
}

/// The processes of a model's threads, each with a key that no other has or had, as `ProcessKey`.
package struct Mortals: Hashable, Sendable, CustomStringConvertible {
  /// How many processes each thread has had before.
  private var before = Cells()
  package private(set) var deaths: UInt8 = 0

  package init() {}

  /// Never 0, which is nobody.
  package func key(_ thread: Int) -> UInt8 { UInt8(1 + thread) + 8 * before[thread] }

  package func isDead(_ key: UInt8) -> Bool { key != 0 && key != self.key(Int(key - 1) % 8) }

  /// From now on the thread is another process, or none.
  package mutating func kill(_ thread: Int) {
    before[thread] += 1
    deaths += 1
  }

  /// A lock that is taken over from the dead, as `OwnedWord`: nil when it is held, else whether it was taken over.
  package func take(_ lock: inout UInt8, by thread: Int) -> Bool? {
    guard lock == 0 || isDead(lock) else { return nil }
    defer { lock = key(thread) }
    return lock != 0
  }

  package var description: String { "\(deaths) killed, keys \((0..<8).map { key($0) })" }
}
