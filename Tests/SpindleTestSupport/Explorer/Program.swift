/// What a step does with its thread: where it goes next, or that it cannot run now.
package enum Flow {
  /// On to the step below; below the last step the thread is finished.
  case next
  /// On to the step whose name starts with this word: `.go("S3")`.
  case go(String)
  /// To the same step again.
  case stay
  /// The thread is done.
  case finish
  /// The step is not enabled in this state; whatever it changed is forgotten.
  case blocked
  /// The protocol did here what it must never do, such as touching freed memory.
  case fail(String)
}

/// The free choices of one step: the explorer runs the step once for every combination of answers.
///
///     program.step("S5 sleep") { state, choices in
///       if choices.either("time runs out") { return .go("S7") }
///       return state.epoch != state.seen[me] ? .go("S3") : .blocked
///     }
package struct Choices {
  private var answers: [UInt8] = []
  private var widths: [UInt8] = []
  private var asked = 0
  /// What was chosen, in words; filled in only while a trace is written.
  private(set) var words: [String] = []
  private let remembersWords: Bool

  init(remembersWords: Bool) {
    self.remembersWords = remembersWords
  }

  /// Both `false` and `true` are explored; `event` names in the trace what `true` means.
  package mutating func either(_ event: @autoclosure () -> String) -> Bool {
    let yes = pick(of: 2) == 1
    if remembersWords, yes { words.append(event()) }
    return yes
  }

  /// Every number in `0..<count` is explored; `meaning` says in the trace what one stands for.
  package mutating func pick(of count: Int, _ meaning: (Int) -> String) -> Int {
    let answer = pick(of: count)
    if remembersWords { words.append(meaning(answer)) }
    return answer
  }

  private mutating func pick(of count: Int) -> Int {
    precondition(count > 0 && count < 256, "a choice has between 1 and 255 answers")
    if asked == answers.count {
      answers.append(0)
      widths.append(UInt8(count))
    }
    defer { asked += 1 }
    return Int(answers[asked])
  }

  /// Moves on to the next combination of answers, like an odometer; false after the last.
  mutating func advance() -> Bool {
    asked = 0
    words = []
    while let last = answers.last {
      if last + 1 < widths[widths.count - 1] {
        answers[answers.count - 1] = last + 1
        return true
      }
      answers.removeLast()
      widths.removeLast()
    }
    return false
  }
}

/// One atomic step of a thread: nothing of another thread happens between its beginning and its end.
struct Step<State> {
  let name: String
  let run: (inout State, inout Choices) -> Flow
}

/// The steps of one thread of a ``Model``, in order.
///
///     model.thread("waker") { program, me in
///       program.action("W1 change the state") { $0.value += 1 }
///       program.step("W3 nobody sleeps?") { $0.sleepers == 0 ? .finish : .next }
///       program.action("W4 wake") { $0.epoch += 1 }
///     }
///
/// The first word of a step's name is its label: the goal of ``Flow/go(_:)``, and the number that the code cites.
package struct Program<State> {
  package let name: String
  let isBackground: Bool
  private(set) var steps: [Step<State>] = []
  private var labels: [String: Int] = [:]

  init(name: String, isBackground: Bool) {
    self.name = name
    self.isBackground = isBackground
  }

  /// Adds a step that says where the thread goes.
  package mutating func step(_ name: String, _ run: @escaping (inout State) -> Flow) {
    add(name) { state, _ in run(&state) }
  }

  /// Adds a step that is always enabled and goes on to the step below.
  package mutating func action(_ name: String, _ run: @escaping (inout State) -> Void) {
    add(name) { state, _ in
      run(&state)
      return .next
    }
  }

  /// Adds a step with free choices: a time-out that fires or not, a spurious wake-up, the death of a participant.
  package mutating func step(_ name: String, _ run: @escaping (inout State, inout Choices) -> Flow) {
    add(name, run)
  }

  private mutating func add(_ name: String, _ run: @escaping (inout State, inout Choices) -> Flow) {
    let label = String(name.prefix { $0 != " " })
    precondition(labels[label] == nil, "\(self.name) has two steps with the label \(label)")
    precondition(steps.count < 254, "\(self.name) has more than 254 steps")
    labels[label] = steps.count
    steps.append(Step(name: name, run: run))
  }

  func index(of label: String) -> Int {
    guard let index = labels[label] else { fatalError("\(name) has no step with the label \(label)") }
    return index
  }
}
