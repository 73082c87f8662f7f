/// The first value of a reply.
enum ReplyKind: UInt8, DirectlyCoded {
  case value, error, foreignError, cancelled

  func put(into state: EncodingState) { state.put(rawValue) }

  static func take(from state: DecodingState, at place: inout Int) -> ReplyKind? {
    defer { place += 1 }
    return state.byte(at: place).flatMap { ReplyKind(rawValue: $0) }
  }

  /// The error that follows in a reply of this kind.
  func error(_ reply: inout WireReader) throws -> any Error {
    switch self {
    case .value: return FunctionNameError("malformed reply: no error")
    case .error:
      let name = try reply.decode(TypeName.self)
      guard let type = try name.resolve() as? any (Error & Decodable).Type else {
        return FunctionNameError("malformed reply: the error is of a type that is none")
      }
      func decodeError<E: Error & Decodable>(_: E.Type) throws -> any Error { try reply.decode(E.self) }
      return try decodeError(type)
    case .foreignError: return try reply.decode(RemoteError.self)
    case .cancelled: return CancellationError()
    }
  }
}

/// Calls the function that `call` names with the arguments in it, and gives the encoded result or error.
///
/// Everything that goes wrong is in the reply: what the function throws, arguments that cannot be decoded, a function
/// that is not of this program, a result that cannot be encoded. Descriptors that came with the call are taken from
/// `attachments`, those in the result are appended to `replyAttachments`. An async function needs the async form.
package func invokeCall(
  _ call: [UInt8], attachments: AttachmentList? = nil, replyAttachments: AttachmentList? = nil
) -> [UInt8] {
  let reply = WireWriter(attachments: replyAttachments)
  unsafe call.withUnsafeBytes { unsafe invokeCall($0, attachments: attachments, into: reply) }
  return reply.bytes
}

/// The same, straight from and into memory of the caller's; the reply is appended.
package func invokeCall(
  _ call: UnsafeRawBufferPointer, attachments: AttachmentList? = nil, into reply: borrowing WireWriter
) {
  let start = reply.count
  do {
    var reader = unsafe WireReader(call, attachments: attachments)
    try CallHeader.invoker(at: &reader).run(&reader, reply)
  } catch {
    reply.truncate(to: start)
    reply.append(errorReply(error))
  }
}

/// The same for what `CallHeader.invoker` has found, with the arguments alone.
func invoke(_ invoker: any Invoking, _ arguments: inout WireReader, _ reply: borrowing WireWriter) {
  let start = reply.count
  do {
    try invoker.run(&arguments, reply)
  } catch {
    reply.truncate(to: start)
    reply.append(errorReply(error))
  }
}

/// The same for calls in a row.
func invokeRow(_ invoker: any Invoking, _ arguments: inout WireReader, _ reply: borrowing WireWriter) {
  if let error = invoker.runRow(&arguments, reply) {
    reply.append(errorReply(error))
  } else {
    reply.append(.value)
  }
}

/// Whether the call is one for `invokeCallAsync`; false for bytes that are no call.
package func isAsyncCall(_ call: [UInt8]) -> Bool { unsafe call.withUnsafeBytes { unsafe isAsyncCall($0) } }

package func isAsyncCall(_ call: UnsafeRawBufferPointer) -> Bool {
  var reader = unsafe WireReader(call)
  return (try? CallHeader.invoker(at: &reader).isAsync) ?? false
}

/// As `invokeCall`, for functions of either kind; the function runs in the caller's task.
package func invokeCallAsync(
  _ call: [UInt8], attachments: AttachmentList? = nil, replyAttachments: AttachmentList? = nil
) async -> [UInt8] {
  guard isAsyncCall(call) else {
    return invokeCall(call, attachments: attachments, replyAttachments: replyAttachments)
  }
  do {
    let prepared = try unsafe call.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes, attachments: attachments)
      return try CallHeader.invoker(at: &reader).prepare(&reader)
    }
    return try await prepared.run(replyAttachments)
  } catch {
    return errorReply(error)
  }
}

/// The reply for a call that failed, whoever found out.
package func errorReply(_ error: any Error) -> [UInt8] {
  let reply = WireWriter()
  do {
    if error is CancellationError {
      try reply.encode(ReplyKind.cancelled)
      return reply.bytes
    }
    if let codable = error as? any (Error & Codable) {
      let name = try TypeName(type(of: codable))
      try reply.encode(ReplyKind.error)
      try reply.encode(name)
      try reply.encode(codable)
      return reply.bytes
    }
  } catch {
    // An error that cannot be encoded after all goes as one that is not Codable.
  }
  reply.reset()
  // Two plain values, which always can be encoded.
  try? reply.encode(ReplyKind.foreignError)
  try? reply.encode(RemoteError(error))
  return reply.bytes
}
