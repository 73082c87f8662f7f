internal import Distributed

/// An actor of this process that others may know.
///
/// It is kept alive while they do; else only by who holds it here. Everything is under the system's lock, but `perform`.
// SAFETY: as said.
class AnyHostedActor: @unchecked Sendable {
  /// How often which process was told its name.
  var holders: [NodeName: Int] = [:]

  var actor: (any DistributedActor)? { nil }
  /// Keeps the actor alive from now on.
  func keep() {}
  /// What was kept, to be released outside the lock.
  func letGo() -> AnyObject? { nil }

  /// Runs a method. Outside the lock.
  func perform(
    _ target: RemoteCallTarget, on actor: any DistributedActor, in system: ProcessActorSystem,
    _ decoder: inout ProcessActorInvocationDecoder, _ handler: ProcessActorResultHandler
  ) async throws {}
}

final class HostedActor<Act: DistributedActor>: AnyHostedActor, @unchecked Sendable {
  private weak var weakly: Act?
  private var strongly: Act?

  func become(_ actor: Act) { weakly = actor }

  override var actor: (any DistributedActor)? { weakly }
  override func keep() { strongly = weakly }
  override func letGo() -> AnyObject? {
    defer { strongly = nil }
    return strongly
  }

  override func perform(
    _ target: RemoteCallTarget, on actor: any DistributedActor, in system: ProcessActorSystem,
    _ decoder: inout ProcessActorInvocationDecoder, _ handler: ProcessActorResultHandler
  ) async throws {
    guard let actor = actor as? Act else { throw ProcessActorError("the actor is of another type") }
    try await system.executeDistributedTarget(
      on: actor, target: target, invocationDecoder: &decoder, handler: handler)
  }
}
