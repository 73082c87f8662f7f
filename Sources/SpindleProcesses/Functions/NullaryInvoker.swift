// Functions without arguments: see NullaryFunctionBox.

struct NullaryInvoker<Output: Codable>: Invoking {
  let box: NullaryFunctionBox<Output>

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    try arguments.finish()
    let output = try box.function()
    reply.append(.value)
    try reply.encode(output)
  }
}

struct AsyncNullaryInvoker<Output: Codable>: Invoking {
  let box: AsyncNullaryFunctionBox<Output>

  var isAsync: Bool { true }

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    throw FunctionNameError("an async function was called without a task")
  }

  func prepare(_ arguments: inout WireReader) throws -> PreparedCall {
    try arguments.finish()
    return PreparedCall { [box] attachments in
      let output = try await box.function()
      let reply = WireWriter(attachments: attachments)
      reply.append(.value)
      try reply.encode(output)
      return reply.bytes
    }
  }
}

struct NullaryProcedureInvoker: Invoking {
  let box: NullaryProcedureBox

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    try arguments.finish()
    try box.function()
    reply.append(.value)
  }
}

struct AsyncNullaryProcedureInvoker: Invoking {
  let box: AsyncNullaryProcedureBox

  var isAsync: Bool { true }

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    throw FunctionNameError("an async function was called without a task")
  }

  func prepare(_ arguments: inout WireReader) throws -> PreparedCall {
    try arguments.finish()
    return PreparedCall { [box] _ in
      try await box.function()
      return try Wire.encode(ReplyKind.value)
    }
  }
}
