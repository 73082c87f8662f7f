/// Decodes the arguments at once, and gives what calls the function with them.
protocol Invoking: Sendable {
  var isAsync: Bool { get }
  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws
  func prepare(_ arguments: inout WireReader) throws -> PreparedCall
  /// Calls in a row: writes what they return, up to the first that fails, whose error it gives. See `CallRow`.
  func runRow(_ arguments: inout WireReader, _ reply: borrowing WireWriter) -> (any Error)?
}

/// A call whose arguments were decoded; it is run once, by whoever prepared it.
// SAFETY: the arguments are new values that nothing else refers to.
struct PreparedCall: @unchecked Sendable {
  let run: (AttachmentList?) async throws -> [UInt8]
}

extension Invoking {
  var isAsync: Bool { false }

  func prepare(_ arguments: inout WireReader) throws -> PreparedCall {
    throw FunctionNameError("a function that is not async is called as it is decoded")
  }

  func runRow(_ arguments: inout WireReader, _ reply: borrowing WireWriter) -> (any Error)? {
    FunctionNameError("malformed call: only functions of one argument are called in a row")
  }
}

struct Invoker<Output: Codable, each Argument: Codable>: Invoking {
  let box: FunctionBox<Output, repeat each Argument>

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    let values = (repeat try arguments.decode((each Argument).self))
    try arguments.finish()
    let output = try box.function(repeat each values)
    reply.append(.value)
    try reply.encode(output)
  }
}

struct UnaryInvoker<Output: Codable, Argument: Codable>: Invoking {
  let box: UnaryFunctionBox<Output, Argument>

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    let value = try arguments.decode(Argument.self)
    try arguments.finish()
    let output = try box.function(value)
    reply.append(.value)
    try reply.encode(output)
  }
}

struct JobInvoker<Work: Job>: Invoking {
  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    let job = try arguments.decode(Work.self)
    try arguments.finish()
    let output = try job.run()
    reply.append(.value)
    try reply.encode(output)
  }
}

struct AsyncInvoker<Output: Codable, each Argument: Codable>: Invoking {
  let box: AsyncFunctionBox<Output, repeat each Argument>

  var isAsync: Bool { true }

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    throw FunctionNameError("an async function was called without a task")
  }

  func prepare(_ arguments: inout WireReader) throws -> PreparedCall {
    let values = (repeat try arguments.decode((each Argument).self))
    try arguments.finish()
    return PreparedCall { [box] attachments in
      let output = try await box.function(repeat each values)
      let reply = WireWriter(attachments: attachments)
      reply.append(.value)
      try reply.encode(output)
      return reply.bytes
    }
  }
}

struct ProcedureInvoker<each Argument: Codable>: Invoking {
  let box: ProcedureBox<repeat each Argument>

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    let values = (repeat try arguments.decode((each Argument).self))
    try arguments.finish()
    try box.function(repeat each values)
    reply.append(.value)
  }
}

struct AsyncProcedureInvoker<each Argument: Codable>: Invoking {
  let box: AsyncProcedureBox<repeat each Argument>

  var isAsync: Bool { true }

  func run(_ arguments: inout WireReader, _ reply: borrowing WireWriter) throws {
    throw FunctionNameError("an async function was called without a task")
  }

  func prepare(_ arguments: inout WireReader) throws -> PreparedCall {
    let values = (repeat try arguments.decode((each Argument).self))
    try arguments.finish()
    return PreparedCall { [box] attachments in
      try await box.function(repeat each values)
      return try Wire.encode(ReplyKind.value)
    }
  }
}
