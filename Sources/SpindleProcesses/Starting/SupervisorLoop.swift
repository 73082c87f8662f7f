internal import CSpindle
internal import SpindleGround

/// The supervisor's own state; only its thread touches it.
struct SupervisorLoop {
  private struct Child {
    let worker: WorkerProcess
    let pidfd: OwnedDescriptor
    /// nil once the child has closed its end.
    var control: OwnedDescriptor?
    var reader = FrameReader()
    var writing: [FrameWriter] = []
    var isWriteWatched = false
    var saidHello = false
    var helloDeadline: Deadline
    var refusal: String?
    var detail: String?

    /// Still to say hello, and not yet killed for its silence.
    var isSilent: Bool { !saidHello && detail == nil }
  }

  private enum Tag {
    static let event: UInt64 = 0
    static func pidfd(_ id: UInt64) -> UInt64 { id << 1 }
    static func control(_ id: UInt64) -> UInt64 { id << 1 | 1 }
  }

  private var epoll: OwnedDescriptor?
  private var event: OwnedDescriptor?
  private var children: [UInt64: Child] = [:]
  private var identifiers: [ObjectIdentifier: UInt64] = [:]
  private var lastIdentifier: UInt64 = 0
  private var ended: [(id: UInt64, worker: WorkerProcess, end: WorkerProcess.End)] = []
  /// How many children have not said hello: while there are none, no wait needs a limit.
  private var awaited = 0

  mutating func run() {
    while true {
      Supervisor.waitWhileIdle()  // S1
      serve()
    }
  }

  /// From the first child to the last.
  private mutating func serve() {
    let problem = open()
    while true {
      for command in Supervisor.takeCommands() {  // S2
        switch command {
        case .start(let worker, let ticket): ticket.finish(problem?(worker) ?? start(worker))
        case .send(let worker): takeOutgoing(of: worker)
        }
      }
      let isIdle = children.isEmpty && Supervisor.becomeIdle()  // S3
      if isIdle {
        epoll = nil
        event = nil
      }
      // Told only now, so that whoever is woken by the last end finds every descriptor closed.
      deliverEnds()
      if isIdle { return }
      if problem == nil { wait() }
    }
  }

  private mutating func open() -> ((WorkerProcess) -> ProcessStartError)? {
    let epoll = spindle_epoll_create()
    let event = spindle_event_descriptor()
    if epoll >= 0 { self.epoll = OwnedDescriptor(owning: epoll) }
    if event >= 0 { self.event = OwnedDescriptor(owning: event) }
    guard let owned = (self.epoll, self.event) as? (OwnedDescriptor, OwnedDescriptor) else {
      return { ProcessStartError(worker: $0.name, operation: "epoll_create, eventfd", errorNumber: -min(epoll, event)) }
    }
    let error = spindle_epoll_set(epoll, event, Tag.event, UInt32(spindle_ready_read.rawValue), true)
    guard error == 0 else {
      return { ProcessStartError(worker: $0.name, operation: "epoll_ctl", errorNumber: error) }
    }
    Supervisor.setPolling(owned)
    return nil
  }

  private mutating func start(_ worker: WorkerProcess) -> ProcessStartError? {
    // SAFETY: the C string lives for the call, which copies it; what failed is a static string.
    var operation = unsafe UnsafePointer<CChar>?.none
    let result = unsafe worker.name.withCString {
      unsafe spindle_spawn_worker($0, worker.options.ignoresInterrupts, &operation)
    }
    if result.error != 0 {
      let what = unsafe operation.map { unsafe String(cString: $0) } ?? "spawn"
      return ProcessStartError(worker: worker.name, operation: what, errorNumber: result.error)
    }
    let pidfd = OwnedDescriptor(owning: result.pidfd)
    let control = OwnedDescriptor(owning: result.control)
    lastIdentifier += 1
    let id = lastIdentifier
    let reads = UInt32(spindle_ready_read.rawValue)
    for (descriptor, tag) in [(pidfd, Tag.pidfd(id)), (control, Tag.control(id))] {
      let error = spindle_epoll_set(epoll!.number, descriptor.number, tag, reads, true)
      guard error == 0 else {
        spindle_end_and_reap(pidfd.number)
        return ProcessStartError(worker: worker.name, operation: "epoll_ctl", errorNumber: error)
      }
    }
    children[id] = Child(
      worker: worker, pidfd: pidfd, control: control,
      helloDeadline: Deadline(after: worker.options.helloTimeout))
    identifiers[ObjectIdentifier(worker)] = id
    awaited += 1
    Supervisor.isLiving(id, worker)
    worker.state.withLock { state in
      state.pid = result.process
      state.pidfd = pidfd
    }
    takeOutgoing(of: worker)
    return nil
  }

  // ---- Messages ----

  private mutating func takeOutgoing(of worker: WorkerProcess) {
    guard let id = identifiers[ObjectIdentifier(worker)] else { return }
    let frames = worker.state.withLock { state in
      defer { state.outgoing = [] }
      return state.outgoing
    }
    children[id]!.writing += frames.map(FrameWriter.init)
    write(id)
  }

  private mutating func write(_ id: UInt64) {
    guard var child = children[id], let control = child.control else { return }
    var isBlocked = false
    while !isBlocked, !child.writing.isEmpty {
      switch child.writing[0].step(to: control.number, wait: false) {
      case .done: child.writing.removeFirst()
      case .blocked: isBlocked = true
      case .failed: child.writing = []  // it is dying or has closed its end: the pidfd tells
      }
    }
    if isBlocked != child.isWriteWatched {
      child.isWriteWatched = isBlocked
      let interest = spindle_ready_read.rawValue | (isBlocked ? spindle_ready_write.rawValue : 0)
      _ = spindle_epoll_set(epoll!.number, control.number, Tag.control(id), UInt32(interest), false)
    }
    children[id] = child
  }

  /// Delivers what has arrived: a bounded share when others wait too, everything when the child is dead.
  private mutating func read(_ id: UInt64, limit: Int) {
    for _ in 0..<limit {
      guard let control = children[id]?.control else { return }
      switch children[id]!.reader.step(from: control.number, wait: false) {
      case .blocked: return
      case .frame(let frame): receive(frame, id)
      case .end: closeControl(id)
      case .malformed(let detail):
        children[id]!.detail = detail
        closeControl(id)
        children[id]!.worker.kill()
      }
    }
  }

  private mutating func receive(_ frame: ControlFrame, _ id: UInt64) {
    switch frame.kind {
    case .hello where !children[id]!.saidHello:
      children[id]!.saidHello = true
      awaited -= 1
    case .refusal:
      children[id]!.refusal = String(decoding: frame.bytes, as: UTF8.self)
    default:
      let worker = children[id]!.worker
      worker.state.withLock { $0.onMessage }?(worker, frame)
    }
  }

  private mutating func closeControl(_ id: UInt64) {
    guard let control = children[id]!.control else { return }
    _ = spindle_epoll_set(epoll!.number, control.number, 0, 0, false)
    children[id]!.control = nil
    children[id]!.writing = []
  }

  // ---- Waiting and ends ----

  private mutating func wait() {
    var ready = [spindle_ready_event](repeating: .init(), count: 64)
    // SAFETY: the call writes at most the number of events it is given room for.
    let count = unsafe ready.withUnsafeMutableBufferPointer {
      unsafe spindle_epoll_wait(epoll!.number, $0.baseAddress!, Int32($0.count), millisecondsUntilDeadline())
    }
    for event in ready.prefix(Int(count)) {
      if event.tag == Tag.event {
        spindle_event_drain(self.event!.number)
        continue
      }
      let id = event.tag >> 1
      guard children[id] != nil else { continue }  // ended earlier in this batch
      if event.tag == Tag.pidfd(id) {
        end(id)
      } else {
        if event.ready & UInt32(spindle_ready_write.rawValue) != 0 { write(id) }
        read(id, limit: 64)
      }
    }
    if awaited > 0 { killSilent() }
  }

  private func millisecondsUntilDeadline() -> Int32 {
    guard awaited > 0 else { return -1 }
    let earliest = children.values.lazy.filter(\.isSilent).map(\.helloDeadline.nanoseconds).min()
    guard let left = earliest.flatMap({ Deadline(nanoseconds: $0).remaining }) else { return -1 }
    // Rounded up: waking early would only mean waiting again.
    return Int32(clamping: left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
  }

  private mutating func killSilent() {
    for (id, child) in children where child.isSilent && child.helloDeadline.hasPassed {
      children[id]!.detail = "it did not become a worker within \(child.worker.options.helloTimeout)"
      child.worker.kill()
    }
  }

  private mutating func end(_ id: UInt64) {
    read(id, limit: .max)
    let child = children.removeValue(forKey: id)!
    let worker = child.worker
    identifiers[ObjectIdentifier(worker)] = nil
    if !child.saidHello { awaited -= 1 }
    for descriptor in [child.pidfd, child.control].compactMap(\.self) {
      _ = spindle_epoll_set(epoll!.number, descriptor.number, 0, 0, false)
    }
    let status = worker.state.withLock { state in
      let status = WorkerProcess.look(&state) ?? .unknown
      state.exitStatus = status
      state.pidfd = nil
      state.outgoing = []
      return status
    }
    var reason: String?
    if !child.saidHello {
      reason = child.refusal ?? child.detail
      // An exit by itself: its main ran. A signal is a death like any other, only early.
      if reason == nil, case .exited = status {
        reason = "it ended (\(status)) before it became a worker; is Spindle linked to the executable?"
      }
    }
    let startError = reason.map {
      ProcessStartError(worker: worker.name, operation: "diverting the child before main", reason: $0)
    }
    ended.append((id, worker, .init(exitStatus: status, startError: startError, detail: child.detail)))
  }

  private mutating func deliverEnds() {
    let all = ended
    ended = []
    for (id, worker, end) in all {
      let handler = worker.state.withLock { state in
        defer {
          state.onMessage = nil
          state.onEnd = nil
        }
        return state.onEnd
      }
      handler?(worker, end)
      Supervisor.isLiving(id, nil)
      worker.ended.open()
    }
  }
}
