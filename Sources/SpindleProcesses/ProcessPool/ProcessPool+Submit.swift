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
  @inlinable
  public func submit<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument
  ) -> Future<Value> {
    submitUnary(function, argument, CallOptions())
  }

  /// Runs a job in one of the worker processes.
  @discardableResult
  public func submit<Work: Job>(_ job: Work) -> Future<Work.Output> {
    submit(false) { try Call(job: job, attachments: $0) }
  }

  /// The short way, compiled for the types where it is called, and else the long one.
  @inlinable
  func submitUnary<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument, _ options: CallOptions
  ) -> Future<Value> {
    // SAFETY: the argument and the function are what their types say, and are there until this returns.
    let call = unsafe withUnsafePointer(to: argument) { pointer in
      ClosureWords.read(UnaryFunctionBox<Value, Argument>(function: function)) { words in
        let end: PoolCall.End = { future, reply in
          Self.end(unsafe unsafeDowncast(future, to: Future<Value>.self), with: reply)
        }
        let box = UnaryFunctionBox<Value, Argument>.self
        return unsafe plainCall(words, box, Argument.self, pointer, result: Value.self, options, end)
          ?? codableCall(words, box, argument, result: Value.self, options, end)
      }
    }
    guard let call else { return submitAnyUnary(function, argument, options) }
    let future = Future<Value>.remote(call)
    call.ends(future)
    core.submit(call)
    return future
  }

  /// Ends the future of a call with the value or the error of a reply.
  @inlinable
  static func end<Value: Codable & Sendable>(_ future: Future<Value>, with reply: PoolReply) -> Bool {
    // SAFETY: the memory is initialised, and moved out of, when the reply says so.
    unsafe withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { memory in
      let memory = memory.baseAddress!
      if let isWhole = unsafe reply.take(Value.self, into: memory) {
        let value = unsafe memory.move()
        if isWhole { return future.endRemotely(value) }
      }
      do {
        return future.endRemotely(try reply.value(Value.self))
      } catch {
        return future.failRemotely(error)
      }
    }
  }

  @usableFromInline
  func plainCall(
    _ words: ClosureWords, _ box: Any.Type, _ type: Any.Type, _ argument: UnsafeRawPointer, result: Any.Type,
    _ options: CallOptions, _ end: @escaping PoolCall.End
  ) -> PoolCall? {
    unsafe core.plainCall(words, box, type, argument, result: result, options, end)
  }

  @usableFromInline
  func codableCall<Argument: Codable & Sendable>(
    _ words: ClosureWords, _ box: Any.Type, _ argument: Argument, result: Any.Type, _ options: CallOptions,
    _ end: @escaping PoolCall.End
  ) -> PoolCall? {
    core.codableCall(words, box, argument, result: result, options, end)
  }

  @inline(never) @usableFromInline
  func submitAnyUnary<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument, _ options: CallOptions
  ) -> Future<Value> {
    submit(ValueCoder.isPlain(Argument.self), options) { try Call(unary: function, argument, attachments: $0) }
  }

  /// - Parameter isPlain: no descriptor can be among the arguments.
  func submit<Value: Sendable>(
    _ isPlain: Bool, _ options: CallOptions = CallOptions(), _ makeCall: (AttachmentList?) throws -> Call<Value>
  ) -> Future<Value> {
    let call: PoolCall
    do {
      let attachments = isPlain ? nil : AttachmentList()
      let made = try makeCall(attachments)
      let reader = made.withoutArguments
      call = PoolCall(
        core: core, target: made.target, bytes: made.bytes, hasHeader: true, attachments: attachments, options: options,
        isPlain: made.givesPlainValue
      ) { future, reply in
        // SAFETY: the future is the one below.
        let future = unsafe unsafeDowncast(future, to: Future<Value>.self)
        do {
          return future.endRemotely(try reply.value(of: reader))
        } catch {
          return future.failRemotely(error)
        }
      }
    } catch {
      return .failed(error)
    }
    let future = Future<Value>.remote(call)
    call.ends(future)
    core.submit(call)
    return future
  }

  static func isPlain<each Argument>(_: repeat (each Argument).Type) -> Bool {
    for type in repeat (each Argument).self {
      if !ValueCoder.isPlain(type) { return false }
    }
    return true
  }
}
