extension ThreadPool {
  /// Divides a range into pieces, turns each into a value, and combines the values of neighbours, from left to right.
  ///
  ///     let sum = pool.reduce(pieces: 0..<numbers.count, { numbers[$0].reduce(0, +) }, +)
  ///
  /// `combine` must be associative; it need not be commutative. `piece` is called with parts of the range that are not empty;
  /// nil is returned for an empty range. The first error by position that is seen is thrown; pieces that have not begun then
  /// are left out. How many pieces there are is decided by how long `combine` takes, and by which workers have nothing to do. O(count)
  /// work; no allocation beside what the closures make.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.reduce'")
  @inlinable
  public func reduce<Value: Sendable, Failure: Error>(
    pieces range: Range<Int>, grain: Grain = .automatic, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value? {
    try reduce(range, by: Division(grain, workers: maxWorkers), piece, combine)
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func reduce<Value: Sendable, Failure: Error>(
    pieces range: Range<Int>, grain: Grain = .automatic, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value? {
    try await reduce(range, by: Division(grain, workers: maxWorkers), piece, combine)
  }

  /// Combines what `transform` makes of every item, from left to right; `identity` when there is none.
  ///
  ///     let longest = pool.reduce(words, 0, { $0.count }, max)
  ///
  /// `combine` must be associative, and `identity` must change nothing.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.reduce'")
  @inlinable
  public func reduce<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ identity: Value, grain: Grain = .automatic,
    _ transform: @Sendable (Items.Element) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    let combined = try reduce(
      0..<items.count, by: itemwise(grain),
      { (range) throws(Failure) in try fold(items, range, identity, transform, combine) }, combine)
    return combined ?? identity
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func reduce<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ identity: Value, grain: Grain = .automatic,
    _ transform: @Sendable (Items.Element) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value {
    let combined = try await reduce(
      0..<items.count, by: itemwise(grain),
      { (range) throws(Failure) in try fold(items, range, identity, transform, combine) }, combine)
    return combined ?? identity
  }

  /// How items are divided whose values cost nothing to combine, or no more than any two items' do.
  @inlinable
  func itemwise(_ grain: Grain) -> Division { Division(grain, workers: maxWorkers, isItemwise: true) }

  @available(*, noasync)
  @inlinable
  func reduce<Value: Sendable, Failure: Error>(
    _ range: Range<Int>, by division: Division, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value? {
    if range.isEmpty { return nil }
    return try inside { () throws(Failure) in try divide(range, division, piece, combine) }
  }

  @inlinable
  nonisolated(nonsending) func reduce<Value: Sendable, Failure: Error>(
    _ range: Range<Int>, by division: Division, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value? {
    if range.isEmpty { return nil }
    return try await inside { () throws(Failure) in try divide(range, division, piece, combine) }
  }

  @inlinable
  func divide<Value: Sendable, Failure: Error>(
    _ range: Range<Int>, _ division: Division, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    var division = division
    if division.divides(range.count, on: core.laneNumber) { return try halve(range, division, piece, combine) }
    var stretch = Stretch(division, of: range.count)
    var rest = range.dropFirst(stretch.count)
    var value = try piece(range.prefix(stretch.count))
    stretch.begin()
    while !rest.isEmpty {
      if !stretch.isDear, rest.count > division.grain, core.isAskedForWork {
        return combine(value, try halve(rest, division, piece, combine))
      }
      let next = try piece(rest.prefix(stretch.count))
      rest = rest.dropFirst(stretch.count)
      value = stretch.end(rest.count) { combine(value, next) }
    }
    return value
  }

  @inlinable
  func halve<Value: Sendable, Failure: Error>(
    _ range: Range<Int>, _ division: Division, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    let middle = range.lowerBound + range.count / 2
    let (low, high) = try join(
      { () throws(Failure) in try divide(range.lowerBound..<middle, division, piece, combine) },
      { () throws(Failure) in try divide(middle..<range.upperBound, division, piece, combine) })
    return combine(low, high)
  }

  @inlinable
  func fold<Items: RandomAccessCollection, Value, Failure: Error>(
    _ items: Items, _ range: Range<Int>, _ identity: Value, _ transform: (Items.Element) throws(Failure) -> Value,
    _ combine: (Value, Value) -> Value
  ) throws(Failure) -> Value {
    var value = identity
    var index = items.index(items.startIndex, offsetBy: range.lowerBound)
    for _ in range {
      value = combine(value, try transform(items[index]))
      items.formIndex(after: &index)
    }
    return value
  }
}
