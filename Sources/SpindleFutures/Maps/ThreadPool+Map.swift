import SpindleGround

extension ThreadPool {
  /// Calls `function` for each item on the pool's threads; gives the values in the order of the items.
  ///
  ///     for line in pool.map(files, { countLines($0) }) { total += line }
  ///
  /// Lazy: items are pulled as the values are read, so `items` may be endless. At most `bufferSize` calls are in
  /// flight or done and unread, never one more; by default four for each worker, at least 16. The first `bufferSize`
  /// calls begin at once. Items pulled after `shutdown()` are worked on by the reader. `bufferSize` below 1, and a
  /// pool that is shut down already, are mistakes.
  @discardableResult
  public func map<Items: Sequence, Value: Sendable>(
    _ items: Items, bufferSize: Int? = nil, _ function: @escaping @Sendable (Items.Element) -> Value
  ) -> MapResults<Value, Never> where Items.Element: Sendable {
    if core.jobs.isShut { mistake("map after the pool was shut down; with a closure that throws this is an error") }
    return MapResults(feed: feed(items, bufferSize, .never, neverFails: true, function))
  }

  /// The same for a function that may throw: the first error, in the order of the items, ends the map.
  @discardableResult
  public func map<Items: Sequence, Value: Sendable>(
    _ items: Items, bufferSize: Int? = nil, _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Sendable {
    MapResults(feed: feed(items, bufferSize, .never, neverFails: false, function))
  }

  /// The same with a time-out, counted from this call: a value that is not there by then ends the map with
  /// `TimeoutError`.
  @discardableResult
  public func map<Items: Sequence, Value: Sendable>(
    _ items: Items, timeout: Duration, bufferSize: Int? = nil,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Sendable {
    MapResults(feed: feed(items, bufferSize, Deadline(after: timeout), neverFails: false, function))
  }

  private func feed<Items: Sequence, Value: Sendable>(
    _ items: Items, _ bufferSize: Int?, _ deadline: Deadline, neverFails: Bool,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapFeed<Value> where Items.Element: Sendable {
    var iterator = items.makeIterator()
    let wasOpen = !core.jobs.isShut
    // The closure holds the pool: it lives until the map has ended.
    func pull() -> MapFeed<Value>.Call? {
      guard let item = iterator.next() else { return nil }
      let call: @Sendable () throws -> Value = { try function(item) }
      let future = Future<Value>(home: self.core.number, work: call)
      let isAccepted = self.core.submit(future)
      // Shut down after the map had begun: its items were promised.
      let wasRefused = !isAccepted && wasOpen && self.core.whatBroke == nil
      let redo: (() throws -> Value)? = if wasRefused || neverFails { call } else { nil }
      return MapFeed<Value>.Call(future: future, redo: redo, wasRefused: wasRefused)
    }
    return MapFeed(
      bufferSize: bufferSize ?? max(16, 4 * maxWorkers), until: deadline, neverFails: neverFails, pull: pull)
  }
}
