internal import CSpindle
internal import SpindleGround

/// The supervisor's own state; only its thread touches it.
struct SupervisorLoop {
  struct Child {
    let worker: WorkerProcess
    /// nil while only the fork server knows the process.
    var pidfd: OwnedDescriptor?
    /// nil once the child has closed its end. Without a process, that means: dead already, or never forked.
    var control: OwnedDescriptor?
    var reader = FrameReader()
    var writing: [FrameWriter] = []
    var isWriteWatched = false
    var saidHello = false
    var helloDeadline: Deadline
    var refusal: String?
    var detail: String?
    /// The memory in which it leaves the report of a crash.
    var crashReport: OwnedDescriptor?
    /// How it is forked; nil when it is spawned, and once the process is known.
    var forking: Forking?
    /// Whether it is a fork server.
    var isForkServer = false

    /// Still to say hello, and not yet killed for its silence.
    var isSilent: Bool { !saidHello && detail == nil }
  }

  /// What is needed to have a child forked, and forked again when the fork server has died over it.
  struct Forking {
    let ticket: Supervisor.StartTicket
    /// The messages the worker begins with.
    var frames: [ControlFrame]
    var server: UInt64 = 0
    var attempts = 0
  }

  /// A child that has ended, until everybody is told.
  struct Ended {
    let id: UInt64
    let worker: WorkerProcess
    let end: WorkerProcess.End
    /// What is to be written before: the child's last lines.
    var marks: [(relay: OutputRelay, mark: UInt64)] = []
    let deadline: Deadline
  }

  enum Tag {
    static let event: UInt64 = 0
    static let bits = 2
    static func pidfd(_ id: UInt64) -> UInt64 { id << bits }
    static func control(_ id: UInt64) -> UInt64 { id << bits | 1 }
    static func output(_ id: UInt64) -> UInt64 { id << bits | 2 }
    static func errors(_ id: UInt64) -> UInt64 { id << bits | 3 }
  }

  var epoll: OwnedDescriptor?
  var event: OwnedDescriptor?
  var children: [UInt64: Child] = [:]
  var identifiers: [ObjectIdentifier: UInt64] = [:]
  var lastIdentifier: UInt64 = 0
  /// By the tags of their pipes. A program that a child has started may keep one open beyond the child's end.
  var outputs: [UInt64: LabelledOutput] = [:]
  var ended: [Ended] = []
  /// Children that are dead and not yet ours to reap, because somebody traces them: a debugger, or a sanitizer at their exit. The kernel
  /// hands them over when that lets go of them, and tells it to nobody who has looked before.
  var traced: Set<UInt64> = []
  private static let tracedInterval: Int32 = 10
  /// How many children have not said hello: while there are none, no wait needs a limit.
  var awaited = 0

  /// The fork server that takes requests, and those who wait for it to be ready.
  var forkServer: UInt64?
  var forkServerTickets: [Supervisor.StartTicket] = []
  /// Why this program can have no fork server.
  var forkServerRefusal: ProcessStartError?

  /// Known since the first child.
  var outOfMemoryKills: Int?

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
        case .start(let worker, let ticket):
          if let problem { ticket.finish(problem(worker.name)) } else { start(worker, ticket) }
        case .prepare(let ticket):
          if let problem { ticket.finish(problem("the fork server")) } else { prepareForkServer(ticket) }
        case .send(let worker): takeOutgoing(of: worker)
        case .outputMoved: resumeOutputs()
        }
      }
      let told = takeEnded()
      let isIdle = children.isEmpty && outputs.isEmpty && ended.isEmpty && Supervisor.becomeIdle()  // S3
      if isIdle {
        epoll = nil
        event = nil
      }
      // Told only now, so that whoever is woken by the last end finds every descriptor closed.
      deliver(told)
      if isIdle { return }
      if problem == nil { wait() }
    }
  }

  private mutating func open() -> ((String) -> ProcessStartError)? {
    let epoll = spindle_epoll_create()
    let event = spindle_event_descriptor()
    if epoll >= 0 { self.epoll = OwnedDescriptor(owning: epoll) }
    if event >= 0 { self.event = OwnedDescriptor(owning: event) }
    guard let owned = (self.epoll, self.event) as? (OwnedDescriptor, OwnedDescriptor) else {
      return { ProcessStartError(worker: $0, operation: "epoll_create, eventfd", errorNumber: -min(epoll, event)) }
    }
    let error = spindle_epoll_set(epoll, event, Tag.event, UInt32(spindle_ready_read.rawValue), true)
    guard error == 0 else {
      return { ProcessStartError(worker: $0, operation: "epoll_ctl", errorNumber: error) }
    }
    Supervisor.setPolling(owned)
    if outOfMemoryKills == nil { outOfMemoryKills = OutOfMemoryKills.count }
    return nil
  }

  // ---- Waiting ----

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
      let id = event.tag >> Tag.bits
      if event.tag == Tag.output(id) || event.tag == Tag.errors(id) {
        readOutput(event.tag)
        continue
      }
      guard children[id] != nil else { continue }  // ended earlier in this batch
      if event.tag == Tag.pidfd(id) {
        if children[id]!.worker.exitStatus != nil { end(id) } else { watchTraced(id) }
      } else {
        if event.ready & UInt32(spindle_ready_write.rawValue) != 0 { write(id) }
        read(id, limit: 64)
      }
    }
    for id in traced where children[id]!.worker.exitStatus != nil { end(id) }
    if awaited > 0 { killSilent() }
  }

  private mutating func watchTraced(_ id: UInt64) {
    traced.insert(id)
    // It stays readable, and must not keep this thread awake.
    _ = spindle_epoll_set(epoll!.number, children[id]!.pidfd!.number, Tag.pidfd(id), 0, false)
  }

  private func millisecondsUntilDeadline() -> Int32 {
    if !traced.isEmpty { return Self.tracedInterval }
    guard awaited > 0 || !ended.isEmpty else { return -1 }
    let silent = children.values.lazy.filter(\.isSilent).map(\.helloDeadline.nanoseconds).min()
    let earliest = min(silent ?? .max, ended.lazy.map(\.deadline.nanoseconds).min() ?? .max)
    guard let left = Deadline(nanoseconds: earliest).remaining else { return -1 }
    // Rounded up: waking early would only mean waiting again.
    return Int32(clamping: left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
  }

  private mutating func killSilent() {
    for (id, child) in children where child.isSilent && child.helloDeadline.hasPassed {
      children[id]!.detail = "it did not become a worker within \(child.worker.options.helloTimeout)"
      guard let forking = child.forking else {
        child.worker.kill()
        continue
      }
      // Without a process there is a fork server that does not answer: its end brings the end of this start (F8).
      if let server = children[forking.server] { server.worker.kill() } else { giveUpFork(id) }
    }
  }
}
