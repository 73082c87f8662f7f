// One initialiser for each shape of function: with a result or without, async or not. In each, the arguments follow the
// function: `ChildProcess(target: count, "word", path)`.

extension ChildProcess where Output: Codable {
  /// A process that will run `target` with `arguments` when it is started.
  ///
  /// - `target`: a function, a static method or a closure without captures; what it returns is `Codable`.
  /// - `arguments`: what it is called with, encoded when the process is started.
  /// - `name`: shown by `ps` (15 bytes of it), in errors and by `ChildProcess.current` in the child.
  /// - `isDaemon`: whether it is ended, not awaited, when this program exits.
  public convenience init<each Argument: Codable & Sendable>(
    target: @escaping @Sendable (repeat each Argument) throws -> Output, _ arguments: repeat each Argument,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: FunctionBox(function: target), type: type(of: target))
    ) { attachments in
      try Call(target, repeat each arguments, attachments: attachments)
    }
  }

  /// The same for an async function, which runs as a task of the child.
  public convenience init<each Argument: Codable & Sendable>(
    target: @escaping @Sendable (repeat each Argument) async throws -> Output, _ arguments: repeat each Argument,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: AsyncFunctionBox(function: target), type: type(of: target))
    ) { attachments in
      try Call(async: target, repeat each arguments, attachments: attachments)
    }
  }
}

extension ChildProcess where Output == Void {
  /// The same for a function without a result.
  public convenience init<each Argument: Codable & Sendable>(
    target: @escaping @Sendable (repeat each Argument) throws -> Void, _ arguments: repeat each Argument,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: ProcedureBox(function: target), type: type(of: target))
    ) { attachments in
      try Call(target, repeat each arguments, attachments: attachments)
    }
  }

  /// The same for an async function without a result.
  public convenience init<each Argument: Codable & Sendable>(
    target: @escaping @Sendable (repeat each Argument) async throws -> Void, _ arguments: repeat each Argument,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: AsyncProcedureBox(function: target), type: type(of: target))
    ) { attachments in
      try Call(async: target, repeat each arguments, attachments: attachments)
    }
  }
}

// Without arguments. Not as an empty pack of them, which crashes the optimiser in async functions (Swift 6.3).

extension ChildProcess where Output: Codable {
  /// The same for a function without arguments.
  public convenience init(
    target: @escaping @Sendable () throws -> Output,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: NullaryFunctionBox(function: target), type: type(of: target))
    ) {
      try Call(nullary: target, attachments: $0)
    }
  }

  /// The same for an async function without arguments.
  public convenience init(
    target: @escaping @Sendable () async throws -> Output,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: AsyncNullaryFunctionBox(function: target), type: type(of: target))
    ) {
      try Call(asyncNullary: target, attachments: $0)
    }
  }
}

extension ChildProcess where Output == Void {
  /// The same for a function without arguments.
  public convenience init(
    target: @escaping @Sendable () throws -> Void,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: NullaryProcedureBox(function: target), type: type(of: target))
    ) {
      try Call(nullary: target, attachments: $0)
    }
  }

  /// The same for an async function without arguments.
  public convenience init(
    target: @escaping @Sendable () async throws -> Void,
    name: String? = nil, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited
  ) {
    self.init(
      ProcessTraits(name, isDaemon, startMethod, processGroup, output),
      title: FunctionTitle(of: AsyncNullaryProcedureBox(function: target), type: type(of: target))
    ) {
      try Call(asyncNullary: target, attachments: $0)
    }
  }
}
