internal import CSpindle
internal import SpindleGround

extension SupervisorLoop {
  mutating func takeOutgoing(of worker: WorkerProcess) {
    // While its process is not known, what it begins with is kept in case that it must be forked again.
    guard let id = identifiers[ObjectIdentifier(worker)], children[id]!.forking == nil else { return }
    children[id]!.writing += worker.takeOutgoing().map(FrameWriter.init)
    write(id)
  }

  mutating func write(_ id: UInt64) {
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
  mutating func read(_ id: UInt64, limit: Int) {
    for _ in 0..<limit {
      guard let control = children[id]?.control else { return }
      switch children[id]!.reader.step(from: control.number, wait: false) {
      case .blocked: return
      case .frame(let frame): receive(frame, id)
      case .end: return closeControl(id)
      case .malformed(let detail):
        children[id]!.detail = detail
        closeControl(id)
        children[id]?.worker.kill()
      }
    }
  }

  private mutating func receive(_ frame: ControlFrame, _ id: UInt64) {
    switch frame.kind {
    case .hello where children[id]!.isSilent:
      children[id]!.saidHello = true
      awaited -= 1
      introduce(id, frame)
      if id == forkServer {
        for ticket in forkServerTickets { ticket.finish(nil) }
        forkServerTickets = []
      }
    case .forked where children[id]!.isForkServer, .hello: introduce(id, frame)
    case .refusal:
      children[id]!.refusal = String(decoding: frame.bytes, as: UTF8.self)
    default:
      let worker = children[id]!.worker
      worker.state.withLock { $0.onMessage }?(worker, frame)
    }
  }

  mutating func closeControl(_ id: UInt64) {
    guard let control = children[id]!.control else { return }
    _ = spindle_epoll_set(epoll!.number, control.number, 0, 0, false)
    children[id]!.control = nil
    children[id]!.writing = []
    if children[id]!.forking != nil { loseFork(id) }
    // One that cannot hear requests is no use; whoever it was asked for finds out by the other sockets.
    if id == forkServer {
      forkServer = nil
      Supervisor.forkServer = nil
      children[id]?.worker.kill()
    }
  }
}
