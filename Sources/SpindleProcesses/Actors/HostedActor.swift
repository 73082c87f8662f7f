internal import Distributed

/// An actor of this process that others may know.
///
/// It is kept alive while they do; else only by who holds it here. Everything is under the system's lock, but `perform`.
// SAFETY: as said.
class AnyHostedActor: @unchecked Sendable {
  /// How often which process was told its name, and by which.
  var holders: [NodeName: [NodeName: Int]] = [:]

  var actor: (any DistributedActor)? { nil }
  /// The type in which the caller believes must be this one: Swift finds the method by its name alone.
  var typeMark: UInt64 { 0 }
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

  override var typeMark: UInt64 { actorTypeMark(Act.self) }
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

private final class TypeMark: Sendable {
  let mark: UInt64
  init(_ mark: UInt64) { self.mark = mark }
}
private let typeMarks = WordTable<TypeMark>(slotCount: 1024)

/// A type in a message, where it is only to be compared: the same in every process of the program.
func actorTypeMark(_ type: Any.Type) -> UInt64 {
  let key = WordTable<TypeMark>.Key(a: UInt(bitPattern: ObjectIdentifier(type)))
  if let known = typeMarks.find(key) { return known.mark }
  // By the name under which types travel: those for people differ from process to process where a type is private or local.
  let name = (try? Wire.encode(TypeName(type))) ?? Array(_typeName(type).utf8)
  let mark = name.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }  // FNV-1a
  return typeMarks.insert(TypeMark(mark), for: key).mark
}
