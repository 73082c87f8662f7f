/// The first value of a reply.
enum ReplyKind: UInt8, Codable {
  case value, error, foreignError, cancelled
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
  do {
    try unsafe call.withUnsafeBytes { bytes in
      var reader = unsafe WireReader(bytes, attachments: attachments)
      let header = try reader.decode([UInt8].self)
      try CallHeader.invoker(for: header).run(&reader, reply)
    }
    return reply.bytes
  } catch {
    return errorReply(error)
  }
}

/// Whether the call is one for `invokeCallAsync`; false for bytes that are no call.
package func isAsyncCall(_ call: [UInt8]) -> Bool {
  (try? unsafe call.withUnsafeBytes { bytes in
    var reader = unsafe WireReader(bytes)
    return try CallHeader.invoker(for: reader.decode([UInt8].self)).isAsync
  }) ?? false
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
      let header = try reader.decode([UInt8].self)
      return try CallHeader.invoker(for: header).prepare(&reader)
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
