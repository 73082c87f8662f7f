/// A protocol between threads, small enough that every interleaving of its steps can be tried.
///
///     struct State: Hashable { var lock = false, inside = 0 }
///     var model = Model("test-and-set lock", initial: State())
///     model.threads("user", count: 2) { program, me in
///       program.step("L1 lock") { state in
///         if state.lock { return .blocked }
///         state.lock = true
///         return .next
///       }
///       program.action("L2 enter") { $0.inside += 1 }
///       program.action("L3 leave") { $0.inside -= 1 }
///       program.action("L4 unlock") { $0.lock = false }
///     }
///     model.always("one thread at most is inside") { $0.inside <= 1 }
///     #expect(model.explore().failure == nil)
///
/// The threads' places in their programs are kept by the explorer; everything else, their local variables too, is the
/// state: a small value, best of integers and ``Cells``, because a million of them are hashed and kept.
///
/// One step is one access to shared memory, or several that a lock makes atomic. Steps that touch nothing shared belong
/// to the step before: they add states and no behaviour. Memory is sequentially consistent unless the state holds a
/// ``TSOMemory``.
///
/// Found are, each with a shortest trace: a broken invariant, a step that fails, a stuck state (somebody is not finished
/// and no step is enabled), a wrong end, and a trap: a state from which no schedule at all reaches the end.
/// Not found is starvation under an unfair schedule: "can always still finish" is weaker than "finishes".
package struct Model<State: Hashable> {
  package let name: String
  package let initial: State
  private(set) var programs: [Program<State>] = []
  private(set) var invariants: [Property] = []
  private(set) var outcomes: [Property] = []

  struct Property {
    let name: String
    let holds: (State) -> Bool
  }

  /// As many threads as the explorer can keep places for in one word.
  package static var maximumThreads: Int { 8 }

  package init(_ name: String, initial: State) {
    self.name = name
    self.initial = initial
  }

  /// Adds a thread; `build` is given its number, counted from 0 over the whole model.
  package mutating func thread(_ name: String, _ build: (inout Program<State>, Int) -> Void) {
    add(name, isBackground: false, build)
  }

  /// Adds `count` threads with the same program.
  package mutating func threads(_ name: String, count: Int, _ build: (inout Program<State>, Int) -> Void) {
    for number in 0..<count { add(count == 1 ? name : "\(name) \(number + 1)", isBackground: false, build) }
  }

  /// Adds something that may act at any time and need not finish: a store buffer, a clock, a signal.
  package mutating func background(_ name: String, _ build: (inout Program<State>, Int) -> Void) {
    add(name, isBackground: true, build)
  }

  /// States a property of every reachable state.
  package mutating func always(_ name: String, _ holds: @escaping (State) -> Bool) {
    invariants.append(Property(name: name, holds: holds))
  }

  /// States a property of every state in which all threads are finished.
  package mutating func finally(_ name: String, _ holds: @escaping (State) -> Bool) {
    outcomes.append(Property(name: name, holds: holds))
  }

  /// Tries every interleaving, shortest first, and stops at the first failure.
  ///
  /// - Parameter limit: the most states to keep; a model that has more fails as too large.
  /// - Complexity: time and memory are proportional to the number of states and steps between them.
  package func explore(limit: Int = 4_000_000) -> Exploration {
    var search = Search(self, limit: limit)
    return search.run()
  }

  private mutating func add(_ name: String, isBackground: Bool, _ build: (inout Program<State>, Int) -> Void) {
    precondition(programs.count < Self.maximumThreads, "\(self.name) has more than \(Self.maximumThreads) threads")
    var program = Program<State>(name: name, isBackground: isBackground)
    build(&program, programs.count)
    precondition(!program.steps.isEmpty, "\(name) has no steps")
    programs.append(program)
  }
}
