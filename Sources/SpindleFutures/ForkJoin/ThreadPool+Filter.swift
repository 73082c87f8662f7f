extension ThreadPool {
  /// The items for which `isIncluded` is true, in their order.
  ///
  ///     let large = pool.filter(files) { $0.size > 1_000_000 }
  ///
  /// Each piece of the items has an array of its own; all are copied once into the result, at the same time.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.filter'")
  @inlinable @inline(__always)
  public func filter<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ isIncluded: @Sendable (Items.Element) throws(Failure) -> Bool
  ) throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try collect(items, grain) { (range, items) throws(Failure) in try ThreadPool.select(items, range, isIncluded) }
  }

  /// The same for a task.
  @inlinable @inline(__always)
  nonisolated(nonsending) public func filter<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ isIncluded: @Sendable (Items.Element) throws(Failure) -> Bool
  ) async throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try await collect(items, grain) { (range, items) throws(Failure) in try ThreadPool.select(items, range, isIncluded) }
  }

  @available(*, noasync)
  @inlinable
  func collect<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain, _ piece: @Sendable (Range<Int>, Items) throws(Failure) -> [[Items.Element]]
  ) throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try inside { () throws(Failure) in try collectHere(items, grain, piece) }
  }

  @inlinable
  nonisolated(nonsending) func collect<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain, _ piece: @Sendable (Range<Int>, Items) throws(Failure) -> [[Items.Element]]
  ) async throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try await inside { () throws(Failure) in try collectHere(items, grain, piece) }
  }

  @inlinable
  func collectHere<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain, _ piece: @Sendable (Range<Int>, Items) throws(Failure) -> [[Items.Element]]
  ) throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    if items.isEmpty { return [] }
    let parts = try divide(0..<items.count, Division(grain, workers: maxWorkers), items, piece) { $0 + $1 }
    if parts.count == 1 { return parts[0] }
    var starts: [Int] = []
    var count = 0
    for part in parts {
      starts.append(count)
      count += part.count
    }
    // The standard library would write its count into the one empty array that all share: no harm, and yet a race.
    if count == 0 { return [] }
    return unsafe [Items.Element](unsafeUninitializedCapacity: count) { [starts] memory, initialized in
      guard let base = memory.baseAddress else { return }
      let whole = unsafe SharedElements(base)
      divide(0..<parts.count, itemwise(1), (), { range, _ in
        for part in range { whole.initialize(from: starts[part], to: parts[part]) }
      }, { _, _ in })
      initialized = count
    }
  }

  @inlinable @inline(__always)
  static func select<Items: RandomAccessCollection, Failure: Error>(
    _ items: Items, _ range: Range<Int>, _ isIncluded: (Items.Element) throws(Failure) -> Bool
  ) throws(Failure) -> [[Items.Element]] {
    var selected: [Items.Element] = []
    var index = items.index(items.startIndex, offsetBy: range.lowerBound)
    for _ in 0..<range.count {
      let item = items[index]
      if try isIncluded(item) { selected.append(item) }
      items.formIndex(after: &index)
    }
    return [selected]
  }
}
