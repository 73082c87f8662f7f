internal import Distributed

/// A function that makes an actor in the process in which it is to live.
struct ActorMakerBox<Act: DistributedActor, each Argument>: Sendable {
  var function: @Sendable (ProcessActorSystem, repeat each Argument) async throws -> Act
}

/// The same without further arguments; not as an empty pack of them, see NullaryFunctionBox.
struct PlainActorMakerBox<Act: DistributedActor>: Sendable {
  var function: @Sendable (ProcessActorSystem) async throws -> Act
}

/// Decodes the arguments at once, and gives what makes the actor with them.
protocol ActorMaking: Sendable {
  func prepareActor(_ arguments: inout WireReader) throws -> PreparedActor
}

// SAFETY: the arguments are new values that nothing else refers to.
struct PreparedActor: @unchecked Sendable {
  let make: (ProcessActorSystem) async throws -> any DistributedActor
}

extension ActorMaking {
  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    throw FunctionNameError("an actor can only be made by a ProcessActorSystem")
  }
}

struct ActorMaker<Act: DistributedActor, each Argument: Codable>: Invoking, ActorMaking {
  let box: ActorMakerBox<Act, repeat each Argument>

  func prepareActor(_ arguments: inout WireReader) throws -> PreparedActor {
    let values = (repeat try arguments.decode((each Argument).self))
    try arguments.finish()
    return PreparedActor { [box] system in try await box.function(system, repeat each values) }
  }
}

struct PlainActorMaker<Act: DistributedActor>: Invoking, ActorMaking {
  let box: PlainActorMakerBox<Act>

  func prepareActor(_ arguments: inout WireReader) throws -> PreparedActor {
    try arguments.finish()
    return PreparedActor { [box] system in try await box.function(system) }
  }
}
