public import SpindleFutures

extension ProcessPool {
  /// Runs `function(argument...)` in one of the worker processes; the future gets what it returns or throws.
  ///
  ///     let sum = pool.submit(add, 1, 2)
  ///     let name = pool.submit { hostName() }        // captures nothing
  ///     print(try sum.result())
  ///
  /// `submit` itself neither throws nor waits. The arguments are encoded now. What cannot be sent gives a future that
  /// has failed: with `CapturedContextError` for a closure that captured something, with the encoder's error for an
  /// argument; nothing was sent then. After `shutdown` it has failed with `ShutdownError`, in a broken pool with
  /// `BrokenPoolError`. An error that the function throws arrives as itself if it is `Codable`, else as
  /// `RemoteError`; a worker that dies meanwhile is `WorkerDiedError`. In a debug build a function that is named
  /// inside a generic function is refused; use a `Job`.
  @discardableResult
  public func submit<each Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Value, _ argument: repeat each Argument
  ) -> Future<Value> {
    submit(Self.isPlain(repeat (each Argument).self)) {
      try Call(function, repeat each argument, attachments: $0)
    }
  }

  /// Runs a function without a result. See the form with one.
  @discardableResult
  public func submit<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Void, _ argument: repeat each Argument
  ) -> Future<Void> {
    submit(Self.isPlain(repeat (each Argument).self)) {
      try Call(function, repeat each argument, attachments: $0)
    }
  }

  /// Runs an async function in a task of a worker process, which does nothing else meanwhile.
  @discardableResult
  public func submit<each Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) async throws -> Value, _ argument: repeat each Argument
  ) -> Future<Value> {
    submit(Self.isPlain(repeat (each Argument).self)) {
      try Call(async: function, repeat each argument, attachments: $0)
    }
  }

  /// Runs an async function without a result in a task of a worker process, which does nothing else meanwhile.
  @discardableResult
  public func submit<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) async throws -> Void, _ argument: repeat each Argument
  ) -> Future<Void> {
    submit(Self.isPlain(repeat (each Argument).self)) {
      try Call(async: function, repeat each argument, attachments: $0)
    }
  }

  /// Runs `function(argument)` in one of the worker processes.
  @discardableResult
  public func submit<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument
  ) -> Future<Value> {
    submit(ValueCoder.isPlain(Argument.self)) { try Call(unary: function, argument, attachments: $0) }
  }

  /// Runs a job in one of the worker processes.
  @discardableResult
  public func submit<Work: Job>(_ job: Work) -> Future<Work.Output> {
    submit(false) { try Call(job: job, attachments: $0) }
  }

  /// - Parameter isPlain: no descriptor can be among the arguments.
  func submit<Value: Sendable>(
    _ isPlain: Bool, _ options: CallOptions = CallOptions(), _ makeCall: (AttachmentList?) throws -> Call<Value>
  ) -> Future<Value> {
    let made: SingleCall<Value>
    do {
      let attachments = isPlain ? nil : AttachmentList()
      made = SingleCall(try makeCall(attachments), attachments: attachments, core: core, options: options)
    } catch {
      return .failed(error)
    }
    let future = made.makeFuture()
    core.submit(made)
    return future
  }

  static func isPlain<each Argument>(_: repeat (each Argument).Type) -> Bool {
    for type in repeat (each Argument).self {
      if !ValueCoder.isPlain(type) { return false }
    }
    return true
  }
}
