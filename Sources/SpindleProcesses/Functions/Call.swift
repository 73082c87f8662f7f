/// A function and its arguments, encoded for another process of the same program.
///
///     let call = try Call(add, 1, 2)
///     let reply = invokeCall(call.bytes)    // in the other process
///     let sum = try call.result(of: reply)  // 3
///
/// Making one throws `CapturedContextError` when the function captured something, and the error of whatever argument
/// cannot be encoded. Descriptors inside the arguments are appended to `attachments`, to be sent beside the bytes.
package struct Call<Output: Sendable>: Sendable {
  package private(set) var bytes: [UInt8]
  package let isAsync: Bool
  private let decodeOutput: @Sendable (inout WireReader) throws -> Output

  private init(
    _ header: CallHeader, isAsync: Bool, attachments: AttachmentList?,
    decode: @escaping @Sendable (inout WireReader) throws -> Output,
    arguments: (borrowing WireWriter) throws -> Void
  ) throws {
    let writer = WireWriter(attachments: attachments)
    try writer.encode(header.encoded())
    try arguments(writer)
    bytes = writer.bytes
    self.isAsync = isAsync
    decodeOutput = decode
  }

  /// What reads the reply, when the bytes have been sent: the arguments need not be kept.
  package var withoutArguments: Call {
    var call = self
    call.bytes = []
    return call
  }

  private static func types<each Argument>(_ output: Any.Type?, _: repeat (each Argument).Type) throws -> [TypeName] {
    var names: [TypeName] = []
    if let output { names.append(try TypeName(output)) }
    for type in repeat (each Argument).self { names.append(try TypeName(type)) }
    return names
  }

  /// Reads a reply. Throws the function's own error when its type is `Codable`, else a `RemoteError`.
  package func result(of reply: [UInt8], attachments: AttachmentList? = nil) throws -> Output {
    try unsafe reply.withUnsafeBytes { try unsafe result(of: $0, attachments: attachments) }
  }

  package func result(of reply: UnsafeRawBufferPointer, attachments: AttachmentList? = nil) throws -> Output {
    var reader = unsafe WireReader(reply, attachments: attachments)
    switch try reader.decode(ReplyKind.self) {
    case .value:
      let value = try decodeOutput(&reader)
      try reader.finish()
      return value
    case .error:
      let name = try reader.decode(TypeName.self)
      guard let type = try name.resolve() as? any (Error & Decodable).Type else {
        throw FunctionNameError("malformed reply: the error is of a type that is none")
      }
      func decodeError<E: Error & Decodable>(_: E.Type) throws -> any Error { try reader.decode(E.self) }
      throw try decodeError(type)
    case .foreignError: throw try reader.decode(RemoteError.self)
    case .cancelled: throw CancellationError()
    }
  }
}

extension Call where Output: Codable {
  private static var decode: @Sendable (inout WireReader) throws -> Output { { try $0.decode(Output.self) } }

  package init<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Output, _ argument: repeat each Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .function, FunctionName(of: FunctionBox<Output, repeat each Argument>(function: function)),
      Self.types(Output.self, repeat (each Argument).self))
    try self.init(header, isAsync: false, attachments: attachments, decode: Self.decode) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  package init<each Argument: Codable & Sendable>(
    async function: @escaping @Sendable (repeat each Argument) async throws -> Output,
    _ argument: repeat each Argument, attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .asyncFunction, FunctionName(of: AsyncFunctionBox<Output, repeat each Argument>(function: function)),
      Self.types(Output.self, repeat (each Argument).self))
    try self.init(header, isAsync: true, attachments: attachments, decode: Self.decode) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  /// Functions without arguments: see NullaryFunctionBox.
  package init(nullary function: @escaping @Sendable () throws -> Output, attachments: AttachmentList? = nil) throws {
    let header = try CallHeader(
      .nullaryFunction, FunctionName(of: NullaryFunctionBox(function: function)), [TypeName(Output.self)])
    try self.init(header, isAsync: false, attachments: attachments, decode: Self.decode) { _ in }
  }

  package init(
    asyncNullary function: @escaping @Sendable () async throws -> Output, attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .asyncNullaryFunction, FunctionName(of: AsyncNullaryFunctionBox(function: function)), [TypeName(Output.self)])
    try self.init(header, isAsync: true, attachments: attachments, decode: Self.decode) { _ in }
  }

  /// For generic callers that hold the function as one of one argument.
  package init<Argument: Codable & Sendable>(
    unary function: @escaping @Sendable (Argument) throws -> Output, _ argument: Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .unaryFunction, FunctionName(of: UnaryFunctionBox(function: function)),
      [TypeName(Output.self), TypeName(Argument.self)])
    try self.init(header, isAsync: false, attachments: attachments, decode: Self.decode) { try $0.encode(argument) }
  }

  package init<Work: Job>(job: Work, attachments: AttachmentList? = nil) throws where Work.Output == Output {
    let header = try CallHeader(.job, nil, [TypeName(Work.self)])
    try self.init(header, isAsync: false, attachments: attachments, decode: Self.decode) { try $0.encode(job) }
  }
}

extension Call where Output == Void {
  package init(nullary function: @escaping @Sendable () throws -> Void, attachments: AttachmentList? = nil) throws {
    let header = try CallHeader(
      .nullaryProcedure, FunctionName(of: NullaryProcedureBox(function: function)), [])
    try self.init(header, isAsync: false, attachments: attachments, decode: { _ in }) { _ in }
  }

  package init(
    asyncNullary function: @escaping @Sendable () async throws -> Void, attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .asyncNullaryProcedure, FunctionName(of: AsyncNullaryProcedureBox(function: function)), [])
    try self.init(header, isAsync: true, attachments: attachments, decode: { _ in }) { _ in }
  }

  package init<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Void, _ argument: repeat each Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .procedure, FunctionName(of: ProcedureBox<repeat each Argument>(function: function)),
      Self.types(nil, repeat (each Argument).self))
    try self.init(header, isAsync: false, attachments: attachments, decode: { _ in }) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  package init<each Argument: Codable & Sendable>(
    async function: @escaping @Sendable (repeat each Argument) async throws -> Void,
    _ argument: repeat each Argument, attachments: AttachmentList? = nil
  ) throws {
    let header = try CallHeader(
      .asyncProcedure, FunctionName(of: AsyncProcedureBox<repeat each Argument>(function: function)),
      Self.types(nil, repeat (each Argument).self))
    try self.init(header, isAsync: true, attachments: attachments, decode: { _ in }) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }
}
