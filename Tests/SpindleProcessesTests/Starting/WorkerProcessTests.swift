import CSpindle
import CSpindleTesting
import Glibc
import SpindleGround
import Synchronization
import SpindleTestSupport
import Testing

import SpindleProcesses

/// What a worker said and how it ended.
final class Witness: Sendable {
  private let method: StartMethod
  private let seen = RawGuarded<(frames: [ControlFrame], end: WorkerProcess.End?)>(([], nil))
  private let said = Atomic<Int>(0)
  private let spot = ParkingSpot()

  init(_ method: StartMethod = .spawn) { self.method = method }

  var frames: [ControlFrame] { seen.withLock { $0.frames } }

  func start(
    _ options: WorkerProcess.Options = .init(name: "worker"), entry: WorkerEntry, sending: [ControlFrame] = []
  ) throws -> WorkerProcess {
    var options = options
    options.startMethod = method
    return try WorkerProcess.start(options, entry: entry, sending: sending, onMessage: message, onEnd: end)
  }

  /// The same without waiting for the process.
  func launch(entry: WorkerEntry) -> WorkerProcess {
    var options = WorkerProcess.Options(name: "launched")
    options.startMethod = method
    return WorkerProcess.launch(options, entry: entry, onMessage: message, onEnd: end)
  }

  private func message(_: WorkerProcess, _ frame: ControlFrame) {
    seen.withLock { $0.frames.append(frame) }
    said.wrappingAdd(1, ordering: .sequentiallyConsistent)
    spot.wakeAll()
  }

  private func end(_: WorkerProcess, _ end: WorkerProcess.End) {
    seen.withLock { $0.end = end }
    said.wrappingAdd(1, ordering: .sequentiallyConsistent)
    spot.wakeAll()
  }

  func waitForFrames(_ count: Int) -> [ControlFrame] {
    #expect(spot.wait("frames", until: Deadline(after: .seconds(60))) { seen.withLock { $0.frames.count >= count } })
    return frames
  }

  func waitForEnd() throws -> WorkerProcess.End {
    #expect(spot.wait("the end", until: Deadline(after: .seconds(60))) { seen.withLock { $0.end != nil } })
    return try #require(seen.withLock { $0.end })
  }
}

extension ControlFrame {
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

private let block: WorkerEntry = {
  while ControlChannel.ofWorker.receive() != nil {}
  return 0
}

private let echo: WorkerEntry = {
  while let frame = ControlChannel.ofWorker.receive() {
    if frame.text == "stop" { return 7 }
    ControlChannel.ofWorker.send(frame)
  }
  return 0
}

// Serialised: some properties are about every descriptor and every child of this process.
@Suite(.oneAtATime) struct WorkerProcessTests {
  @Test(arguments: StartMethod.allCases) func `an entry runs in a process of its own and its result is the exit code`(
    method: StartMethod
  ) throws {
    let witness = Witness(method)
    let worker = try witness.start(entry: { 42 })
    #expect(try witness.waitForEnd().exitStatus == .exited(42))
    #expect(worker.pid != getpid())
    #expect(worker.exitStatus == .exited(42))
    #expect(!worker.isAlive)
  }

  @Test(arguments: StartMethod.allCases) func `messages come back whole and in order, whatever their size`(
    method: StartMethod
  ) throws {
    let witness = Witness(method)
    let sizes = [0, 1, 23, 24, 4096, 65_537, amount(3_000_000, orWhereSlow: 700_001)]
    let sent = sizes.map { ControlFrame(kind: .message(9), bytes: (0..<$0).map { UInt8(truncatingIfNeeded: $0 &* 7) }) }
    let worker = try witness.start(entry: echo, sending: sent)
    #expect(witness.waitForFrames(sizes.count).map(\.bytes) == sent.map(\.bytes))
    worker.send(ControlFrame(kind: .message(0), bytes: Array("stop".utf8)))
    #expect(try witness.waitForEnd().exitStatus == .exited(7))
  }

  @Test(arguments: StartMethod.allCases) func `what a worker said before it died arrives before its end`(
    method: StartMethod
  ) throws {
    let witness = Witness(method)
    _ = try witness.start(entry: {
      for number in 0..<100 {
        ControlChannel.ofWorker.send(ControlFrame(kind: .message(0), bytes: Array("\(number)".utf8)))
      }
      kill(getpid(), SIGKILL)
      return 0
    })
    #expect(try witness.waitForEnd().exitStatus == .signalled(9))
    #expect(witness.frames.map(\.text) == (0..<100).map(String.init))
  }

  @Test(arguments: [1, 250, 251, 600], StartMethod.allCases)
  func `descriptors travel with a message and stay the same files`(count: Int, method: StartMethod) throws {
    let witness = Witness(method)
    var file: [Int32] = [0, 0]
    #expect(unsafe pipe(&file) == 0)
    let reading = OwnedDescriptor(owning: file[0])
    var descriptors = try (0..<count).map { _ in try #require(OwnedDescriptor(copying: file[1])) }
    close(file[1])
    let worker = try witness.start(
      entry: {
        guard let frame = ControlChannel.ofWorker.receive() else { return 1 }
        for descriptor in frame.descriptors {
          guard fcntl(descriptor.number, F_GETFD) & FD_CLOEXEC != 0 else { return 2 }
          var byte: UInt8 = 65
          guard unsafe write(descriptor.number, &byte, 1) == 1 else { return 3 }
        }
        return 0
      }, sending: [ControlFrame(kind: .message(0), bytes: [1, 2, 3], descriptors: descriptors)])
    #expect(try witness.waitForEnd().exitStatus == .exited(0))
    descriptors = []
    worker.send(ControlFrame(kind: .message(0)))  // to the dead: nothing happens
    var bytes = [UInt8](repeating: 0, count: 1000)
    var got = 0
    while case let n = unsafe read(reading.number, &bytes, bytes.count), n > 0 { got += n }
    #expect(got == count)
  }

  @Test(
    arguments: [(SIGTERM, ProcessExitStatus.signalled(15)), (SIGKILL, .signalled(9)), (SIGINT, .signalled(2))],
    StartMethod.allCases)
  func `a signal ends a worker and is its exit status`(
    end: (number: Int32, status: ProcessExitStatus), method: StartMethod
  ) throws {
    let witness = Witness(method)
    let worker = try witness.start(entry: block)
    #expect(worker.signal(end.number))
    #expect(try witness.waitForEnd().exitStatus == end.status)
    #expect(!worker.signal(end.number))
  }

  @Test(arguments: StartMethod.allCases) func `a worker that is to ignore interrupts survives Ctrl-C`(
    method: StartMethod
  ) throws {
    let witness = Witness(method)
    var options = WorkerProcess.Options(name: "stubborn")
    options.ignoresInterrupts = true
    let worker = try witness.start(options, entry: echo)
    worker.signal(SIGINT)
    worker.send(ControlFrame(kind: .message(0), bytes: Array("stop".utf8)))
    #expect(try witness.waitForEnd().exitStatus == .exited(7))
  }

  @Test(arguments: StartMethod.allCases)
  func `a worker that writes nonsense to its socket is killed, and the reason kept`(method: StartMethod) throws {
    let witness = Witness(method)
    _ = try witness.start(entry: {
      let nonsense = [UInt8](repeating: 0xee, count: 100)
      _ = unsafe write(ControlChannel.ofWorker.socket, nonsense, nonsense.count)
      while true { pause() }
    })
    let end = try witness.waitForEnd()
    #expect(end.exitStatus == .signalled(9))
    #expect(end.detail?.contains("no message") == true)
    #expect(end.startError == nil)
  }

  @Test(arguments: StartMethod.allCases)
  func `a header that promises more than there is costs no memory and hurts nobody`(method: StartMethod) throws {
    let witness = Witness(method)
    _ = try witness.start(entry: {
      var header: [UInt64] = [UInt64(0x4c44_5053) | 99 << 32, 0, UInt64(Int.max / 2)]
      _ = unsafe write(ControlChannel.ofWorker.socket, &header, 24)
      return 5
    })
    let end = try witness.waitForEnd()
    #expect(end.exitStatus == .exited(5))
    #expect(witness.frames.isEmpty)
  }

  @Test(arguments: StartMethod.allCases) func `the sentinel is readable after the end, asked for before or after it`(
    method: StartMethod
  ) throws {
    let witness = Witness(method)
    let early = try witness.start(entry: block)
    let sentinel = try #require(early.sentinel)
    #expect(!isReadable(sentinel.number, within: 0))
    early.kill()
    #expect(isReadable(sentinel.number, within: 20))
    #expect(early.exitStatus == .signalled(9))
    #expect(!early.isAlive)
    _ = try witness.waitForEnd()
    #expect(isReadable(sentinel.number, within: 0))

    let other = Witness(method)
    let late = try other.start(entry: { 0 })
    _ = try other.waitForEnd()
    #expect(isReadable(try #require(late.sentinel).number, within: 0))
  }

  @Test(arguments: StartMethod.allCases)
  func `fifty workers at once all start and end, and leave neither a descriptor nor a zombie`(method: StartMethod) async
  {
    // In a process of its own: what other tests open meanwhile does not count.
    switch method {
    case .spawn: await #expect(processExitsWith: .success) { try startFiftyWorkers(.spawn) }
    case .forkServer: await #expect(processExitsWith: .success) { try startFiftyWorkers(.forkServer) }
    }
  }

  @Test(arguments: StartMethod.allCases) func `a worker outlives the thread that started it`(method: StartMethod) throws
  {
    let witness = Witness(method)
    let started = RawGuarded<WorkerProcess?>(nil)
    var body: @Sendable () -> Void = { started.withLock { $0 = try? witness.start(entry: echo) } }
    // A thread of its own, joined before we go on: the kernel's death signal is bound to threads.
    let error = unsafe withUnsafeMutablePointer(to: &body) { body in
      unsafe spindle_race(
        1, { raw, _ in unsafe raw!.assumingMemoryBound(to: (@Sendable () -> Void).self).pointee() }, body)
    }
    #expect(error == 0)
    let worker = try #require(started.withLock { $0 })
    worker.send(ControlFrame(kind: .message(0), bytes: Array("stop".utf8)))
    #expect(try witness.waitForEnd().exitStatus == .exited(7))
  }

  #if DEBUG
    @Test(arguments: StartMethod.allCases) func `a silent child is killed when its time to say hello is over`(
      method: StartMethod
    ) throws {
      let witness = Witness(method)
      var options = WorkerProcess.Options(name: "silent")
      options.helloTimeout = .milliseconds(20)
      options.startFault = spindle_fault_silence.rawValue
      // Before the fork server has told who it is, the start itself fails; after that, the worker ends.
      var found: ProcessStartError?
      do {
        _ = try witness.start(options, entry: block)
        found = try witness.waitForEnd().startError
      } catch let error as ProcessStartError { found = error }
      let error = try #require(found)
      #expect(error.description.contains("silent"))
      #expect(error.reason.contains("did not become a worker"))
      #expect(zombies() == [])
    }
  #endif

  @Test(arguments: StartMethod.allCases)
  func `the status of a child that somebody else reaped is known or unknown, and nothing hangs`(method: StartMethod)
    throws
  {
    let witness = Witness(method)
    let worker = try witness.start(entry: block)
    let pid = try #require(worker.pid)
    // As a host does that collects every child; the race with the supervisor may go either way.
    worker.kill()
    var status: Int32 = 0
    _ = unsafe waitpid(pid, &status, 0)
    let found = try witness.waitForEnd().exitStatus
    #expect([.signalled(9), .unknown].contains(found))
  }
}

private func startFiftyWorkers(_ method: StartMethod) throws {
  let before = openDescriptors()
  do {
    let witnesses = (0..<50).map { _ in Witness(method) }
    let workers = try witnesses.map { try $0.start(entry: echo) }
    #expect(Set(workers.compactMap(\.pid)).count == 50)
    for worker in workers { worker.send(ControlFrame(kind: .message(0), bytes: Array("hello".utf8))) }
    for witness in witnesses { #expect(witness.waitForFrames(1).map(\.text) == ["hello"]) }
    for worker in workers { worker.send(ControlFrame(kind: .message(0), bytes: Array("stop".utf8))) }
    for witness in witnesses { #expect(try witness.waitForEnd().exitStatus == .exited(7)) }
  }
  ForkServer.stop()
  #expect(newDescriptors(since: before) == [:])
  #expect(zombies() == [])
}
