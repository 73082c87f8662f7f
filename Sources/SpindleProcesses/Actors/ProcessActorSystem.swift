public import Distributed
internal import SpindleGround

/// Distributed actors that live in processes of their own: Python's `multiprocessing.Manager`, with types.
///
///     distributed actor Counter {
///       typealias ActorSystem = ProcessActorSystem
///       private var value: Int
///       init(actorSystem: ProcessActorSystem, from start: Int) { (self.actorSystem, value) = (actorSystem, start) }
///       distributed func add(_ step: Int) -> Int { value += step; return value }
///     }
///     let system = ProcessActorSystem()
///     let counter = try await system.spawn(Counter.init(actorSystem:from:), 40)
///     print(try await counter.add(2))  // 42, computed in another process
///
/// Write `import Distributed` beside `import Spindle`. The actor is made by a function without captures that gets the
/// system of the process it runs in and then the arguments. Arguments and results of its methods are `Codable & Sendable`;
/// methods may be async, throwing and generic. An error that is `Codable` comes back as itself, another as
/// `RemoteError`; cancelling the caller's task cancels the method's.
///
/// A crash of the actor's process is a `WorkerDiedError` of the calls that were running, and of all that follow; nothing else is
/// harmed. (Who asks long after, when hundreds of others have ended since, gets a `ProcessActorError`.) References are `Codable`:
/// pass them to other actors of the system, whatever process those live in, also references to actors of this process. An actor
/// lives as long as anybody has a reference to it. The processes are ended by `shutdown()`, and in any case with the program.
public final class ProcessActorSystem: DistributedActorSystem, @unchecked Sendable {
  public typealias ActorID = ProcessActorID
  public typealias InvocationEncoder = ProcessActorInvocationEncoder
  public typealias InvocationDecoder = ProcessActorInvocationDecoder
  public typealias ResultHandler = ProcessActorResultHandler
  public typealias SerializationRequirement = any Codable & Sendable

  /// For messages, and the start of the names of its processes.
  public let name: String

  let node: NodeName
  /// Takes messages for processes that are not below this one; nil at the root. It never waits.
  let uplink: (@Sendable (ControlFrame) -> Void)?
  let endsWhenUnused: Bool
  let state = RawGuarded(State())
  /// Held while a number that others are told is read and sent, so that they hear of changes in order.
  let saying = RawGuarded(())

  struct PendingCall {
    let to: NodeName
    let title: String
    let continuation: CheckedContinuation<ReceivedMessage, any Error>
  }

  struct State {
    var processes: [UInt32: ActorProcess] = [:]
    var lastProcess: UInt32 = 0
    /// Processes below this one, and others that were told of, that have ended.
    var deaths = ActorDeaths()
    var actors: [UInt64: AnyHostedActor] = [:]
    var lastActor: UInt64 = 0
    /// Actors elsewhere.
    var known: [ActorKey: KnownActor] = [:]
    /// Calls that this process made, by their number.
    var pending: [UInt64: PendingCall] = [:]
    var lastCall: UInt64 = 0
    /// Calls that run in this process, by the head of their message; nil until the task is known.
    var running: [ActorMessageHead: Task<Void, Never>?] = [:]
    /// How many run. More than there are in the table if somebody gives the same number twice.
    var runningCount = 0
    var wasUsed = false
    var isShutDown = false
  }

  /// Makes a system without any process yet.
  public convenience init(name: String = "actors") {
    self.init(name: name, node: NodeName(root: .random(in: .min ... .max)), uplink: nil, endsWhenUnused: false)
  }

  init(name: String, node: NodeName, uplink: (@Sendable (ControlFrame) -> Void)?, endsWhenUnused: Bool) {
    self.name = name
    self.node = node
    self.uplink = uplink
    self.endsWhenUnused = endsWhenUnused
  }

  deinit {
    // Nobody can reach an actor any more: a reference would have kept the system.
    for process in state.withLock({ $0.processes.values.map(\.self) }) { process.dismiss() }
  }
}

extension ProcessActorSystem {
  /// Makes an actor in a process of its own, which ends when nobody has a reference to an actor in it any more.
  ///
  ///     let counter = try await system.spawn(Counter.init(actorSystem:from:), 40)
  ///     let log = try await system.spawn({ system, path in try Log(actorSystem: system, path) }, "app.log")
  ///
  /// Throws what the function throws, `CapturedContextError` when it captured something, `ProcessStartError` or
  /// `WorkerDiedError` when its process did not live that long.
  public func spawn<Act: DistributedActor, each Argument: Codable & Sendable>(
    _ make: @escaping @Sendable (ProcessActorSystem, repeat each Argument) async throws -> Act,
    _ argument: repeat each Argument
  ) async throws -> Act where Act.ActorSystem == ProcessActorSystem {
    let process = try startProcess(name: nil, startMethod: .spawn, endsWhenUnused: true)
    do { return try await process.spawn(make, repeat each argument) } catch {
      process.dismiss()
      throw error
    }
  }

  /// Makes an actor whose function needs nothing but the system. See the form with arguments.
  public func spawn<Act: DistributedActor>(
    _ make: @escaping @Sendable (ProcessActorSystem) async throws -> Act
  ) async throws -> Act where Act.ActorSystem == ProcessActorSystem {
    let process = try startProcess(name: nil, startMethod: .spawn, endsWhenUnused: true)
    do { return try await process.spawn(make) } catch {
      process.dismiss()
      throw error
    }
  }

  /// Starts a process for any number of actors; it stays until it is shut down.
  ///
  ///     let process = try system.startProcess(name: "statistics")
  ///     let mean = try await process.spawn(Mean.init(actorSystem:))
  ///     let total = try await process.spawn(Total.init(actorSystem:))
  ///
  /// Returns at once; that the process could not be started is thrown by what is done with it. Throws
  /// `ProcessActorError` after `shutdown()`.
  public func startProcess(name: String? = nil, startMethod: StartMethod = .spawn) throws -> ActorProcess {
    try startProcess(name: name, startMethod: startMethod, endsWhenUnused: false)
  }

  /// The processes that have been started and have not ended.
  public var processes: [ActorProcess] {
    state.withLock { $0.processes.sorted { $0.key < $1.key }.map(\.value) }
  }

  /// Ends all processes of the system, and with them all actors in them. Returns when they have ended.
  ///
  /// Calls that are running fail with `ProcessActorError`, and so does every call from now on. A process that does not end
  /// by itself within some seconds is killed. Shutting down again does nothing.
  public func shutdown() async {
    let processes = state.withLock { state in
      state.isShutDown = true
      return state.processes.values.map(\.self)
    }
    for process in processes { process.dismiss() }
    for process in processes { await process.awaitDismissal() }
  }
}
