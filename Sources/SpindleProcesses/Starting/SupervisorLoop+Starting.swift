internal import CSpindle
internal import SpindleGround

/// Starting children: by spawning, or by a request to the fork server (`fork_server.c` has the protocol).
extension SupervisorLoop {
  /// So many fork servers may die over one start.
  private static let patience = 3

  mutating func start(_ worker: WorkerProcess, _ ticket: Supervisor.StartTicket) {
    switch worker.options.startMethod {
    case .forkServer where forkServerRefusal == nil:
      fork(worker, Forking(ticket: ticket, frames: worker.takeOutgoing()))
    case .spawn, .forkServer: ticket.finish(spawn(worker))
    }
  }

  // ---- Spawning ----

  private mutating func spawn(_ worker: WorkerProcess, flags: UInt32 = 0) -> ProcessStartError? {
    let made: [(mine: LabelledOutput, theirs: OwnedDescriptor)]
    switch makeOutputs(for: worker) {
    case .failure(let error): return error
    case .success(let outputs): made = outputs
    }
    // SAFETY: the C string lives for the call, which copies it; what failed is a static string.
    var operation = unsafe UnsafePointer<CChar>?.none
    let result = unsafe worker.name.withCString {
      unsafe spindle_spawn_worker(
        $0, worker.options.flags | flags, made.first?.theirs.number ?? -1, made.last?.theirs.number ?? -1, &operation)
    }
    if result.error != 0 {
      let what = unsafe operation.map { unsafe String(cString: $0) } ?? "spawn"
      return ProcessStartError(worker: worker.name, operation: what, errorNumber: result.error)
    }
    let pidfd = OwnedDescriptor(owning: result.pidfd)
    let id = nextIdentifier()
    children[id] = Child(
      worker: worker, control: OwnedDescriptor(owning: result.control),
      helloDeadline: Deadline(after: worker.options.helloTimeout),
      isForkServer: flags & spindle_start_fork_server.rawValue != 0)
    identifiers[ObjectIdentifier(worker)] = id
    awaited += 1
    var error = watch(children[id]!.control!, Tag.control(id), of: id)
    if error == nil { error = watchOutputs(id, made.map(\.mine)) }
    if error == nil { error = adopt(id, result.process, pidfd, peakOfParent: spindle_peak_bytes()) }
    if let error {
      spindle_end_and_reap(pidfd.number)
      forget(id)
      return error
    }
    return nil
  }

  /// The process is known from now on.
  private mutating func adopt(_ id: UInt64, _ pid: Int32, _ pidfd: OwnedDescriptor, peakOfParent: Int64)
    -> ProcessStartError?
  {
    if let error = watch(pidfd, Tag.pidfd(id), of: id) { return error }
    children[id]!.pidfd = pidfd
    let worker = children[id]!.worker
    if !children[id]!.isForkServer { Supervisor.isLiving(id, worker) }
    worker.begin(pid: pid, pidfd: pidfd, peakOfParent: peakOfParent)
    takeOutgoing(of: worker)
    return nil
  }

  func watch(_ descriptor: OwnedDescriptor, _ tag: UInt64, of id: UInt64) -> ProcessStartError? {
    let error = spindle_epoll_set(epoll!.number, descriptor.number, tag, UInt32(spindle_ready_read.rawValue), true)
    guard error != 0 else { return nil }
    return ProcessStartError(worker: children[id]!.worker.name, operation: "epoll_ctl", errorNumber: error)
  }

  private mutating func nextIdentifier() -> UInt64 {
    lastIdentifier += 1
    return lastIdentifier
  }

  /// Takes a child out that is no process, with all that was its.
  @discardableResult
  private mutating func forget(_ id: UInt64) -> Child {
    for tag in [Tag.output(id), Tag.errors(id)] {
      guard let output = outputs.removeValue(forKey: tag) else { continue }
      _ = spindle_epoll_set(epoll!.number, output.pipe.number, 0, 0, false)
    }
    return remove(id)
  }

  /// Takes a child out that has ended. What is left of its output stays.
  mutating func remove(_ id: UInt64) -> Child {
    let child = children.removeValue(forKey: id)!
    identifiers[ObjectIdentifier(child.worker)] = nil
    if !child.saidHello { awaited -= 1 }
    for descriptor in [child.pidfd, child.control].compactMap(\.self) {
      _ = spindle_epoll_set(epoll!.number, descriptor.number, 0, 0, false)
    }
    return child
  }

  // ---- The fork server ----

  mutating func prepareForkServer(_ ticket: Supervisor.StartTicket) {
    if let forkServerRefusal { return ticket.finish(forkServerRefusal) }
    switch haveForkServer() {
    case .failure(let error): ticket.finish(error)
    case .success(let id) where children[id]!.saidHello: ticket.finish(nil)
    case .success: forkServerTickets.append(ticket)
    }
  }

  /// The one there is, or a new one.
  private mutating func haveForkServer() -> Result<UInt64, ProcessStartError> {
    if let forkServer { return .success(forkServer) }
    var options = WorkerProcess.Options(name: "spindle-forks")
    options.isDaemon = true
    let server = WorkerProcess(options: options, onMessage: { _, _ in }, onEnd: { _, _ in })
    let id = lastIdentifier + 1
    if let error = spawn(server, flags: spindle_start_fork_server.rawValue) { return .failure(error) }
    forkServer = id
    Supervisor.forkServer = server
    return .success(id)
  }

  /// Has a worker forked. (F2, F3)
  private mutating func fork(_ worker: WorkerProcess, _ request: Forking) {
    var forking = request
    forking.attempts += 1
    switch haveForkServer() {
    case .failure(let error): return forking.ticket.finish(error)
    case .success(let id): forking.server = id
    }
    let made: [(mine: LabelledOutput, theirs: OwnedDescriptor)]
    switch makeOutputs(for: worker) {
    case .failure(let error): return forking.ticket.finish(error)
    case .success(let outputs): made = outputs
    }
    let control: (mine: OwnedDescriptor, theirs: OwnedDescriptor)
    do throws(ProcessStartError) { control = try ControlChannel.pair(for: worker.name) } catch {
      return forking.ticket.finish(error)
    }
    let id = nextIdentifier()
    children[id] = Child(
      worker: worker, control: control.mine,
      writing: forking.frames.map(FrameWriter.init), helloDeadline: Deadline(after: worker.options.helloTimeout),
      forking: forking)
    identifiers[ObjectIdentifier(worker)] = id
    awaited += 1
    var problem = watch(control.mine, Tag.control(id), of: id)
    if problem == nil { problem = watchOutputs(id, made.map(\.mine)) }
    if let problem {
      forget(id)
      return forking.ticket.finish(problem)
    }
    let request = ControlFrame(
      forking: worker.options, id, again: forking.attempts > 1, over: control.theirs, outputs: made.map(\.theirs))
    children[forking.server]!.writing.append(FrameWriter(request))
    write(forking.server)
    write(id)
  }

  /// The worker's own hello, or what its fork server says of it: whichever comes first tells who it is. (F4)
  mutating func introduce(_ sender: UInt64, _ frame: ControlFrame) {
    guard frame.bytes.count == MemoryLayout<spindle_introduction>.size else { return }
    // SAFETY: exactly the bytes of a structure of integers.
    let said = unsafe frame.bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: spindle_introduction.self) }
    let id = children[sender]!.isForkServer ? said.id : sender
    guard children[id] != nil else { return }  // ended since
    var descriptors = frame.descriptors[...]
    let pidfd = said.has_pidfd != 0 ? descriptors.popFirst() : nil
    if said.has_report != 0 { children[id]!.crashReport = descriptors.popFirst() }
    guard let forking = children[id]!.forking, let pidfd else { return }
    children[id]!.forking = nil
    if let error = adopt(id, said.process, pidfd, peakOfParent: 0) {
      spindle_end_and_reap(pidfd.number)
      forget(id)
      return forking.ticket.finish(error)
    }
    // Its time was over before anybody knew whom to kill.
    if children[id]!.detail != nil { children[id]!.worker.kill() }
    forking.ticket.finish(nil)
  }

  /// The socket of a worker that nobody has told of has closed. It has died already, and its fork server is about to say so;
  /// or it was never forked, because that refused, or is dying: then what is to be done is known when it has ended.
  mutating func loseFork(_ id: UInt64) {
    let child = children[id]!
    if child.refusal != nil || children[child.forking!.server] == nil { forkAgain(id) }
  }

  /// The fork server has ended: of those it was asked for, some may have no process.
  mutating func forkServerEnded(_ id: UInt64, _ server: Child, _ end: WorkerProcess.End) {
    if forkServer == id {
      forkServer = nil
      Supervisor.forkServer = nil
    }
    if server.refusal != nil { forkServerRefusal = end.startError }
    if !server.saidHello {
      let error =
        end.startError
        ?? ProcessStartError(worker: "the fork server", operation: "starting it", reason: "it ended: \(end.exitStatus)")
      for ticket in forkServerTickets { ticket.finish(error) }
      forkServerTickets = []
    }
    let lost = children.filter { $0.value.forking?.server == id && $0.value.control == nil }
    for orphan in lost.keys.sorted() { forkAgain(orphan, end.startError) }
    let late = children.filter { $0.value.forking?.server == id && $0.value.detail != nil }
    for silent in late.keys.sorted() { giveUpFork(silent) }
  }

  /// F8. A worker that has said nothing in its time, whose fork server has ended and has not told of it: it may exist, and hang. Nobody
  /// knows its number; when it goes on it finds its socket closed.
  mutating func giveUpFork(_ id: UInt64) {
    read(id, limit: .max)
    if children[id]?.forking != nil { closeControl(id) }
  }

  /// There is no process for this start, and will be none: once more, or the reason why not.
  private mutating func forkAgain(_ id: UInt64, _ reason: ProcessStartError? = nil) {
    let child = forget(id)
    let worker = child.worker
    let forking = child.forking!
    if let refusal = child.refusal ?? child.detail {
      return forking.ticket.finish(
        ProcessStartError(worker: worker.name, operation: "forking a worker", reason: refusal))
    }
    if forkServerRefusal != nil {
      worker.putBack(forking.frames)
      return forking.ticket.finish(spawn(worker))
    }
    if let reason { return forking.ticket.finish(reason) }
    if forking.attempts < Self.patience { return fork(worker, forking) }
    forking.ticket.finish(
      ProcessStartError(
        worker: worker.name, operation: "forking a worker", reason: "\(forking.attempts) fork servers died over it"))
  }
}

extension WorkerProcess {
  func takeOutgoing() -> [ControlFrame] {
    state.withLock { state in
      defer { state.outgoing = [] }
      return state.outgoing
    }
  }

  fileprivate func putBack(_ frames: [ControlFrame]) { state.withLock { $0.outgoing = frames + $0.outgoing } }
}

extension WorkerProcess.Options {
  fileprivate var flags: UInt32 {
    var flags: UInt32 = 0
    if ignoresInterrupts { flags |= spindle_start_ignores_interrupts.rawValue }
    if processGroup == .own { flags |= spindle_start_own_group.rawValue }
    #if DEBUG
      flags |= startFault << spindle_start_fault_shift.rawValue
    #endif
    return flags
  }
}

extension ControlFrame {
  /// What the fork server is asked for.
  fileprivate init(
    forking options: WorkerProcess.Options, _ id: UInt64, again: Bool, over control: OwnedDescriptor,
    outputs: [OwnedDescriptor]
  ) {
    var options = options
    #if DEBUG
      if again { options.startFault = 0 }
    #endif
    var request = spindle_fork_request()
    request.id = id
    request.flags = options.flags
    var descriptors = [control]
    let streams: [(Int32, UInt32)] = [(1, spindle_start_has_output.rawValue), (2, spindle_start_has_error.rawValue)]
    for (number, flag) in streams where !outputs.isEmpty || spindle_is_inherited(number) {
      request.flags |= flag
      descriptors.append(outputs.isEmpty ? OwnedDescriptor(number, keptBy: control) : outputs[Int(number) - 1])
    }
    // SAFETY: a plain C structure, written and read within its bytes; the last byte of the name stays zero.
    unsafe withUnsafeMutableBytes(of: &request.name) {
      unsafe $0.dropLast().copyBytes(from: options.name.utf8.prefix(123))
    }
    self.init(
      kind: .fork, bytes: unsafe withUnsafeBytes(of: request) { unsafe Array($0) }, descriptors: descriptors)
  }
}
