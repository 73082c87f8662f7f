/// Breadth-first search through the states of a ``Model``.
///
/// Breadth first, so that the first failure found has a shortest trace. Kept per state: the state, the places of its
/// threads, the state it was first reached from. Which step led there is not kept but found again for the one trace
/// that is printed.
struct Search<State: Hashable> {
  private let model: Model<State>
  private let limit: Int
  /// A thread that is finished is at this place.
  private static var finished: UInt64 { 0xFF }
  /// Ones where a thread that has to finish keeps its place; `places & obliged == obliged` is the end.
  private let obliged: UInt64

  private var states: [State] = []
  private var places: [UInt64] = []
  private var parents: [UInt32] = []
  /// Open addressing: 1 + the number of a state, 0 where empty.
  private var table: [UInt32]
  /// The hash of each slot's state, so that neither growing nor a collision hashes or compares a state again.
  private var hashes: [UInt64]
  /// Every step between two states, for the search backwards from the ends.
  private var sources: [UInt32] = []
  private var targets: [UInt32] = []
  private var ends: [UInt32] = []

  init(_ model: Model<State>, limit: Int) {
    self.model = model
    self.limit = min(limit, Int(UInt32.max) - 1)
    table = Array(repeating: 0, count: 1 << 10)
    hashes = Array(repeating: 0, count: 1 << 10)
    obliged = model.programs.indices.reduce(0) { mask, thread in
      model.programs[thread].isBackground ? mask : mask | Self.finished << UInt64(thread * 8)
    }
  }

  mutating func run() -> Exploration {
    _ = number(of: model.initial, at: 0, from: 0)
    var current = 0
    while current < states.count {
      if let failure = check(current) ?? expand(current) { return result(failure) }
      if states.count > limit { return result(Failure(kind: .tooLarge, trace: [])) }
      current += 1
    }
    return result(trap().map { fail(.trapped, at: $0) })
  }

  private func result(_ failure: Failure?) -> Exploration {
    Exploration(model: model.name, states: states.count, transitions: sources.count, failure: failure)
  }

  private func check(_ current: Int) -> Failure? {
    for property in model.invariants where !property.holds(states[current]) {
      return fail(.violated(property.name), at: current)
    }
    guard places[current] & obliged == obliged else { return nil }
    for property in model.outcomes where !property.holds(states[current]) {
      return fail(.endedWrong(property.name), at: current)
    }
    return nil
  }

  /// Takes every step that is enabled in a state.
  private mutating func expand(_ current: Int) -> Failure? {
    let before = states[current]
    let place = places[current]
    let isEnd = place & obliged == obliged
    if isEnd { ends.append(UInt32(current)) }
    var isStuck = true
    for thread in model.programs.indices {
      let stepNumber = Self.place(of: thread, in: place)
      if stepNumber == Self.finished { continue }
      let step = model.programs[thread].steps[Int(stepNumber)]
      var choices = Choices(remembersWords: false)
      repeat {
        var after = before
        let flow = step.run(&after, &choices)
        if case .blocked = flow { continue }
        if case .fail(let message) = flow { return fail(.failed(message), at: current, thread: thread) }
        isStuck = false
        let next = number(of: after, at: moved(thread, by: flow, from: place), from: current)
        sources.append(UInt32(current))
        targets.append(UInt32(next))
      } while choices.advance()
    }
    return isStuck && !isEnd ? fail(.stuck, at: current) : nil
  }

  private static func place(of thread: Int, in places: UInt64) -> UInt64 {
    places >> UInt64(thread * 8) & 0xFF
  }

  private func moved(_ thread: Int, by flow: Flow, from places: UInt64) -> UInt64 {
    let here = Self.place(of: thread, in: places)
    let steps = model.programs[thread].steps.count
    let there: UInt64 =
      switch flow {
      case .next: Int(here) + 1 < steps ? here + 1 : Self.finished
      case .go(let label): UInt64(model.programs[thread].index(of: label))
      case .finish: Self.finished
      case .stay, .blocked, .fail: here
      }
    let shift = UInt64(thread * 8)
    return places & ~(0xFF << shift) | there << shift
  }

  // MARK: The visited set

  /// The number of a state, which is given one if it is new.
  private mutating func number(of state: State, at place: UInt64, from parent: Int) -> Int {
    var hasher = Hasher()
    hasher.combine(place)
    state.hash(into: &hasher)
    let hash = UInt64(truncatingIfNeeded: hasher.finalize())
    var slot = Int(truncatingIfNeeded: hash) & (table.count - 1)
    while table[slot] != 0 {
      let candidate = Int(table[slot] - 1)
      if hashes[slot] == hash, places[candidate] == place, states[candidate] == state { return candidate }
      slot = (slot + 1) & (table.count - 1)
    }
    states.append(state)
    places.append(place)
    parents.append(UInt32(parent))
    table[slot] = UInt32(states.count)
    hashes[slot] = hash
    if states.count * 2 > table.count { grow() }
    return states.count - 1
  }

  private mutating func grow() {
    let (oldTable, oldHashes) = (table, hashes)
    let count = oldTable.count * 4
    table = Array(repeating: 0, count: count)
    hashes = Array(repeating: 0, count: count)
    for old in oldTable.indices where oldTable[old] != 0 {
      var slot = Int(truncatingIfNeeded: oldHashes[old]) & (count - 1)
      while table[slot] != 0 { slot = (slot + 1) & (count - 1) }
      table[slot] = oldTable[old]
      hashes[slot] = oldHashes[old]
    }
  }

  // MARK: Traps

  /// The first state from which no end can be reached, found by walking backwards from all ends.
  private func trap() -> Int? {
    // The sources of state n are `ordered[starts[n]..<starts[n + 1]]` (a counting sort of the steps by target).
    var starts = [UInt32](repeating: 0, count: states.count + 1)
    for target in targets { starts[Int(target) + 1] += 1 }
    for state in states.indices { starts[state + 1] += starts[state] }
    var ordered = [UInt32](repeating: 0, count: sources.count)
    var fill = starts
    for step in sources.indices {
      let target = Int(targets[step])
      ordered[Int(fill[target])] = sources[step]
      fill[target] += 1
    }
    var reaches = [Bool](repeating: false, count: states.count)
    var pending = ends
    for end in ends { reaches[Int(end)] = true }
    while let state = pending.popLast() {
      for index in Int(starts[Int(state)])..<Int(starts[Int(state) + 1]) where !reaches[Int(ordered[index])] {
        reaches[Int(ordered[index])] = true
        pending.append(ordered[index])
      }
    }
    return reaches.firstIndex(of: false)
  }

  // MARK: Traces

  private func fail(_ kind: Failure.Kind, at last: Int, thread: Int? = nil) -> Failure {
    var path = [last]
    while path[path.count - 1] != 0 { path.append(Int(parents[path[path.count - 1]])) }
    path.reverse()
    var trace: [String] = []
    for (number, (from, to)) in zip(path, path.dropFirst()).enumerated() {
      trace.append("\(number + 1). \(step(from: from, to: to))\(changes(from: states[from], to: states[to]))")
    }
    if let thread { trace.append("\(path.count). \(standing(thread, at: last))") }
    for other in model.programs.indices where thread == nil && !model.programs[other].isBackground {
      if Self.place(of: other, in: places[last]) == Self.finished { continue }
      trace.append("-> \(standing(other, at: last))")
    }
    trace.append("in \(states[last])")
    return Failure(kind: kind, trace: trace)
  }

  /// "thread: step" where the thread stands.
  private func standing(_ thread: Int, at state: Int) -> String {
    let program = model.programs[thread]
    return "\(program.name): \(program.steps[Int(Self.place(of: thread, in: places[state]))].name)"
  }

  /// "thread: step (choices)" of the step between two states, found by trying all again.
  private func step(from: Int, to: Int) -> String {
    for thread in model.programs.indices {
      let stepNumber = Self.place(of: thread, in: places[from])
      if stepNumber == Self.finished { continue }
      var choices = Choices(remembersWords: true)
      repeat {
        var after = states[from]
        let flow = model.programs[thread].steps[Int(stepNumber)].run(&after, &choices)
        if case .blocked = flow { continue }
        if moved(thread, by: flow, from: places[from]) == places[to], after == states[to] {
          let words = choices.words.isEmpty ? "" : " (\(choices.words.joined(separator: ", ")))"
          return standing(thread, at: from) + words
        }
      } while choices.advance()
    }
    return "(a step that does not do the same twice)"
  }

  /// What a step changed, field by field.
  private func changes(from before: State, to after: State) -> String {
    let fields = zip(Mirror(reflecting: before).children, Mirror(reflecting: after).children)
    let changed = fields.compactMap { old, new -> String? in
      let (oldText, newText) = ("\(old.value)", "\(new.value)")
      return oldText == newText ? nil : "\(new.label ?? "") \(oldText) -> \(newText)"
    }
    return changed.isEmpty ? "" : "   [\(changed.joined(separator: "; "))]"
  }
}
