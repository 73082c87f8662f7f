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
    try reduce(
      range, by: Division(grain, workers: maxWorkers), with: (), { (range, _) throws(Failure) in try piece(range) }, combine)
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func reduce<Value: Sendable, Failure: Error>(
    pieces range: Range<Int>, grain: Grain = .automatic, _ piece: @Sendable (Range<Int>) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value? {
    try await reduce(
      range, by: Division(grain, workers: maxWorkers), with: (), { (range, _) throws(Failure) in try piece(range) }, combine)
  }

  /// Combines what `transform` makes of every item, from left to right; `identity` when there is none.
  ///
  ///     let longest = pool.reduce(words, 0, { $0.count }, max)
  ///
  /// `combine` must be associative, and `identity` must change nothing: items are combined in fours, so that one combination need not
  /// wait for another. Closures that capture nothing are compiled into the loop; where one captures something, both are called for each
  /// item, and for items that cost less than that a loop of your own in `reduce(pieces:)` is quicker.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.reduce'")
  @inlinable @inline(__always)
  public func reduce<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ identity: Value, grain: Grain = .automatic,
    _ transform: @Sendable (Items.Element) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    let combined = try reduce(
      0..<items.count, by: itemwise(grain), with: (items: items, identity: identity),
      { (range, all) throws(Failure) in try ThreadPool.fold(all.items, range, all.identity, transform, combine) }, combine)
    return combined ?? identity
  }

  /// The same for a task.
  @inlinable @inline(__always)
  nonisolated(nonsending) public func reduce<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ identity: Value, grain: Grain = .automatic,
    _ transform: @Sendable (Items.Element) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value {
    let combined = try await reduce(
      0..<items.count, by: itemwise(grain), with: (items: items, identity: identity),
      { (range, all) throws(Failure) in try ThreadPool.fold(all.items, range, all.identity, transform, combine) }, combine)
    return combined ?? identity
  }

  /// How items are divided whose values cost nothing to combine, or no more than any two items' do.
  @inlinable
  func itemwise(_ grain: Grain) -> Division { Division(grain, workers: maxWorkers, isItemwise: true) }

  /// What all algorithms are made of. `piece` is given what it works on, and captures only the caller's closures: if these capture nothing,
  /// the compiler makes one function of them and the loop over the items, in which nothing is called; else it cannot. It sees them
  /// because whatever makes such a piece is always inlined.
  @available(*, noasync)
  @inlinable
  func reduce<Context: Sendable, Value: Sendable, Failure: Error>(
    _ range: Range<Int>, by division: Division, with context: Context,
    _ piece: @Sendable (Range<Int>, Context) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value? {
    if range.isEmpty { return nil }
    return try inside { () throws(Failure) in try divide(range, division, context, piece, combine) }
  }

  @inlinable
  nonisolated(nonsending) func reduce<Context: Sendable, Value: Sendable, Failure: Error>(
    _ range: Range<Int>, by division: Division, with context: Context,
    _ piece: @Sendable (Range<Int>, Context) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) async throws(Failure) -> Value? {
    if range.isEmpty { return nil }
    return try await inside { () throws(Failure) in try divide(range, division, context, piece, combine) }
  }

  @inlinable
  func divide<Context: Sendable, Value: Sendable, Failure: Error>(
    _ range: Range<Int>, _ division: Division, _ context: Context,
    _ piece: @Sendable (Range<Int>, Context) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    var division = division
    if division.divides(range.count, on: core.laneNumber) { return try halve(range, division, context, piece, combine) }
    var stretch = Stretch(division, of: range.count)
    var rest = range.dropFirst(stretch.count)
    var value = try piece(range.prefix(stretch.count), context)
    stretch.begin()
    while !rest.isEmpty {
      if !stretch.isDear, rest.count > division.grain, core.isAskedForWork {
        return combine(value, try halve(rest, division, context, piece, combine))
      }
      let next = try piece(rest.prefix(stretch.count), context)
      rest = rest.dropFirst(stretch.count)
      value = stretch.end(rest.count) { combine(value, next) }
    }
    return value
  }

  @inlinable
  func halve<Context: Sendable, Value: Sendable, Failure: Error>(
    _ range: Range<Int>, _ division: Division, _ context: Context,
    _ piece: @Sendable (Range<Int>, Context) throws(Failure) -> Value,
    _ combine: @Sendable (Value, Value) -> Value
  ) throws(Failure) -> Value {
    let middle = range.lowerBound + range.count / 2
    let (low, high) = try join(
      { () throws(Failure) in try divide(range.lowerBound..<middle, division, context, piece, combine) },
      { () throws(Failure) in try divide(middle..<range.upperBound, division, context, piece, combine) })
    return combine(low, high)
  }

  @inlinable @inline(__always)
  static func fold<Items: RandomAccessCollection, Value, Failure: Error>(
    _ items: Items, _ range: Range<Int>, _ identity: Value, _ transform: (Items.Element) throws(Failure) -> Value,
    _ combine: (Value, Value) -> Value
  ) throws(Failure) -> Value {
    var value = identity
    var index = items.index(items.startIndex, offsetBy: range.lowerBound)
    for _ in 0..<range.count / 4 {
      let first = try transform(items[index])
      items.formIndex(after: &index)
      let second = try transform(items[index])
      items.formIndex(after: &index)
      let third = try transform(items[index])
      items.formIndex(after: &index)
      let fourth = try transform(items[index])
      items.formIndex(after: &index)
      value = combine(value, combine(combine(first, second), combine(third, fourth)))
    }
    for _ in 0..<range.count % 4 {
      value = combine(value, try transform(items[index]))
      items.formIndex(after: &index)
    }
    return value
  }
}
