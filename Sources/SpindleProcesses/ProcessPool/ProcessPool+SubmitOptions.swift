public import SpindleFutures

// The forms of `submit` with options for the call.
extension ProcessPool {
  /// Runs `function(argument...)` in one of the worker processes, with a deadline or repeated when its worker dies.
  ///
  ///     let future = pool.submit(parse, file, options: CallOptions(retries: 2, deadline: .seconds(5)))
  ///
  /// See ``CallOptions``; otherwise as the form without.
  @discardableResult
  public func submit<each Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Value, _ argument: repeat each Argument,
    options: CallOptions
  ) -> Future<Value> {
    submit(Self.isPlain(repeat (each Argument).self), options) {
      try Call(function, repeat each argument, attachments: $0)
    }
  }

  /// Runs a function without a result, with options.
  @discardableResult
  public func submit<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) throws -> Void, _ argument: repeat each Argument,
    options: CallOptions
  ) -> Future<Void> {
    submit(Self.isPlain(repeat (each Argument).self), options) {
      try Call(function, repeat each argument, attachments: $0)
    }
  }

  /// Runs an async function in a task of a worker process, with options.
  @discardableResult
  public func submit<each Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) async throws -> Value, _ argument: repeat each Argument,
    options: CallOptions
  ) -> Future<Value> {
    submit(Self.isPlain(repeat (each Argument).self), options) {
      try Call(async: function, repeat each argument, attachments: $0)
    }
  }

  /// Runs an async function without a result in a task of a worker process, with options.
  @discardableResult
  public func submit<each Argument: Codable & Sendable>(
    _ function: @escaping @Sendable (repeat each Argument) async throws -> Void, _ argument: repeat each Argument,
    options: CallOptions
  ) -> Future<Void> {
    submit(Self.isPlain(repeat (each Argument).self), options) {
      try Call(async: function, repeat each argument, attachments: $0)
    }
  }

  /// Runs `function(argument)` in one of the worker processes, with options.
  @discardableResult
  @inlinable
  public func submit<Argument: Codable & Sendable, Value: Codable & Sendable>(
    _ function: @escaping @Sendable (Argument) throws -> Value, _ argument: Argument, options: CallOptions
  ) -> Future<Value> {
    submitUnary(function, argument, options)
  }

  /// Runs a job in one of the worker processes, with options.
  @discardableResult
  public func submit<Work: Job>(_ job: Work, options: CallOptions) -> Future<Work.Output> {
    submit(false, options) { try Call(job: job, attachments: $0) }
  }

  /// Runs a function without arguments, with options.
  @discardableResult
  public func submit<Value: Codable & Sendable>(
    options: CallOptions, _ function: @escaping @Sendable () throws -> Value
  ) -> Future<Value> {
    submit(true, options) { try Call(nullary: function, attachments: $0) }
  }

  /// Runs a function without arguments and without a result, with options.
  @discardableResult
  public func submit(options: CallOptions, _ function: @escaping @Sendable () throws -> Void) -> Future<Void> {
    submit(true, options) { try Call(nullary: function, attachments: $0) }
  }

  /// Runs an async function without arguments, with options.
  @discardableResult
  public func submit<Value: Codable & Sendable>(
    options: CallOptions, _ function: @escaping @Sendable () async throws -> Value
  ) -> Future<Value> {
    submit(true, options) { try Call(asyncNullary: function, attachments: $0) }
  }

  /// Runs an async function without arguments and without a result, with options.
  @discardableResult
  public func submit(options: CallOptions, _ function: @escaping @Sendable () async throws -> Void) -> Future<Void> {
    submit(true, options) { try Call(asyncNullary: function, attachments: $0) }
  }

  /// Runs a function without arguments, with options.
  @discardableResult
  public func submit<Value: Codable & Sendable>(
    _ function: @escaping @Sendable () throws -> Value, options: CallOptions
  ) -> Future<Value> {
    submit(true, options) { try Call(nullary: function, attachments: $0) }
  }

  /// Runs a function without arguments and without a result, with options.
  @discardableResult
  public func submit(_ function: @escaping @Sendable () throws -> Void, options: CallOptions) -> Future<Void> {
    submit(true, options) { try Call(nullary: function, attachments: $0) }
  }
}
