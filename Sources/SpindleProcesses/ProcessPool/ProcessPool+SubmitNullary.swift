public import SpindleFutures

// Functions without arguments. Not as an empty pack of them, which crashes the optimiser in async functions (Swift
// 6.3).
extension ProcessPool {
  /// Runs a function without arguments. See the form with them.
  @discardableResult
  public func submit<Value: Codable & Sendable>(_ function: @escaping @Sendable () throws -> Value) -> Future<Value> {
    submit(true) { try Call(nullary: function, attachments: $0) }
  }

  /// Runs a function without arguments and without a result. See the form with them.
  @discardableResult
  public func submit(_ function: @escaping @Sendable () throws -> Void) -> Future<Void> {
    submit(true) { try Call(nullary: function, attachments: $0) }
  }

  /// Runs an async function without arguments. See the form with them.
  @discardableResult
  public func submit<Value: Codable & Sendable>(
    _ function: @escaping @Sendable () async throws -> Value
  ) -> Future<Value> {
    submit(true) { try Call(asyncNullary: function, attachments: $0) }
  }

  /// Runs an async function without arguments and without a result. See the form with them.
  @discardableResult
  public func submit(_ function: @escaping @Sendable () async throws -> Void) -> Future<Void> {
    submit(true) { try Call(asyncNullary: function, attachments: $0) }
  }
}
