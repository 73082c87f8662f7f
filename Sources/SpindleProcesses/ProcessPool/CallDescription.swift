/// What a call calls, for messages: the function's name as the program's symbols have it, its type where there are
/// none, or the type of a job. Read from the bytes of a call, and only when something went wrong.
func describeCall(_ call: [UInt8]) -> String {
  let header = try? unsafe call.withUnsafeBytes { bytes in
    var reader = unsafe WireReader(bytes)
    return try Wire.decode(CallHeader.self, from: reader.decode([UInt8].self))
  }
  guard let header else { return "a call" }
  var types = header.types.map { name in (try? name.resolve()).map { _typeName($0) } ?? "?" }
  let type: String
  switch header.shape {
  case .job, .actorMaker, .plainActorMaker: return types.first ?? "a job"
  case .procedure, .asyncProcedure, .nullaryProcedure, .asyncNullaryProcedure: type = "(\(types.joined(separator: ", "))) -> ()"
  case .function, .asyncFunction, .unaryFunction, .nullaryFunction, .asyncNullaryFunction:
    let output = types.isEmpty ? "?" : types.removeFirst()
    type = "(\(types.joined(separator: ", "))) -> \(output)"
  }
  guard let code = unsafe header.function?.code else { return type }
  return FunctionTitle(code: UInt(bitPattern: code), type: type).text
}
