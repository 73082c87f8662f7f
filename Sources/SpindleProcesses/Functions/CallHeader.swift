internal import Distributed

/// What a call says before its arguments: which function, and the types needed to call it.
struct CallHeader: Codable, Hashable, Sendable {
  enum Shape: UInt8, Codable {
    case function, asyncFunction, unaryFunction, procedure, asyncProcedure, job
    case nullaryFunction, asyncNullaryFunction, nullaryProcedure, asyncNullaryProcedure
    case actorMaker, plainActorMaker
  }

  private struct Content: Codable, Hashable {
    let shape: Shape
    let function: FunctionName?
    let types: [TypeName]
  }

  private let content: Content
  /// A header names a place in the program to jump to: one that was damaged on its way must not be believed.
  private let check: UInt64

  var shape: Shape { content.shape }
  var function: FunctionName? { content.function }
  var types: [TypeName] { content.types }

  init(_ shape: Shape, _ function: FunctionName?, _ types: [TypeName]) throws {
    content = Content(shape: shape, function: function, types: types)
    check = try Self.check(of: content)
  }

  private static func check(of content: Content) throws -> UInt64 {
    try unsafe UInt64(Wire.encode(content).withUnsafeBytes { unsafe fingerprint(of: $0) })
  }

  private static let known = WordTable<KnownInvoker>(slotCount: 4096)

  /// Reads the header of a call: what decodes the arguments, calls the function and encodes the result.
  static func invoker(at reader: inout WireReader) throws -> any Invoking {
    RemoteError.areWatched
    guard let header = unsafe reader.takeBytes() else { throw FunctionNameError("malformed call: no header") }
    return try unsafe invoker(for: header)
  }

  /// Made once for each header.
  private static func invoker(for bytes: UnsafeRawBufferPointer) throws -> any Invoking {
    let key = unsafe WordTable<KnownInvoker>.Key(a: fingerprint(of: bytes), b: UInt(bytes.count))
    // Compared in full: the bytes come from another process.
    if let known = known.find(key), unsafe known.header.elementsEqual(bytes) { return known.invoker }
    let invoker = try unsafe Wire.decode(CallHeader.self, from: bytes).makeInvoker()
    known.insert(KnownInvoker(header: unsafe Array(bytes), invoker: invoker), for: key)
    return invoker
  }

  private final class KnownInvoker: Sendable {
    let header: [UInt8]
    let invoker: any Invoking

    init(header: [UInt8], invoker: any Invoking) {
      self.header = header
      self.invoker = invoker
    }
  }

  private static func fingerprint(of bytes: UnsafeRawBufferPointer) -> UInt {
    var hash: UInt64 = 0
    var place = 0
    while bytes.count - place >= 8 {
      hash ^= unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      hash &*= 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 32
      place += 8
    }
    while place < bytes.count {
      hash ^= unsafe UInt64(bytes[place])
      hash &*= 0x9E37_79B9_7F4A_7C15
      place += 1
    }
    return UInt(truncatingIfNeeded: hash)
  }

  private func makeInvoker() throws -> any Invoking {
    guard try check == Self.check(of: content) else { throw FunctionNameError("malformed call: its header is damaged") }
    guard types.count <= 64 else { throw FunctionNameError("malformed call: too many types") }
    let types = try types.map { name in
      guard let type = try name.resolve() as? any Codable.Type else {
        throw FunctionNameError("malformed call: an argument's type is not Codable")
      }
      return type
    }
    switch shape {
    case .actorMaker, .plainActorMaker:
      guard let actor = types.first as? any DistributedActor.Type else {
        throw FunctionNameError("malformed call: not an actor")
      }
      func make<Act: DistributedActor>(_: Act.Type) throws -> any Invoking {
        if shape == .actorMaker { return try extendMaker(Act.self, rest: types[1...]) }
        return PlainActorMaker(box: try words().take(as: PlainActorMakerBox<Act>.self))
      }
      return try make(actor)
    case .job:
      guard types.count == 1, let job = types[0] as? any Job.Type else {
        throw FunctionNameError("malformed call: not a job")
      }
      func make<J: Job>(_: J.Type) -> any Invoking { JobInvoker<J>() }
      return make(job)
    case .unaryFunction:
      guard types.count == 2 else { throw FunctionNameError("malformed call: not two types") }
      func make<O: Codable, A: Codable>(_: O.Type, _: A.Type) throws -> any Invoking {
        UnaryInvoker<O, A>(box: try words().take(as: UnaryFunctionBox<O, A>.self))
      }
      return try make(types[0], types[1])
    case .nullaryFunction, .asyncNullaryFunction:
      guard types.count == 1 else { throw FunctionNameError("malformed call: not one type") }
      func make<O: Codable>(_: O.Type) throws -> any Invoking {
        shape == .nullaryFunction
          ? NullaryInvoker<O>(box: try words().take(as: NullaryFunctionBox<O>.self))
          : AsyncNullaryInvoker<O>(box: try words().take(as: AsyncNullaryFunctionBox<O>.self))
      }
      return try make(types[0])
    case .nullaryProcedure:
      return NullaryProcedureInvoker(box: try words().take(as: NullaryProcedureBox.self))
    case .asyncNullaryProcedure:
      return AsyncNullaryProcedureInvoker(box: try words().take(as: AsyncNullaryProcedureBox.self))
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
        return ProcedureInvoker(box: words.take(as: ProcedureBox<repeat each Argument>.self))
      case .asyncProcedure:
        return AsyncProcedureInvoker(box: words.take(as: AsyncProcedureBox<repeat each Argument>.self))
      case .asyncFunction:
        return AsyncInvoker(box: words.take(as: AsyncFunctionBox<Output, repeat each Argument>.self))
      default:
        return Invoker(box: words.take(as: FunctionBox<Output, repeat each Argument>.self))
      }
    }
    func open<T: Codable>(_ type: T.Type) throws -> any Invoking {
      try extend(output, repeat each chosen, type, rest: rest.dropFirst())
    }
    return try open(next)
  }

  /// The same for functions that make an actor.
  private func extendMaker<Act: DistributedActor, each Argument: Codable>(
    _ actor: Act.Type, _ chosen: repeat (each Argument).Type, rest: ArraySlice<any Codable.Type>
  ) throws -> any Invoking {
    guard let next = rest.first else {
      return ActorMaker(box: try words().take(as: ActorMakerBox<Act, repeat each Argument>.self))
    }
    func open<T: Codable>(_ type: T.Type) throws -> any Invoking {
      try extendMaker(actor, repeat each chosen, type, rest: rest.dropFirst())
    }
    return try open(next)
  }
}
