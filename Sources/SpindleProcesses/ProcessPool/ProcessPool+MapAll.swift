public import SpindleFutures

// A map that may fail is no `Sequence`, because a `for` loop cannot throw. Where a collection is asked for, these forms
// are taken: they wait for all values, so that `try` has something to throw. Else `map` stays lazy. There is no form
// for tasks: in async code the compiler would take it for every `map`.
extension ProcessPool {
  /// Calls `function` for each item in the worker processes; returns all values, or throws the first error.
  ///
  ///     for count in try pool.map(files, chunkSize: 10, { countWords(in: $0) }) { total += count }
  ///     let sizes: [Int] = try pool.map(images, resize)
  ///
  /// Taken where an array or a sequence is wanted. It has all values before the first is given, so `items` must end; to
  /// take them one after the other use `next()` of the lazy form, or `for try await`. The first error, in the order of
  /// the items, cancels the calls that have not begun.
  @_disfavoredOverload
  @available(*, noasync, message: "a task must not block its thread: use 'for try await' or 'collect()'")
  public func map<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int? = 1,
    options: CallOptions = CallOptions(), _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) throws -> [Value] where Items.Element: Codable & Sendable {
    try map(
      items, timeout: timeout, bufferSize: bufferSize, chunkSize: chunkSize, options: options, function
    ).collect()
  }

  /// The lazy `map`, with its labels in Python's order.
  @discardableResult
  public func map<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, chunkSize: Int?, bufferSize: Int?,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    map(items, timeout: timeout, bufferSize: bufferSize, chunkSize: chunkSize, function)
  }
}
