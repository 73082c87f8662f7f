/// Calls of one function in a row, each with an argument of its own, which travel and run as one.
///
/// Where the type is written in one piece (numbers, strings), there is one array for all:
///
///     arguments   [Argument]         or   argument, argument, ...
///     reply       [Output], end      or   `value`, output, `value`, output, ..., end
///
/// `end` is `value` when every call has returned, else the error of the first that has not, as in any other reply.
struct CallRow<Argument: Codable & Sendable, Output: Codable & Sendable>: Sendable {
  let target: CallTarget

  init(_ function: @escaping @Sendable (Argument) throws -> Output) throws {
    target = try CallTarget.of(UnaryFunctionBox(function: function), .unaryFunction) {
      try [TypeName(Output.self), TypeName(Argument.self)]
    }
  }

  /// The bytes of a call; of the arguments those before the first that cannot be encoded, whose error is `failure`.
  func encode(
    _ arguments: [Argument], attachments: AttachmentList?
  ) -> (bytes: [UInt8], count: Int, failure: (any Error)?) {
    let isOnePiece = isWrittenInOnePiece(Argument.self)
    let room = isOnePiece ? Wire.sizeHint(arguments) : 128 + 16 * arguments.count
    var encoded = 0
    var failure: (any Error)?
    let bytes = try? WireWriter.bytes(room: target.header.count + room, attachments: attachments) { writer in
      writer.append(target.header)
      do {
        if isOnePiece {
          try writer.encode(arguments)
          encoded = arguments.count
        } else {
          for argument in arguments {
            try writer.encode(argument)
            encoded += 1
          }
        }
      } catch {
        failure = error
      }
    }
    return (bytes ?? [], encoded, failure)
  }

  /// Appends what the calls have returned. Throws the error of the first that has not, after the values before it.
  static func read(_ reader: inout WireReader, count: Int, into values: inout [Output]) throws {
    var kind: ReplyKind
    if isWrittenInOnePiece(Output.self) {
      values = try reader.decode([Output].self)
      guard values.count <= count else { throw malformed }
      kind = try reader.decode(ReplyKind.self)
    } else {
      values.reserveCapacity(count)
      kind = try reader.decode(ReplyKind.self)
      while kind == .value, !reader.isAtEnd {
        guard values.count < count else { throw malformed }
        values.append(try reader.decode(Output.self))
        kind = try reader.decode(ReplyKind.self)
      }
    }
    guard kind == .value else { throw try kind.error(&reader) }
    try reader.finish()
    if values.count < count { throw malformed }
  }

  private static var malformed: FunctionNameError { FunctionNameError("malformed reply") }
}

/// Whether an array of this type is coded directly, in one piece, so that nothing of it can fail by itself.
func isWrittenInOnePiece<Element: Codable>(_: Element.Type) -> Bool { ValueCoder.isPlain([Element].self) }

extension UnaryInvoker {
  func runRow(_ arguments: inout WireReader, _ reply: borrowing WireWriter) -> (any Error)? {
    var failure: (any Error)?
    var values: [Argument] = []
    do {
      if isWrittenInOnePiece(Argument.self) {
        let all = try arguments.decode([Argument].self)
        try arguments.finish()
        values = all
      } else {
        while !arguments.isAtEnd { values.append(try arguments.decode(Argument.self)) }
      }
    } catch {
      failure = error
    }
    // Through pointers: this is not specialised, and arrays would look each element's type up anew.
    unsafe values.withUnsafeBufferPointer { values in
      if isWrittenInOnePiece(Output.self) {
        let outputs = unsafe [Output](unsafeUninitializedCapacity: values.count) { memory, count in
          do {
            while count < values.count {
              unsafe (memory.baseAddress! + count).initialize(to: try box.function(values[count]))
              count += 1
            }
          } catch {
            failure = error
          }
        }
        // Arrays of such types can always be encoded.
        try? reply.encode(outputs)
      } else {
        for unsafe value in unsafe values {
          let start = reply.count
          do {
            let output = try box.function(value)
            reply.append(.value)
            try reply.encode(output)
          } catch {
            reply.truncate(to: start)
            failure = error
            return
          }
        }
      }
    }
    return failure
  }
}
