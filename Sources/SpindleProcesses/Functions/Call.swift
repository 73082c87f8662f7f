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
  /// What stands at the front of the bytes.
  let target: CallTarget
  private let decodeOutput: @Sendable (inout WireReader) throws -> Output

  private init(
    _ target: CallTarget, isAsync: Bool, attachments: AttachmentList?, room: Int,
    decode: @escaping @Sendable (inout WireReader) throws -> Output,
    arguments: (borrowing WireWriter) throws -> Void
  ) throws {
    bytes = try WireWriter.bytes(room: target.header.count + room, attachments: attachments) { writer in
      writer.append(target.header)
      try arguments(writer)
    }
    self.target = target
    self.isAsync = isAsync
    decodeOutput = decode
  }

  /// What reads the reply, when the bytes have been sent: the arguments need not be kept.
  package var withoutArguments: Call {
    var call = self
    call.bytes = []
    return call
  }

  /// No code of the user runs when the result is read.
  package var givesPlainValue: Bool { Output.self == Void.self || ValueCoder.isPlain(Output.self) }

  private static func types<each Argument>(_ output: Any.Type?, _: repeat (each Argument).Type) throws -> [TypeName] {
    var names: [TypeName] = []
    if let output { names.append(try TypeName(output)) }
    for type in repeat (each Argument).self { names.append(try TypeName(type)) }
    return names
  }

  /// How many bytes the arguments will take, as far as that is known beforehand.
  private static func room<each Argument: Encodable>(_ argument: repeat each Argument) -> Int {
    var room = 0
    for value in repeat each argument { room += Wire.sizeHint(value) }
    return room
  }

  /// Reads a reply. Throws the function's own error when its type is `Codable`, else a `RemoteError`.
  package func result(of reply: [UInt8], attachments: AttachmentList? = nil) throws -> Output {
    try unsafe reply.withUnsafeBytes { try unsafe result(of: $0, attachments: attachments) }
  }

  package func result(of reply: UnsafeRawBufferPointer, attachments: AttachmentList? = nil) throws -> Output {
    var reader = unsafe WireReader(reply, attachments: attachments)
    let kind = try reader.takeKind() ?? reader.decode(ReplyKind.self)
    guard kind == .value else { throw try kind.error(&reader) }
    let value = try decodeOutput(&reader)
    try reader.finish()
    return value
  }
}

extension Call where Output: Codable {
  private static var decode: @Sendable (inout WireReader) throws -> Output { { try $0.decode(Output.self) } }

  /// Reads a reply of any call with such a result.
  static func result(of reply: UnsafeRawBufferPointer, attachments: AttachmentList?) throws -> Output {
    var reader = unsafe WireReader(reply, attachments: attachments)
    let kind = try reader.takeKind() ?? reader.decode(ReplyKind.self)
    guard kind == .value else { throw try kind.error(&reader) }
    let value = try reader.decode(Output.self)
    try reader.finish()
    return value
  }

  package init<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Output, _ argument: repeat each Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(FunctionBox<Output, repeat each Argument>(function: function), .function) {
      try Self.types(Output.self, repeat (each Argument).self)
    }
    try self.init(
      target, isAsync: false, attachments: attachments, room: Self.room(repeat each argument), decode: Self.decode
    ) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  package init<each Argument: Codable & Sendable>(
    async function: @escaping @Sendable (repeat each Argument) async throws -> Output,
    _ argument: repeat each Argument, attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(AsyncFunctionBox<Output, repeat each Argument>(function: function), .asyncFunction) {
      try Self.types(Output.self, repeat (each Argument).self)
    }
    try self.init(
      target, isAsync: true, attachments: attachments, room: Self.room(repeat each argument), decode: Self.decode
    ) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  /// Functions without arguments: see NullaryFunctionBox.
  package init(nullary function: @escaping @Sendable () throws -> Output, attachments: AttachmentList? = nil) throws {
    let target = try CallTarget.of(NullaryFunctionBox(function: function), .nullaryFunction) {
      try [TypeName(Output.self)]
    }
    try self.init(
      target, isAsync: false, attachments: attachments, room: 0, decode: Self.decode
    ) { _ in }
  }

  package init(
    asyncNullary function: @escaping @Sendable () async throws -> Output, attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(AsyncNullaryFunctionBox(function: function), .asyncNullaryFunction) {
      try [TypeName(Output.self)]
    }
    try self.init(
      target, isAsync: true, attachments: attachments, room: 0, decode: Self.decode
    ) { _ in }
  }

  /// For generic callers that hold the function as one of one argument.
  package init<Argument: Codable & Sendable>(
    unary function: @escaping @Sendable (Argument) throws -> Output, _ argument: Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(UnaryFunctionBox(function: function), .unaryFunction) {
      try [TypeName(Output.self), TypeName(Argument.self)]
    }
    try self.init(
      target, isAsync: false, attachments: attachments, room: Self.room(argument), decode: Self.decode
    ) { try $0.encode(argument) }
  }

  package init<Work: Job>(job: Work, attachments: AttachmentList? = nil) throws where Work.Output == Output {
    let target = try CallTarget.ofJob(Work.self)
    try self.init(
      target, isAsync: false, attachments: attachments, room: Self.room(job), decode: Self.decode
    ) { try $0.encode(job) }
  }
}

extension Call where Output == Void {
  package init(nullary function: @escaping @Sendable () throws -> Void, attachments: AttachmentList? = nil) throws {
    let target = try CallTarget.of(NullaryProcedureBox(function: function), .nullaryProcedure) { [] }
    try self.init(
      target, isAsync: false, attachments: attachments, room: 0, decode: { _ in }
    ) { _ in }
  }

  package init(
    asyncNullary function: @escaping @Sendable () async throws -> Void, attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(AsyncNullaryProcedureBox(function: function), .asyncNullaryProcedure) { [] }
    try self.init(
      target, isAsync: true, attachments: attachments, room: 0, decode: { _ in }
    ) { _ in }
  }

  package init<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Void, _ argument: repeat each Argument,
    attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(ProcedureBox<repeat each Argument>(function: function), .procedure) {
      try Self.types(nil, repeat (each Argument).self)
    }
    try self.init(
      target, isAsync: false, attachments: attachments, room: Self.room(repeat each argument), decode: { _ in }
    ) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }

  package init<each Argument: Codable & Sendable>(
    async function: @escaping @Sendable (repeat each Argument) async throws -> Void,
    _ argument: repeat each Argument, attachments: AttachmentList? = nil
  ) throws {
    let target = try CallTarget.of(AsyncProcedureBox<repeat each Argument>(function: function), .asyncProcedure) {
      try Self.types(nil, repeat (each Argument).self)
    }
    try self.init(
      target, isAsync: true, attachments: attachments, room: Self.room(repeat each argument), decode: { _ in }
    ) { writer in
      for value in repeat each argument { try writer.encode(value) }
    }
  }
}
