internal import CSpindle
internal import SpindleFutures
internal import SpindleGround

// Taking replies out of the slots. Whoever comes may do so: the collector, a thread that waits for a future, the
// supervisor when a worker has ended. What is taken out is delivered by who took it.
extension ProcessPoolCore {
  /// Takes and delivers all replies that are there. False when there were none.
  @discardableResult
  func collect(for mine: AnyFuture? = nil) -> Bool {
    var arrivals = Arrivals()
    var deeds = Deeds()
    state.withLock { state in
      for seat in state.members.indices {
        if let member = state.members[seat] { collect(seat, member, &state, &arrivals) }
      }
      if arrivals.isEmpty { return }
      takeSteps(&state, &deeds)
      state.delivering += 1
    }
    if arrivals.isEmpty { return false }
    perform(deeds)
    arrivals.deliver(for: mine, elsewhere: resolve)
    let isLast = state.withLock { state in
      state.delivering -= 1
      return state.isOver && state.delivering == 0
    }
    if isLast { ringCollector() }
    return true
  }

  private func collect(
    _ seat: Int, _ member: PoolMember, _ state: inout State, _ arrivals: inout Arrivals
  ) {
    var count: Int64 = 0
    var mustRetire = false
    var last: PoolCall?
    while let call = state.board.first(of: seat), case .handed(_, let number) = call.standing,
      member.link.isReplied(number)
    {
      let link = member.link
      let head = link.head(number)
      switch head?.place {
      case .slot?:
        unsafe arrivals.add(
          call, isBatch: head!.isBatch,
          copying:  UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(link.bytes(number))[..<head!.count]))
      case .arena?:
        let reply = member.replies.read(head!.offset, head!.count)
        arrivals.add(call, isBatch: head!.isBatch, reply.map { .large($0) } ?? .malformed)
      case .message?:
        // It may still be on its way; then whoever brings it collects it.
        guard let message = member.messages.removeValue(forKey: number) else { return }
        arrivals.add(call, isBatch: head!.isBatch, .message(message))
      case nil: arrivals.add(call, isBatch: false, .malformed)
      }
      if head?.isLast == true { mustRetire = true }
      link.clear(number)
      member.learned(call.target)
      call.standing = .over
      _ = state.board.workerFinished(seat)
      count += 1
      last = call
      if let next = state.board.first(of: seat), next.options.deadline != nil { isNext(next, since: spindle_now(), &state) }
    }
    guard count > 0 else { return }
    let now = spindle_now()
    let mean = max(1, (now - member.lastSign) / count)
    last?.took(nanoseconds: mean)
    member.lastSign = now
    state.board.setPace(Int(min(Self.deepest, 1 + Self.worthwhile / mean)), of: seat)
    if mustRetire { retire(seat, member, &state) }
    if state.board.handCount(of: seat) == 0 { becameIdle(seat, &state, now: now) }
  }

  /// Handing a call over takes some microseconds: calls that take longer than this gain nothing from being handed
  /// ahead.
  private static var worthwhile: Int64 { 200_000 }
  private static var deepest: Int64 { 32 }

  /// The worker begins nothing more.
  private func retire(_ seat: Int, _ member: PoolMember, _ state: inout State) {
    var again: [PoolCall] = []
    for call in state.board.hand(of: seat) {
      guard case .handed(_, let number) = call.standing, member.link.withdraw(number) else { continue }
      state.board.remove(call, from: seat)
      call.standing = .inLine
      again.append(call)
    }
    state.board.putBack(again)
    state.board.retire(seat)
  }

  // MARK: The collector

  //  collector                                    worker (CallLink)
  //  C1 heard = the bell                          W4 the reply is in the slot
  //  C2 wanted = 1 at every worker                W5 wanted? then wanted = 0, and ring the bell
  //  C3 look at the slots once more
  //  C4 sleep while the bell is as heard
  //  C5 wanted = 0
  //
  // C2 and W4 are sequentially consistent, and so are the looks that follow: either C3 sees the reply, or W5 sees
  // that it is wanted and changes the bell after C1.

  func startCollector() {
    state.withLock { $0.hasCollector = true }
    let context = unsafe Unmanaged.passRetained(self)
    // SAFETY: the retained reference is the thread's, which releases it as its last act.
    let error = unsafe spindle_start_detached(
      "spindle-pool", { unsafe Unmanaged<ProcessPoolCore>.fromOpaque($0!).takeRetainedValue().runCollector() },
      context.toOpaque())
    if error == 0 { return }
    unsafe context.release()
    let cause = ProcessStartError(worker: name, operation: "pthread_create", errorNumber: error)
    state.withLock { $0.hasCollector = false }
    fail(BrokenPoolError(pool: name, reason: "its thread cannot be started: \(cause)", cause: cause))
  }

  private func runCollector() {
    if let memory { collectToTheEnd(memory) }
    finish()
  }

  private func collectToTheEnd(_ memory: PoolMemory) {
    var pauses = SpinPolicy()
    while true {
      let heard = memory.rings  // C1
      if collect() {
        pauses = SpinPolicy()
        continue
      }
      if pauses.pauseOrYield() { continue }
      let (isOver, alarm) = lookAtAlarms()
      if isOver { break }
      setWanted(true)  // C2
      if !collect() { memory.sleep(after: heard, until: alarm) }  // C3, C4
      setWanted(false)  // C5
      pauses = SpinPolicy()
    }
  }

  private func setWanted(_ isWanted: Bool) {
    state.withLock { state in
      state.collectorSleeps = isWanted
      for member in state.members { member?.link.want(isWanted) }
    }
  }

  /// The last step is done: nobody is left who could ask for another.
  func end() {
    OpenProcessPools.remove(self)
    if !state.withLock({ $0.hasCollector }) || !ringCollector() { finish() }
  }

  private func finish() {
    letMemoryGo()
    helper.shutdown(wait: false)
    over.open()
  }

  /// A thread waits for a future: it looks for the reply itself for some microseconds, in the collector's place, and
  /// saves the two wake-ups of the collector and of itself.
  func attend(_ future: AnyFuture) {
    let isMine = state.withLock { state in
      guard state.collectorSleeps else { return false }
      for member in state.members { member?.link.want(false) }
      return true
    }
    guard isMine else { return }
    var pauses = SpinPolicy(untilAwake: ())
    repeat { collect(for: future) } while !future.isDone && pauses.pauseOrYield()
    state.withLock { state in
      guard state.collectorSleeps else { return }
      for member in state.members { member?.link.want(true) }
    }
    // As C3: what came before is seen here, what comes later rings.
    collect(for: future)
  }
}
