internal import SpindleThreads

/// What a call says before its arguments: which function, and the types needed to call it.
struct CallHeader: Codable, Hashable, Sendable {
  enum Shape: UInt8, Codable {
    case function, asyncFunction, unaryFunction, procedure, asyncProcedure, job
    case nullaryFunction, asyncNullaryFunction, nullaryProcedure, asyncNullaryProcedure
  }

  let shape: Shape
  let function: FunctionName?
  let types: [TypeName]

  init(_ shape: Shape, _ function: FunctionName?, _ types: [TypeName]) {
    self.shape = shape
    self.function = function
    self.types = types
  }

  private static let encodings = Guarded<[CallHeader: [UInt8]]>([:])

  func encoded() throws -> [UInt8] {
    if let bytes = Self.encodings.withLock({ $0[self] }) { return bytes }
    let bytes = try Wire.encode(self)
    Self.encodings.withLock { $0[self] = bytes }
    return bytes
  }

  private static let invokers = Guarded<[[UInt8]: any Invoking]>([:])

  /// What decodes the arguments, calls the function and encodes the result; made once for each header.
  static func invoker(for bytes: [UInt8]) throws -> any Invoking {
    if let invoker = invokers.withLock({ $0[bytes] }) { return invoker }
    let invoker = try Wire.decode(CallHeader.self, from: bytes).makeInvoker()
    invokers.withLock { $0[bytes] = invoker }
    return invoker
  }

  private func makeInvoker() throws -> any Invoking {
    guard types.count <= 64 else { throw FunctionNameError("malformed call: too many types") }
    let types = try types.map { name in
      guard let type = try name.resolve() as? any Codable.Type else {
        throw FunctionNameError("malformed call: an argument's type is not Codable")
      }
      return type
    }
    switch shape {
    case .job:
      guard types.count == 1, let job = types[0] as? any Job.Type else {
        throw FunctionNameError("malformed call: not a job")
      }
      func make<J: Job>(_: J.Type) -> any Invoking { JobInvoker<J>() }
      return make(job)
    case .unaryFunction:
      guard types.count == 2 else { throw FunctionNameError("malformed call: not two types") }
      func make<O: Codable, A: Codable>(_: O.Type, _: A.Type) throws -> any Invoking {
        UnaryInvoker<O, A>(box: try words().box(as: UnaryFunctionBox<O, A>.self))
      }
      return try make(types[0], types[1])
    case .nullaryFunction, .asyncNullaryFunction:
      guard types.count == 1 else { throw FunctionNameError("malformed call: not one type") }
      func make<O: Codable>(_: O.Type) throws -> any Invoking {
        shape == .nullaryFunction
          ? NullaryInvoker<O>(box: try words().box(as: NullaryFunctionBox<O>.self))
          : AsyncNullaryInvoker<O>(box: try words().box(as: AsyncNullaryFunctionBox<O>.self))
      }
      return try make(types[0])
    case .nullaryProcedure:
      return NullaryProcedureInvoker(box: try words().box(as: NullaryProcedureBox.self))
    case .asyncNullaryProcedure:
      return AsyncNullaryProcedureInvoker(box: try words().box(as: AsyncNullaryProcedureBox.self))
    case .procedure, .asyncProcedure:
      return try extend(Bool.self, rest: types[...])  // The result's type is not looked at.
    case .function, .asyncFunction:
      guard let output = types.first else { throw FunctionNameError("malformed call: no type for the result") }
      func make<O: Codable>(_: O.Type) throws -> any Invoking { try extend(O.self, rest: types[1...]) }
      return try make(output)
    }
  }

  private func words() throws -> ClosureWords {
    guard let function else { throw FunctionNameError("malformed call: no function") }
    return try function.resolve()
  }

  /// Turns the types that are only known now, one by one, into a pack of type parameters.
  private func extend<Output: Codable, each Argument: Codable>(
    _ output: Output.Type, _ chosen: repeat (each Argument).Type, rest: ArraySlice<any Codable.Type>
  ) throws -> any Invoking {
    guard let next = rest.first else {
      let words = try words()
      switch shape {
      case .procedure:
        return ProcedureInvoker(box: words.box(as: ProcedureBox<repeat each Argument>.self))
      case .asyncProcedure:
        return AsyncProcedureInvoker(box: words.box(as: AsyncProcedureBox<repeat each Argument>.self))
      case .asyncFunction:
        return AsyncInvoker(box: words.box(as: AsyncFunctionBox<Output, repeat each Argument>.self))
      default:
        return Invoker(box: words.box(as: FunctionBox<Output, repeat each Argument>.self))
      }
    }
    func open<T: Codable>(_ type: T.Type) throws -> any Invoking {
      try extend(output, repeat each chosen, type, rest: rest.dropFirst())
    }
    return try open(next)
  }
}
