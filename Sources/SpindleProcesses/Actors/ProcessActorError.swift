public import Distributed

/// A call of an actor in another process that could not be made.
///
///     do { try await counter.add(1) } catch let error as ProcessActorError {
///       print(error)  // actor 3 in process 1 has been released
///     }
///
/// What the method throws is not this error; nor is the death of the actor's process, which is `WorkerDiedError`.
public struct ProcessActorError: DistributedActorSystemError, Sendable, Hashable, Codable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }

  static var ended: ProcessActorError { ProcessActorError("the process of the actor has ended") }
}
