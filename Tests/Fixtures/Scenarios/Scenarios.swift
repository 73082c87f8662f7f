import CSpindle
import Glibc
import SpindleProcesses

/// Writes one line to stdout at once, whatever stdout is.
public func say(_ line: String, to output: Int32 = 1) {
  let bytes = Array((line + "\n").utf8)
  _ = unsafe write(output, bytes, bytes.count)
}

/// How the fixture starts its children: the test says so in the environment.
public var startMethod: StartMethod { unsafe getenv("FIXTURE_START") == nil ? .spawn : .forkServer }

func fixtureOptions(named name: String) -> WorkerProcess.Options {
  var options = WorkerProcess.Options(name: name)
  options.startMethod = startMethod
  return options
}

/// What a fixture's main does: starts children of some kind, says their numbers, waits for a line on stdin, ends in some way.
///
/// `idle-exit`: an idle and a busy kind of child, and every kind of end.
public func run(scenario: String) {
  let parts = scenario.split(separator: "-").map(String.init)
  switch scenario {
  case "environment": return describeChild()
  case "nested": return nest()
  case "deleted":
    // SAFETY (all C calls of this file): buffers and sizes belong together.
    var path = [CChar](repeating: 0, count: 4096)
    _ = unsafe readlink("/proc/self/exe", &path, 4095)
    _ = unsafe unlink(path)
    return describeChild()
  case "closed":
    // Diagnostics of the child have nowhere to go; everything else works as ever.
    let saying = dup(1)
    for standard in 0...2 as ClosedRange<Int32> { close(standard) }
    return describeChild(saying: saying)
  case "ignored":
    _ = signal(SIGCHLD, SIG_IGN)
    return startOne({ 5 }) { say("\($0.exitStatus)") }
  case "undiverted":
    do {
      _ = try WorkerProcess.start(
        fixtureOptions(named: "none"), entry: { 0 }, onMessage: { _, _ in }, onEnd: { _, _ in })
    } catch { say("\(error)") }
    return
  case "crowded":
    var limit = rlimit()
    unsafe getrlimit(7 /* NOFILE */, &limit)
    limit.rlim_cur = 64
    unsafe setrlimit(7, &limit)
    var opened: [Int32] = []
    while case let next = dup(0), next >= 0 { opened.append(next) }
    do {
      _ = try WorkerProcess.start(
        fixtureOptions(named: "one too many"), entry: { 0 }, onMessage: { _, _ in }, onEnd: { _, _ in })
    } catch {
      say("\(error.errorNumber == EMFILE) \(error.operation)")
    }
    for one in opened { close(one) }
    return startOne({ 6 }) { say("\($0.exitStatus)") }
  case "main-actor":
    return startOne({
      Task { @MainActor in
        counter += 1
        await Task.yield()
        counter += isMainThread() ? 41 : 1000
        exit(Int32(counter))
      }
      while true { pause() }
    }) { say("\($0.exitStatus)") }
  case "awaited":
    _ = try! WorkerProcess.start(
      fixtureOptions(named: "long"),
      entry: {
        guard let input = ControlChannel.ofWorker.receive()?.descriptors.first else { return 1 }
        ControlChannel.ofWorker.send(ControlFrame(kind: .message(0)))
        var byte: UInt8 = 0
        _ = unsafe read(input.number, &byte, 1)
        say("finished by itself")
        return 0
      }, sending: [ControlFrame(kind: .message(0), descriptors: [OwnedDescriptor(copying: 0)!])],
      onMessage: { _, _ in say("begun") }, onEnd: { _, end in say("\(end.exitStatus)") })
    return say("main returns")
  default: break
  }
  if runPool(scenario: scenario) || runActors(scenario: scenario) || runProcess(scenario: scenario) { return }
  guard parts.count == 2, let entry = entries[parts[0]], let end = ends[parts[1]] else {
    say("no such scenario")
    exit(2)
  }
  var options = fixtureOptions(named: "fixture")
  options.isDaemon = true
  for _ in 0..<2 {
    let worker = try! WorkerProcess.start(
      options, entry: entry,
      onMessage: { worker, _ in say("child \(worker.pid!)") }, onEnd: { worker, _ in say("end \(worker.pid!)") })
    // The child runs on when its handle is gone.
    _ = worker
  }
  _ = readLine()
  end()
}

private let entries: [String: WorkerEntry] = [
  "idle": {
    ControlChannel.ofWorker.send(ControlFrame(kind: .message(0)))
    while ControlChannel.ofWorker.receive() != nil {}
    return 0
  },
  "busy": {
    ControlChannel.ofWorker.send(ControlFrame(kind: .message(0)))
    var rounds = 0
    while getppid() != -1 { rounds &+= 1 }  // a loop without any effect may be optimised away
    return Int32(truncatingIfNeeded: rounds)
  },
  "deaf": {
    // Neither EOF nor SIGTERM nor SIGINT is heard: only the kernel ends it.
    _ = signal(SIGTERM, SIG_IGN)
    _ = signal(SIGINT, SIG_IGN)
    close(3)
    say("deaf \(getpid())")
    while true { pause() }
  },
]

private let ends: [String: @Sendable () -> Void] = [
  "return": {},
  "exit": { exit(3) },
  "_exit": { _exit(4) },
  "trap": {
    close(2)  // the test's output stays readable
    fatalError("as the scenario wants it")
  },
  "wait": { while true { pause() } },
]

@MainActor private var counter = 0

private func isMainThread() -> Bool { spindle_thread_id() == getpid() }

private func startOne(_ entry: WorkerEntry, onEnd: @escaping @Sendable (WorkerProcess.End) -> Void) {
  _ = try! WorkerProcess.start(
    fixtureOptions(named: "one"), entry: entry, onMessage: { _, _ in }, onEnd: { _, end in onEnd(end) })
}

/// One child says what it sees of itself.
private func describeChild(saying output: Int32 = 1) {
  let worker = try! WorkerProcess.start(
    fixtureOptions(named: "describer"),
    entry: {
      var signals = sigset_t()
      _ = unsafe pthread_sigmask(SIG_BLOCK, nil, &signals)
      let blocked = (1...31 as ClosedRange<Int32>).filter { unsafe sigismember(&signals, $0) == 1 }
      let open = (0..<64 as Range<Int32>).filter { fcntl($0, F_GETFD) >= 0 }
      let inherited = open.filter { fcntl($0, F_GETFD) & FD_CLOEXEC == 0 }
      let order = unsafe getenv("SPINDLE_WORKER") == nil ? "none" : "left"
      ControlChannel.ofWorker.send(
        ControlFrame(
          kind: .message(0),
          bytes: Array(
            """
            role \(WorkerRole.isWorker) \(WorkerRole.name ?? "-") \(WorkerRole.parentID == getppid())
            arguments \(CommandLine.arguments.dropFirst().joined(separator: ","))
            blocked \(blocked)
            open \(open) inherited \(inherited)
            order \(order)
            """.utf8)))
      return 0
    },
    onMessage: { _, frame in say(String(decoding: frame.bytes, as: UTF8.self), to: output) },
    onEnd: { _, end in say("\(end.exitStatus)", to: output) })
  _ = worker
}

/// A child that starts a child, and goes before it.
private func nest() {
  var options = fixtureOptions(named: "outer")
  options.isDaemon = true
  _ = try! WorkerProcess.start(
    options,
    entry: {
      let inner = try! WorkerProcess.start(
        fixtureOptions(named: "inner"), entry: entries["busy"]!,
        onMessage: { inner, _ in
          ControlChannel.ofWorker.send(ControlFrame(kind: .message(0), bytes: Array("\(inner.pid!)".utf8)))
        }, onEnd: { _, _ in })
      _ = inner
      while true { pause() }
    },
    onMessage: { outer, frame in
      say("child \(outer.pid!)")
      say("child \(String(decoding: frame.bytes, as: UTF8.self))")
    }, onEnd: { _, _ in })
  _ = readLine()
}
