internal import CSpindle
internal import SpindleGround
internal import SpindleThreads

/// The life of a pool's worker, in its own process.
enum PoolWorkerMain {
  /// Returns the exit code; the exit then flushes what the calls have printed.
  static func run(over channel: ControlChannel = .ofWorker) -> Int32 {
    guard let first = channel.receive(), first.kind == .configuration, first.descriptors.count == 3,
      let configuration = try? Wire.decode(PoolConfiguration.self, from: first.bytes),
      let files = try? first.descriptors.map({ try SharedFile(received: $0.take()) }),
      let worker = try? PoolWorker(files, configuration, channel)
    else { return 127 }
    ProcessIdentity.current = configuration.identity
    ProcessorShare.setForProcess(configuration.sharers)
    let initialized = configuration.initializer.map { invokeCall($0) }
    channel.send(ControlFrame(kind: .ready, bytes: initialized ?? []))
    return worker.serve()
  }
}

/// The worker's side of its link; one thread.
final class PoolWorker {
  private let channel: ControlChannel
  private let link: CallLink
  private let memory: PoolMemory
  private let calls: ArenaWindow
  private let replies: ReplyArena
  private let maxResidentMemory: Int?
  private let stop: CallStop
  private var invokers: [(any Invoking)?] = []
  // SAFETY: one thread, and no access is open while code of the user runs.
  @exclusivity(unchecked) private var storedNumber: UInt64 = 1
  private var number: UInt64 {
    @inline(__always) get { unsafe storedNumber }
    @inline(__always) _modify { yield unsafe &storedNumber }
  }
  /// For one reply after the other; the same until something was attached to one.
  private var leaving = AttachmentList()
  private var reply: WireWriter
  /// A larger reply does not keep its memory.
  private static let keptReply = 64 << 10

  init(_ files: [SharedFile], _ configuration: PoolConfiguration, _ channel: ControlChannel) throws {
    self.channel = channel
    link = try CallLink(files[0])
    link.file = nil
    memory = try PoolMemory(files[1])
    calls = ArenaWindow(files[1])
    replies = try ReplyArena(files[2])
    maxResidentMemory = configuration.maxResidentMemory
    reply = WireWriter(attachments: leaving)
    stop = CallStop(link)
  }

  /// When a sleep was shorter than this, most of it was the wake-up.
  private static let shortSleep: Int64 = 60_000

  func serve() -> Int32 {
    // One call after the other, each awaited, comes about as fast as a worker falls asleep: then every call would pay for
    // a wake-up. So after a sleep that was hardly more than that, the next wait is as long as a wake-up, until one was in
    // vain.
    var isAwaited = false
    func patience() -> SpinPolicy { isAwaited ? SpinPolicy(untilAwake: ()) : SpinPolicy() }
    var pauses = patience()
    while true {
      switch link.begin(&number) {
      case .call:
        FaultPoint.callBegun.reach()
        run()
        pauses = patience()
      case .dismissed: return 0
      case .nothing:
        if pauses.pauseOrYield() { continue }
        let start = spindle_now()
        link.sleep { link.isAnythingNew(number) }
        isAwaited = !isAwaited && spindle_now() - start < Self.shortSleep
        pauses = patience()
      }
    }
  }

  /// W3: runs the call in the slot.
  private func run() {
    guard let head = link.head(number) else { return answer(errorReply(FunctionNameError("malformed call"))) }
    switch head.place {
    case .slot: unsafe run(head, UnsafeRawBufferPointer(link.bytes(number)), attachments: nil)
    case .arena:
      guard let mapping = calls.map(head.offset, head.count) else {
        return answer(errorReply(FunctionNameError("the call's memory cannot be mapped")))
      }
      unsafe run(head, UnsafeRawBufferPointer(start: mapping.base, count: head.count), attachments: nil)
    case .message:
      // Messages of calls that were taken back are passed.
      while let frame = channel.receive() {
        guard frame.kind == .call, frame.number == head.offset else { continue }
        let attachments = AttachmentList(receivedWith: frame)
        unsafe frame.bytes.withUnsafeBytes {
          unsafe run(head, UnsafeRawBufferPointer(rebasing: $0.dropFirst(8)), attachments: attachments)
        }
        attachments.closeRest()
        return
      }
      // The parent is gone; this process is about to end too.
      spindle_sleep_for_ever()
    }
  }

  private func run(_ head: CallLink.Head, _ bytes: UnsafeRawBufferPointer, attachments: AttachmentList?) {
    guard head.count <= bytes.count else { return answer(errorReply(FunctionNameError("malformed call"))) }
    let invoker: any Invoking
    do {
      invoker = try unsafe self.invoker(head, bytes)
    } catch {
      return answer(errorReply(error))
    }
    let arguments = unsafe UnsafeRawBufferPointer(rebasing: bytes[head.headerCount..<head.count])
    if invoker.isAsync, !head.isBatch { return unsafe runInTask(invoker, arguments, attachments) }
    stop.number = number
    var reader = unsafe WireReader(arguments, attachments: attachments)
    // Not straight to the slot: the arguments are read from there meanwhile.
    reply.reset()
    Cancellation.with(source: stop) {
      if head.isBatch {
        invokeRow(invoker, &reader, reply)
      } else {
        invoke(invoker, &reader, reply)
      }
    }
    FaultPoint.callDone.reach()
    unsafe reply.withBytes { unsafe publish($0, isBatch: head.isBatch, leaving) }
    if leaving.count > 0 || reply.count > Self.keptReply {
      leaving = AttachmentList()
      reply = WireWriter(attachments: leaving)
    }
  }

  private func invoker(_ head: CallLink.Head, _ bytes: UnsafeRawBufferPointer) throws -> any Invoking {
    let number = Int(head.header)
    if number < invokers.count, let invoker = invokers[number] { return invoker }
    guard head.headerCount > 0, number <= CallTarget.mostNumbers else {
      throw FunctionNameError("malformed call: unknown function")
    }
    var reader = unsafe WireReader(UnsafeRawBufferPointer(rebasing: bytes[..<head.headerCount]))
    let invoker = try CallHeader.invoker(at: &reader)
    if number > 0 {
      while invokers.count <= number { invokers.append(nil) }
      invokers[number] = invoker
    }
    return invoker
  }

  /// An async function runs in a task; this thread waits for its end, and for a request to stop.
  private func runInTask(
    _ invoker: any Invoking, _ arguments: UnsafeRawBufferPointer, _ attachments: AttachmentList?
  ) {
    let leaving = AttachmentList()
    let outcome = RawGuarded<[UInt8]?>(nil)
    do {
      var reader = unsafe WireReader(arguments, attachments: attachments)
      let prepared = try invoker.prepare(&reader)
      let task = Task.detached { [link] in
        let reply: [UInt8]
        do { reply = try await prepared.run(leaving) } catch { reply = errorReply(error) }
        outcome.withLock { $0 = reply }
        link.ring()
      }
      var pauses = SpinPolicy()
      var hasCancelled = false
      while true {
        if let reply = outcome.withLock({ $0 }) {
          FaultPoint.callDone.reach()
          return unsafe reply.withUnsafeBytes { unsafe publish($0, isBatch: false, leaving) }
        }
        if !hasCancelled, link.isStopRequested(number) {
          hasCancelled = true
          task.cancel()
        }
        if pauses.pauseOrYield() { continue }
        link.sleep { outcome.withLock { $0 != nil } || !hasCancelled && link.isStopRequested(number) }
        pauses = SpinPolicy()
      }
    } catch {
      answer(errorReply(error))
    }
  }

  private func answer(_ reply: [UInt8]) {
    unsafe reply.withUnsafeBytes { unsafe publish($0, isBatch: false, AttachmentList()) }
  }

  /// W4: puts the reply where it fits, and says so.
  private func publish(_ reply: UnsafeRawBufferPointer, isBatch: Bool, _ leaving: AttachmentList) {
    var head = CallLink.Head(isBatch: isBatch, count: reply.count)
    if leaving.count > 0 {
      unsafe sendMessage(reply, leaving, &head)
    } else if reply.count <= CallLink.room {
      if let bytes = reply.baseAddress {
        unsafe link.bytes(number).baseAddress!.copyMemory(from: bytes, byteCount: reply.count)
      }
    } else if let offset = unsafe replies.write(reply) {
      head.place = .arena
      head.offset = offset
    } else {
      unsafe sendMessage(reply, leaving, &head)
    }
    if let maxResidentMemory, spindle_resident_memory() > Int64(maxResidentMemory) { head.isLast = true }
    link.write(head, number)
    let mustRing = link.publish(number)
    let isLast = head.isLast
    number += 1
    if mustRing {
      FaultPoint.bellTaken.reach()
      memory.ring()  // W5
    }
    if isLast { awaitDismissal() }
  }

  private func sendMessage(_ reply: UnsafeRawBufferPointer, _ leaving: AttachmentList, _ head: inout CallLink.Head) {
    head.place = .message
    unsafe channel.send(
      ControlFrame(.reply, number: number, bytes: [UInt8](reply), descriptors: leaving.toSend))
  }

  /// Begins nothing more: what is in the slots is taken back.
  private func awaitDismissal() {
    while !link.isDismissed { link.sleep { link.isDismissed } }
  }
}

/// What a running call sees as its cancellation: a number in the memory that the worker shares with its parent.
// SAFETY: `number` is changed by the worker's thread alone, between calls; other threads got a token, which has its
// own.
private final class CallStop: CancellationSource, @unchecked Sendable {
  private let link: CallLink
  @exclusivity(unchecked) private var storedNumber: UInt64 = 0
  var number: UInt64 {
    @inline(__always) get { unsafe storedNumber }
    @inline(__always) set { unsafe storedNumber = newValue }
  }

  init(_ link: CallLink) { self.link = link }

  var isCancellationRequested: Bool { link.isStopRequested(number) }
  var cancellation: CancellationToken { CancellationToken(observing: { [link, number] in link.isStopRequested(number) }) }
}
