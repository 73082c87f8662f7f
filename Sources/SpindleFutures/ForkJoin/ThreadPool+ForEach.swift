extension ThreadPool {
  /// Calls `body` with every item, on all workers.
  ///
  ///     pool.forEach(0..<height) { y in image.render(row: y) }
  ///
  /// Returns when all calls have ended. The calling thread works along, or waits where it finds no place (``join(_:_:)``). After the first error
  /// no further piece is begun, and the error is thrown. Items of one piece are visited in order, pieces in any.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.forEach'")
  @inlinable @inline(__always)
  public func forEach<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ body: @Sendable (Items.Element) throws(Failure) -> Void
  ) throws(Failure) {
    _ = try reduce(
      0..<items.count, by: itemwise(grain), with: items,
      { (range, items) throws(Failure) in try ThreadPool.visit(items, range, body) }, { _, _ in })
  }

  /// The same for a task.
  @inlinable @inline(__always)
  nonisolated(nonsending) public func forEach<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ body: @Sendable (Items.Element) throws(Failure) -> Void
  ) async throws(Failure) {
    _ = try await reduce(
      0..<items.count, by: itemwise(grain), with: items,
      { (range, items) throws(Failure) in try ThreadPool.visit(items, range, body) }, { _, _ in })
  }

  @inlinable @inline(__always)
  static func visit<Items: RandomAccessCollection, Failure: Error>(
    _ items: Items, _ range: Range<Int>, _ body: (Items.Element) throws(Failure) -> Void
  ) throws(Failure) {
    var index = items.index(items.startIndex, offsetBy: range.lowerBound)
    for _ in 0..<range.count {
      try body(items[index])
      items.formIndex(after: &index)
    }
  }
}
