public import Distributed
internal import SpindleGround
internal import Synchronization

/// A process in which actors of a `ProcessActorSystem` live.
///
///     let process = try system.startProcess(name: "statistics")
///     let mean = try await process.spawn(Mean.init(actorSystem:))
///     await process.shutdown()
///
/// Made by `ProcessActorSystem.startProcess`. It ends by `shutdown()`, `terminate()` or `kill()`, with the system, and with
/// the program.
public final class ActorProcess: Sendable, CustomStringConvertible {
  /// Its name: as given, or that of its system and a number.
  public let name: String
  let node: NodeName
  private struct Owner {
    weak var system: ProcessActorSystem?
  }
  private let owner: RawGuarded<Owner>
  private let worker = RawGuarded<WorkerProcess?>(nil)
  /// In place of a worker, for tests.
  private let link: (@Sendable (ControlFrame) -> Void)?
  private let isDismissed = Atomic<Bool>(false)
  private let ended = Gate()

  init(
    name: String, node: NodeName, system: ProcessActorSystem, link: (@Sendable (ControlFrame) -> Void)? = nil
  ) {
    self.link = link
    self.name = name
    self.node = node
    owner = RawGuarded(Owner(system: system))
  }

  private func system() throws -> ProcessActorSystem {
    guard let system = owner.withLock({ $0.system }) else {
      throw ProcessActorError("the system of \(self) is gone")
    }
    return system
  }

  func launch(_ system: ProcessActorSystem, _ startMethod: StartMethod, endsWhenUnused: Bool) {
    var options = WorkerProcess.Options(name: name)
    options.isDaemon = true
    options.startMethod = startMethod
    let configuration = ActorConfiguration(
      identity: .ofChild(named: name, isDaemon: true), node: node, endsWhenUnused: endsWhenUnused)
    // Plain values, which always can be encoded.
    let bytes = (try? Wire.encode(configuration)) ?? []
    let worker = WorkerProcess.launch(
      options, entry: { ActorHostMain.run() }, sending: [ControlFrame(kind: .actorConfiguration, bytes: bytes)],
      onMessage: { [weak system] _, frame in system?.receive(frame, from: self) },
      onEnd: { [weak system] worker, end in
        system?.processEnded(self, worker.pid, end)
        self.ended.open()
      })
    self.worker.withLock { $0 = worker }
  }

  func send(_ frame: ControlFrame) {
    if let link { return link(frame) }
    worker.withLock { $0 }?.send(frame)
  }

  /// Asks it to end; its actors end with it.
  func dismiss() {
    if isDismissed.exchange(true, ordering: .relaxed) { return }
    send(ControlFrame(kind: .actorDismissal))
  }

  /// Whether its end was asked for, so that it is no death.
  var wasDismissed: Bool { isDismissed.load(ordering: .relaxed) }

  package func awaitEnd() async {
    // Not cancelled with the caller: what was begun is brought to its end.
    await Task.detached { [ended] in _ = try? await ended.wait("the end of a process of actors") }.value
  }

  /// Waits for an end that was asked for. It has some seconds for it.
  func awaitDismissal() async {
    await Task.detached { [ended, self] in
      if (try? await ended.wait("the end of a process of actors", until: Deadline(after: .seconds(5)))) == true { return }
      kill()
    }.value
    await awaitEnd()
  }

  /// The kernel's number of the process; nil until it has been started.
  public var pid: Int32? { worker.withLock { $0 }?.pid }

  /// Whether it has been started and has not ended.
  public var isAlive: Bool { worker.withLock { $0 }?.isAlive ?? false }

  /// How the process ended; nil while it runs.
  public var exitStatus: ProcessExitStatus? { worker.withLock { $0 }?.exitStatus }

  /// Ends the process and the actors in it, and returns when it has ended. Calls that are running fail with
  /// `ProcessActorError`. If it does not end by itself within some seconds it is killed.
  public func shutdown() async {
    dismiss()
    await awaitDismissal()
  }

  /// Asks the process to end (SIGTERM), which ends it unless its code has a handler.
  public func terminate() { worker.withLock { $0 }?.terminate() }

  /// Ends the process at once (SIGKILL): a `WorkerDiedError` for who waits for an actor in it.
  public func kill() { worker.withLock { $0 }?.kill() }

  public var description: String { "process of actors \"\(name)\" (pid \(pid.map(String.init) ?? "none yet"))" }

  /// Makes an actor in this process. See `ProcessActorSystem.spawn`.
  public func spawn<Act: DistributedActor, each Argument: Codable & Sendable>(
    _ make: @escaping @Sendable (ProcessActorSystem, repeat each Argument) async throws -> Act,
    _ argument: repeat each Argument
  ) async throws -> Act where Act.ActorSystem == ProcessActorSystem {
    let target = try CallTarget.of(ActorMakerBox<Act, repeat each Argument>(function: make), .actorMaker) {
      var types = [try TypeName(Act.self)]
      for type in repeat (each Argument).self { types.append(try TypeName(type)) }
      return types
    }
    return try await system().make(Act.self, target, in: node, "\(Act.self).init") { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  /// Makes an actor whose function needs nothing but the system.
  public func spawn<Act: DistributedActor>(
    _ make: @escaping @Sendable (ProcessActorSystem) async throws -> Act
  ) async throws -> Act where Act.ActorSystem == ProcessActorSystem {
    let target = try CallTarget.of(PlainActorMakerBox<Act>(function: make), .plainActorMaker) {
      [try TypeName(Act.self)]
    }
    return try await system().make(Act.self, target, in: node, "\(Act.self).init") { _ in }
  }
}
