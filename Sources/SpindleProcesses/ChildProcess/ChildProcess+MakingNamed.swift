// The same initialisers with the name first, as `OSThread` has it, which lets the function be a trailing closure:
// `ChildProcess(name: "hasher") { hashAll() }`. A name or `isDaemon` must be there, else these would be ambiguous.

extension ChildProcess where Output: Codable {
  /// A process that will run `target` when it is started, named or a daemon.
  public convenience init<each Argument: Codable & Sendable>(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable (repeat each Argument) throws -> Output, _ arguments: repeat each Argument
  ) {
    self.init(
      target: target, repeat each arguments, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init<each Argument: Codable & Sendable>(
    isDaemon: Bool,
    target: @escaping @Sendable (repeat each Argument) throws -> Output, _ arguments: repeat each Argument
  ) {
    self.init(target: target, repeat each arguments, isDaemon: isDaemon)
  }

  /// A process that will run `target` when it is started, named or a daemon.
  public convenience init(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable () throws -> Output
  ) {
    self.init(
      target: target, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init(
    isDaemon: Bool,
    target: @escaping @Sendable () throws -> Output
  ) {
    self.init(target: target, isDaemon: isDaemon)
  }

  /// The same for an async function.
  public convenience init<each Argument: Codable & Sendable>(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable (repeat each Argument) async throws -> Output, _ arguments: repeat each Argument
  ) {
    self.init(
      target: target, repeat each arguments, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init<each Argument: Codable & Sendable>(
    isDaemon: Bool,
    target: @escaping @Sendable (repeat each Argument) async throws -> Output, _ arguments: repeat each Argument
  ) {
    self.init(target: target, repeat each arguments, isDaemon: isDaemon)
  }

  /// The same for an async function.
  public convenience init(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable () async throws -> Output
  ) {
    self.init(
      target: target, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init(
    isDaemon: Bool,
    target: @escaping @Sendable () async throws -> Output
  ) {
    self.init(target: target, isDaemon: isDaemon)
  }
}

extension ChildProcess where Output == Void {
  /// The same for a function without a result.
  public convenience init<each Argument: Codable & Sendable>(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable (repeat each Argument) throws -> Void, _ arguments: repeat each Argument
  ) {
    self.init(
      target: target, repeat each arguments, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init<each Argument: Codable & Sendable>(
    isDaemon: Bool,
    target: @escaping @Sendable (repeat each Argument) throws -> Void, _ arguments: repeat each Argument
  ) {
    self.init(target: target, repeat each arguments, isDaemon: isDaemon)
  }

  /// The same for a function without a result.
  public convenience init(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable () throws -> Void
  ) {
    self.init(
      target: target, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init(
    isDaemon: Bool,
    target: @escaping @Sendable () throws -> Void
  ) {
    self.init(target: target, isDaemon: isDaemon)
  }

  /// The same for an async function without a result.
  public convenience init<each Argument: Codable & Sendable>(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable (repeat each Argument) async throws -> Void, _ arguments: repeat each Argument
  ) {
    self.init(
      target: target, repeat each arguments, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init<each Argument: Codable & Sendable>(
    isDaemon: Bool,
    target: @escaping @Sendable (repeat each Argument) async throws -> Void, _ arguments: repeat each Argument
  ) {
    self.init(target: target, repeat each arguments, isDaemon: isDaemon)
  }

  /// The same for an async function without a result.
  public convenience init(
    name: String?, isDaemon: Bool = false,
    startMethod: StartMethod = .spawn, processGroup: ProcessGroup = .inherited, output: ProcessOutput = .inherited,
    target: @escaping @Sendable () async throws -> Void
  ) {
    self.init(
      target: target, name: name, isDaemon: isDaemon,
      startMethod: startMethod, processGroup: processGroup, output: output)
  }

  /// The same.
  public convenience init(
    isDaemon: Bool,
    target: @escaping @Sendable () async throws -> Void
  ) {
    self.init(target: target, isDaemon: isDaemon)
  }
}
