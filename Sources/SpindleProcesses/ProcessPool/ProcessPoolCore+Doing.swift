internal import CSpindle
internal import SpindleFutures
internal import SpindleGround

extension ProcessPoolCore {
  /// What is to be done without the lock.
  struct Deeds {
    /// Whom to wake; nearly always none or one.
    var ring: CallLink?
    var rings: [CallLink] = []
    var starts: [Int] = []
    var hopeless: [PoolCall] = []
    var error: BrokenPoolError?
    var isEnd = false
    var ringsCollector = false

    mutating func wake(_ link: CallLink) {
      if ring == nil { ring = link } else if ring !== link, rings.last !== link { rings.append(link) }
    }
  }

  /// Makes a change, and does or collects what is to be done for it.
  func settle(_ change: (inout State) -> Void) -> Deeds {
    var deeds = Deeds()
    state.withLock { state in
      change(&state)
      takeSteps(&state, &deeds)
    }
    return deeds
  }

  func takeSteps(_ state: inout State, _ deeds: inout Deeds) {
    let members = state.members
    while let step = state.board.next(
      claim: { call in
        if case .inLine = call.standing { return true }
        return false
      },
      withdraw: { call, seat in
        guard case .handed(_, let number) = call.standing, let member = members[seat], member.link.withdraw(number) else {
          return false
        }
        call.standing = .inLine
        return true
      },
      hasRoom: { members[$0]?.hasRoom() == true })
    {
      switch step {
      case .run(let call, let seat): hand(call, seat, &state, &deeds)
      case .start(let seat): deeds.starts.append(seat)
      case .dismiss(let seat):
        if let member = state.members[seat] {
          member.link.dismiss()
          deeds.wake(member.link)
        }
      case .giveUp(let calls):
        let error =
          state.broken
          ?? BrokenPoolError(
            pool: name, reason: "its workers do not start: \(state.lastFailure.map { "\($0)" } ?? "unknown")",
            cause: state.lastFailure)
        state.broken = error
        state.board.close()
        deeds.error = error
        for call in calls {
          guard case .inLine = call.standing else { continue }
          call.standing = .over
          deeds.hopeless.append(call)
        }
      case .end:
        state.isOver = true
        deeds.isEnd = true
      }
    }
    if state.isAlarmChanged {
      state.isAlarmChanged = false
      deeds.ringsCollector = true
    }
  }

  private func hand(_ call: PoolCall, _ seat: Int, _ state: inout State, _ deeds: inout Deeds) {
    let member = state.members[seat]!
    let isFirst = state.board.handCount(of: seat) == 1
    if isFirst {
      // Every slot before is free or can be had back, as nothing is in hand.
      _ = member.hasRoom()
      member.lastSign = spindle_now()
      isNext(call, since: member.lastSign, &state)
    }
    // Sent under the lock, so that messages come in the order of their slots.
    if let message = member.hand(call, seat: seat) { member.process!.send(message) }
    deeds.wake(member.link)
  }

  /// The call is the next for its worker, or runs: from now on its time counts.
  func isNext(_ call: PoolCall, since now: Int64, _ state: inout State) {
    guard let limit = call.options.deadline else { return }
    let (end, overflow) = now.addingReportingOverflow(limit.nanoseconds)
    call.deadline = Deadline(nanoseconds: overflow ? .max : end)
    setAlarm(call.deadline, &state)
  }

  func setAlarm(_ deadline: Deadline, _ state: inout State) {
    guard deadline.nanoseconds < state.alarm.nanoseconds else { return }
    state.alarm = deadline
    state.isAlarmChanged = true
  }

  func perform(_ deeds: consuming Deeds) {
    if let link = deeds.ring {
      link.ring()
      for link in deeds.rings { link.ring() }
    }
    for seat in deeds.starts { start(seat) }
    if let error = deeds.error {
      let calls = deeds.hopeless
      resolve { for call in calls { call.fail(error) } }
    }
    if deeds.isEnd { end() } else if deeds.ringsCollector { ringCollector() }
  }

  private func start(_ seat: Int) {
    let number = state.withLock { state in
      state.nextName += 1
      return state.nextName - 1
    }
    var options = WorkerProcess.Options(name: "\(name) worker \(number)")
    // Ctrl-C goes to every process at the terminal; whether work ends is the parent's decision.
    options.ignoresInterrupts = true
    options.startMethod = startMethod
    options.output = output
    let identity = ProcessIdentity(name: options.name, isDaemon: false, numbers: ProcessIdentity.current.numbers)
    let configuration = PoolConfiguration(
      identity: identity, initializer: initializer?.bytes, maxResidentMemory: limits.maxResidentMemory,
      sharers: sharers)
    guard let memory, let member = try? PoolMember(name: options.name), let linkFile = member.link.file,
      let bytes = try? Wire.encode(configuration)
    else {
      let error = ProcessStartError(worker: options.name, operation: "memfd_create, mmap", errorNumber: ENFILE)
      return ended(seat, nil, .init(exitStatus: .unknown, startError: error, detail: nil))
    }
    member.link.file = nil
    let files = [linkFile, memory.file, member.replies.file]
    let descriptors = files.map { OwnedDescriptor($0.descriptor, keptBy: $0) }
    state.withLock { state in
      while state.members.count <= seat { state.members.append(nil) }
      state.members[seat] = member
      if state.collectorSleeps { member.link.want(true) }
    }
    WorkerProcess.launch(
      options, entry: { PoolWorkerMain.run() },
      sending: [ControlFrame(kind: .configuration, bytes: bytes, descriptors: descriptors)],
      onMessage: { process, frame in self.received(frame, seat: seat, process) },
      onEnd: { process, end in self.ended(seat, process, end) })
  }
}

extension Duration {
  /// Whole nanoseconds, as many as fit; nothing below 0.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : whole.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
  }
}
