// A map that may fail is no `Sequence`, because a `for` loop cannot throw. Where a collection is asked for, these forms
// are taken: they wait for all values, so that `try` has something to throw. Else `map` stays lazy. There is no form
// for tasks: in async code the compiler would take it for every `map`.
extension ThreadPool {
  /// Calls `function` for each item on the pool's threads; returns all values, or throws the first error.
  ///
  ///     for page in try pool.map(urls, timeout: .seconds(10), { try download($0) }) { show(page) }
  ///     let pages: [Page] = try pool.map(urls) { try download($0) }
  ///
  /// Taken where an array or a sequence is wanted of a map that may fail or run out of time. It has all values before
  /// the first is given, so `items` must end; to take them one after the other use `next()` of the lazy form. The first
  /// error, in the order of the items, cancels the calls that have not begun.
  @_disfavoredOverload
  @available(*, noasync, message: "a task must not block its thread: use 'for try await' or 'collect()'")
  public func map<Items: Sequence, Value: Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) throws -> [Value] where Items.Element: Sendable {
    if let timeout { return try map(items, timeout: timeout, bufferSize: bufferSize, function).collect() }
    return try map(items, bufferSize: bufferSize, function).collect()
  }
}
