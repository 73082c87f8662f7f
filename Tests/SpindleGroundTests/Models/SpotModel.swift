import SpindleTestSupport

/// A `ParkingSpot` inside the model of something larger.
///
/// `ParkingModel` proves the spot alone, down to the futex. Here it has fewer steps: how a sleeper falls asleep and is
/// ended is one step (S5 is enabled once the waiter is ended). Unless `isFine`, what happens behind the guard is one step
/// too, a wake-up is one, a success at S4 leaves the list in the same step, and nobody reserves. When fine, a thread
/// waits on one spot once.
struct Spot: Hashable {
  var isGuarded = false
  /// A bit for each thread that has reserved.
  var reservedBy: UInt8 = 0
  /// The waiters by the number of their thread.
  var list = Line()
  /// Taken out by a waker and not ended yet, and by whom (1 + thread).
  var taken = Line()
  var takenBy = Cells()
  /// 0, or 1 + the code with which a waker ended it.
  var ended = Cells()
  var overtaken = Cells()
  var result = Cells()

  static let success: UInt8 = 1
  static let failure: UInt8 = 2

  var isReserved: Bool { reservedBy != 0 }

  /// `ParkingSpot.hasWaiters`.
  var hasWaiters: Bool { isGuarded || isReserved || !list.isEmpty }

  /// Nobody is left behind.
  var isQuiet: Bool { !hasWaiters && taken.isEmpty }

  mutating func take(_ count: Int, by me: Int) {
    var count = count
    while count > 0, !list.isEmpty {
      let waiter = list.removeFirst()
      taken.append(waiter)
      takenBy[Int(waiter)] = UInt8(me + 1)
      count -= 1
    }
  }

  /// Takes and ends in one step.
  mutating func wake(_ count: Int, by me: Int, code: UInt8 = 0) {
    take(count, by: me)
    while endNext(by: me, code: code) {}
  }

  /// The next waiter that `me` has taken and not ended.
  func nextTaken(by me: Int) -> UInt8? {
    for index in 0..<taken.count where takenBy[Int(taken[index])] == UInt8(me + 1) { return taken[index] }
    return nil
  }

  func takenCount(by me: Int) -> Int {
    var count = 0
    for index in 0..<taken.count where takenBy[Int(taken[index])] == UInt8(me + 1) { count += 1 }
    return count
  }

  /// `ParkingSpot.putBack` of the next waiter that `me` has taken.
  mutating func putBack(by me: Int) {
    guard let waiter = nextTaken(by: me) else { return }
    taken.remove(waiter)
    takenBy[Int(waiter)] = 0
    list.append(waiter)
  }

  /// Ends the next waiter that `me` has taken; false if there is none.
  mutating func endNext(by me: Int, code: UInt8 = 0) -> Bool {
    guard let waiter = nextTaken(by: me) else { return false }
    taken.remove(waiter)
    takenBy[Int(waiter)] = 0
    ended[Int(waiter)] = code + 1
    return true
  }
}

extension Spot: CustomStringConvertible {
  var description: String {
    let marks = (isGuarded ? " guarded" : "") + (isReserved ? " reserved" : "")
    return "(list \(list) taken \(taken) ended \(ended)\(marks))"
  }
}

/// How a spot is modelled in one place.
struct SpotSteps<State: Hashable> {
  let spot: WritableKeyPath<State, Spot>
  /// Before the labels, to tell several spots in one program apart.
  let prefix: String
  /// Whether the guard is a step of its own.
  var isFine = false
  var patience: UInt8 = 8

  /// `ParkingSpot.wait` by thread `me`; goes on at `success` or (only if `isTimed`) at `failure`.
  /// An attempt that answers nil spins: it waits for somebody who is between two steps.
  /// `onListing` is a step of its own between S2 and S4, if there is one (only where the spot is not fine).
  func wait(
    _ program: inout Program<State>, _ me: Int, isTimed: Bool = false, success: String, failure: String = "",
    onListing: ((inout State) -> Void)? = nil, attempt: @escaping (inout State) -> Bool?
  ) {
    if !isFine {
      return waitCoarsely(&program, me, isTimed: isTimed, success: success, failure: failure, onListing, attempt)
    }
    let (spot, patience, id) = (spot, patience, UInt8(me))
    func reserves(_ state: State) -> Bool { state[keyPath: spot].reservedBy & 1 << id != 0 }
    program.step("\(prefix)S1 attempt unless reserved") { state in
      if state[keyPath: spot].isReserved { return .next }
      guard let isDone = attempt(&state) else { return .blocked }
      return isDone ? .go(success) : .next
    }
    guarded(&program, "S2 append") { state in
      if state[keyPath: spot].overtaken[me] > 0 {
        state[keyPath: spot].list.prepend(id)
      } else {
        state[keyPath: spot].list.append(id)
      }
      if state[keyPath: spot].overtaken[me] >= patience { state[keyPath: spot].reservedBy |= 1 << id }
      return .next
    }
    program.step("\(prefix)S4 attempt unless reserved by another") { state in
      guard reserves(state) || !state[keyPath: spot].isReserved else { return .go("\(prefix)S5") }
      guard let isDone = attempt(&state) else { return .blocked }
      if !isDone { return .go("\(prefix)S5") }
      state[keyPath: spot].result[me] = Spot.success
      return .next
    }
    guarded(&program, "S4b leave") { state in
      state[keyPath: spot].list.remove(id) ? .go("\(prefix)R1") : .next
    }
    wake(&program, me, "L", count: 1, next: "\(prefix)R1")
    program.step("\(prefix)S5 asleep until ended") { state, choices in
      if state[keyPath: spot].ended[me] > 0 { return .go("\(prefix)S7") }
      return isTimed && choices.either("time runs out") ? .next : .blocked
    }
    guarded(&program, "S6 give up") { state in
      guard state[keyPath: spot].list.remove(id) else { return .go("\(prefix)S7") }
      state[keyPath: spot].result[me] = Spot.failure
      return .go("\(prefix)R1")
    }
    program.step("\(prefix)S7 woken, attempt") { state, choices in
      // A waiter whose time ran out as it was taken need not be ended yet: only the timed one comes here without.
      let isEnded = state[keyPath: spot].ended[me] > 0
      if !isEnded { state[keyPath: spot].takenBy[me] = 0 }
      if !isEnded { state[keyPath: spot].taken.remove(id) }
      state[keyPath: spot].ended[me] = 0
      guard let isDone = attempt(&state) else { return .blocked }
      if isDone {
        state[keyPath: spot].result[me] = Spot.success
        return .go("\(prefix)R1")
      }
      if !isEnded || isTimed && choices.either("time has run out") {
        state[keyPath: spot].result[me] = Spot.failure
        return .go("\(prefix)R1")
      }
      state[keyPath: spot].overtaken[me] = min(state[keyPath: spot].overtaken[me] + 1, patience)
      return .go("\(prefix)S2a")
    }
    program.step("\(prefix)R1 end of a reservation") { state in reserves(state) ? .next : .go("\(prefix)R9") }
    guarded(&program, "R2 end its reservation") { state in
      state[keyPath: spot].reservedBy &= ~(1 << id)
      return state[keyPath: spot].isReserved ? .go("\(prefix)R9") : .next
    }
    wake(&program, me, "U", count: 8, next: "\(prefix)R9")
    program.step("\(prefix)R9 return") { state in
      defer {
        state[keyPath: spot].result[me] = 0
        state[keyPath: spot].overtaken[me] = 0
      }
      return .go(state[keyPath: spot].result[me] == Spot.success ? success : failure)
    }
  }

  private func waitCoarsely(
    _ program: inout Program<State>, _ me: Int, isTimed: Bool, success: String, failure: String,
    _ onListing: ((inout State) -> Void)?, _ attempt: @escaping (inout State) -> Bool?
  ) {
    let (spot, id) = (spot, UInt8(me))
    program.step("\(prefix)S2 append") { state in
      if state[keyPath: spot].overtaken[me] > 0 {
        state[keyPath: spot].list.prepend(id)
      } else {
        state[keyPath: spot].list.append(id)
      }
      state[keyPath: spot].overtaken[me] = 0
      return .next
    }
    if let onListing { program.action("\(prefix)S3 listed", onListing) }
    program.step("\(prefix)S4 attempt; done: leave or pass on") { state in
      guard let isDone = attempt(&state) else { return .blocked }
      if !isDone { return .next }
      if !state[keyPath: spot].list.remove(id) { state[keyPath: spot].wake(1, by: me) }
      state[keyPath: spot].ended[me] = 0
      return .go(success)
    }
    program.step("\(prefix)S5 asleep until ended, attempt") { state, choices in
      var isLast = false
      if state[keyPath: spot].ended[me] == 0 {
        guard isTimed, choices.either("time runs out") else { return .blocked }
        // Still listed: gives up. Else woken at the same time: tries once more.
        if state[keyPath: spot].list.remove(id) { return .go(failure) }
        isLast = true
      }
      state[keyPath: spot].ended[me] = 0
      guard let isDone = attempt(&state) else { return .blocked }
      if isDone { return .go(success) }
      if isLast { return .go(failure) }
      state[keyPath: spot].overtaken[me] = 1
      return .go("\(prefix)S2")
    }
  }

  /// `ParkingSpot.park` by thread `me`. `afterListing` returns false when there is no need to sleep.
  /// Goes on at `woken`, with `ended[me]` = 1 + the code, at `unneeded` or (only if `isTimed`) at `failure`.
  /// `swallows` is the flaw that a waiter whose time ran out does not ask whether a waker has taken it.
  func park(
    _ program: inout Program<State>, _ me: Int, isTimed: Bool = false, woken: String, unneeded: String = "",
    failure: String = "", swallows: Bool = false, afterListing: @escaping (inout State) -> Bool
  ) {
    let (spot, id) = (spot, UInt8(me))
    guarded(&program, "S2 append") { state in
      state[keyPath: spot].ended[me] = 0
      state[keyPath: spot].list.append(id)
      return .next
    }
    program.step("\(prefix)S4 after listing") { state in afterListing(&state) ? .go("\(prefix)S5") : .next }
    guarded(&program, "S4b leave") { state in
      state[keyPath: spot].list.remove(id) ? .go(unneeded) : .go("\(prefix)S7")
    }
    program.step("\(prefix)S5 asleep until ended") { state, choices in
      if state[keyPath: spot].ended[me] > 0 { return .go(woken) }
      return isTimed && choices.either("time runs out") ? .next : .blocked
    }
    guarded(&program, "S6 give up") { state in
      state[keyPath: spot].list.remove(id) || swallows ? .go(failure) : .next
    }
    program.step("\(prefix)S7 taken: await the end") { state in
      state[keyPath: spot].ended[me] > 0 ? .go(woken) : .blocked
    }
  }

  /// `ParkingSpot.wake`; `label` tells several in one program apart.
  func wake(_ program: inout Program<State>, _ me: Int, _ label: String, count: Int, code: UInt8 = 0, next: String) {
    let spot = spot
    guard isFine else {
      program.step("\(prefix)\(label)2 wake \(count == 8 ? "all" : "\(count)")") { state in
        state[keyPath: spot].wake(count, by: me, code: code)
        return .go(next)
      }
      return
    }
    program.step("\(prefix)\(label)2 nobody waits?") { state in state[keyPath: spot].hasWaiters ? .next : .go(next) }
    guarded(&program, "\(label)3 take from the front") { state in
      state[keyPath: spot].take(count, by: me)
      return .next
    }
    program.step("\(prefix)\(label)4 end the next") { state in
      state[keyPath: spot].endNext(by: me, code: code) ? .stay : .go(next)
    }
  }

  /// Takes waiters, counts how many, and ends them: a wake-up by one who says before it how many will be awake (only where the spot is not fine).
  func wake(
    _ program: inout Program<State>, _ me: Int, _ label: String, count: Int = 1, next: String,
    counting: @escaping (inout State, Int) -> Void
  ) {
    let spot = spot
    program.step("\(label)W1 take out of the list") { state in
      state[keyPath: spot].take(count, by: me)
      return state[keyPath: spot].nextTaken(by: me) == nil ? .go(next) : .next
    }
    program.action("\(label)W2 count them") { counting(&$0, $0[keyPath: spot].takenCount(by: me)) }
    program.step("\(label)W3 end the next") { $0[keyPath: spot].endNext(by: me) ? .stay : .go(next) }
  }

  /// A step behind the guard; when fine, one that takes the guard and one that works and releases it.
  func guarded(_ program: inout Program<State>, _ name: String, _ body: @escaping (inout State) -> Flow) {
    let spot = spot
    guard isFine else {
      program.step("\(prefix)\(name)", body)
      return
    }
    let words = name.split(separator: " ", maxSplits: 1)
    program.step("\(prefix)\(words[0])a take the guard") { state in
      if state[keyPath: spot].isGuarded { return .blocked }
      state[keyPath: spot].isGuarded = true
      return .next
    }
    program.step("\(prefix)\(name), release the guard") { state in
      state[keyPath: spot].isGuarded = false
      return body(&state)
    }
  }
}
