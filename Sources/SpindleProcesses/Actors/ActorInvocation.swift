public import Distributed

/// Collects one call of a distributed method; made by `ProcessActorSystem`, used by Swift.
public struct ProcessActorInvocationEncoder: DistributedTargetInvocationEncoder {
  public typealias SerializationRequirement = any Codable & Sendable

  /// One object, so that copies of the encoder write into the same bytes.
  final class Contents {
    let context: ActorContext
    let attachments = AttachmentList()
    let arguments: WireWriter
    var generics: [TypeName] = []

    init(_ system: ProcessActorSystem) {
      context = ActorContext(system)
      arguments = WireWriter(attachments: attachments, actors: context)
    }
  }
  let contents: Contents

  public mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {
    contents.generics.append(try TypeName(type))
  }

  public mutating func recordArgument<Value: Codable & Sendable>(_ argument: RemoteCallArgument<Value>) throws {
    try contents.arguments.encode(argument.value)
  }

  public mutating func recordReturnType<R: Codable & Sendable>(_ type: R.Type) throws {}
  public mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}
  public mutating func doneRecording() throws {}
}

/// Gives the arguments of one call to a distributed method; made by `ProcessActorSystem`, used by Swift.
public struct ProcessActorInvocationDecoder: DistributedTargetInvocationDecoder {
  public typealias SerializationRequirement = any Codable & Sendable

  let message: ReceivedMessage
  var place: Int
  let generics: [Any.Type]
  let attachments: AttachmentList
  let context: ActorContext

  public mutating func decodeGenericSubstitutions() throws -> [Any.Type] { generics }

  public mutating func decodeNextArgument<Argument: Codable & Sendable>() throws -> Argument {
    try unsafe message.frame.bytes.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes, from: place, attachments: attachments, actors: context)
      let value = try reader.decode(Argument.self)
      place = reader.offset
      return value
    }
  }

  public mutating func decodeErrorType() throws -> Any.Type? { nil }
  public mutating func decodeReturnType() throws -> Any.Type? { nil }
}

/// Takes the result of one call of a distributed method; made by `ProcessActorSystem`, used by Swift.
public struct ProcessActorResultHandler: DistributedTargetInvocationResultHandler {
  public typealias SerializationRequirement = any Codable & Sendable

  let reply: ActorReplyDraft

  public func onReturn<Success: Codable & Sendable>(value: Success) async throws { try reply.write(value) }
  public func onReturnVoid() async throws { try reply.write(ReplyKind.value) }
  public func onThrow<Err: Error>(error: Err) async throws { reply.write(failure: error) }
}

/// The reply to one call, while it comes into being.
// SAFETY: written by the one task that runs the call, and read by it afterwards.
final class ActorReplyDraft: @unchecked Sendable {
  let context: ActorContext
  let attachments = AttachmentList()
  private let writer: WireWriter

  private let head: ActorMessageHead
  private let start: Int

  init(_ head: ActorMessageHead, _ system: ProcessActorSystem) {
    self.head = head
    context = ActorContext(system, peer: head.to)
    writer = WireWriter(attachments: attachments, actors: context)
    start = Self.write(head, ActorNames(), to: writer)
  }

  /// Plain numbers, which always can be encoded.
  private static func write(_ head: ActorMessageHead, _ names: ActorNames, to writer: borrowing WireWriter) -> Int {
    try? writer.encode(head)
    try? writer.encode(names)
    return writer.count
  }

  func write(_ kind: ReplyKind) throws { try writer.encode(kind) }

  func write<Value: Encodable>(_ value: Value) throws {
    try writer.encode(ReplyKind.value)
    try writer.encode(value)
  }

  func write(failure error: any Error) {
    writer.truncate(to: start)
    attachments.truncate(to: 0)
    context.takeBack()
    writer.append(errorReply(error))
  }

  var frame: ControlFrame {
    let names = context.names
    var bytes = writer.bytes
    if !names.keys.isEmpty {
      let front = WireWriter()
      _ = Self.write(head, names, to: front)
      unsafe writer.withBytes { unsafe front.append(UnsafeRawBufferPointer(rebasing: $0[start...])) }
      bytes = front.bytes
    }
    return ControlFrame(kind: .actorReply, bytes: bytes, descriptors: attachments.toSend)
  }
}
