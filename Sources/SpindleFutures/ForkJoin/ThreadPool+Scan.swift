extension ThreadPool {
  /// Replaces every element by the combination of all up to it: 1, 2, 3 becomes 1, 3, 6.
  ///
  ///     pool.prefixSum(&counts)
  ///
  /// `combine` must be associative. Two passes over the array, each on all workers: it pays where `combine` costs more
  /// than reading memory, or the array lies in the caches.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.prefixSum'")
  @inlinable
  public func prefixSum<Element: Sendable>(
    _ array: inout [Element], by combine: @Sendable (Element, Element) -> Element
  ) {
    let count = array.count
    let pieces = min(maxWorkers * 4, count / 1024)
    if pieces < 2 { return Self.scan(&array, combine) }
    unsafe array.withUnsafeMutableBufferPointer { memory in
      let elements = unsafe SharedElements(memory.baseAddress!)
      let bounds = (0...pieces).map { count * $0 / pieces }
      var sums = map(0..<pieces, grain: 1) { piece in
        (bounds[piece] + 1..<bounds[piece + 1]).reduce(unsafe elements.base[bounds[piece]]) {
          combine($0, unsafe elements.base[$1])
        }
      }
      Self.scan(&sums, combine)
      let before = sums
      forEach(0..<pieces, grain: 1) { piece in
        var value = unsafe elements.base[bounds[piece]]
        if piece > 0 { value = combine(before[piece - 1], value) }
        unsafe elements.base[bounds[piece]] = value
        for index in bounds[piece] + 1..<bounds[piece + 1] {
          value = combine(value, unsafe elements.base[index])
          unsafe elements.base[index] = value
        }
      }
    }
  }

  /// Replaces every element by the sum of all up to it.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.prefixSum'")
  @inlinable
  public func prefixSum<Element: Sendable & AdditiveArithmetic>(_ array: inout [Element]) {
    prefixSum(&array, by: { $0 + $1 })
  }

  @inlinable
  static func scan<Element>(_ array: inout [Element], _ combine: (Element, Element) -> Element) {
    for index in array.indices.dropFirst() { array[index] = combine(array[index - 1], array[index]) }
  }

  /// The items for which `isIncluded` is true, in their order.
  ///
  ///     let large = pool.filter(files) { $0.size > 1_000_000 }
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.filter'")
  @inlinable
  public func filter<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ isIncluded: @Sendable (Items.Element) throws(Failure) -> Bool
  ) throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try reduce(
      pieces: 0..<items.count, grain: grain,
      { (range) throws(Failure) in try select(items, range, isIncluded) }, { $0 + $1 }) ?? []
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func filter<Items: RandomAccessCollection & Sendable, Failure: Error>(
    _ items: Items, grain: Grain = .automatic, _ isIncluded: @Sendable (Items.Element) throws(Failure) -> Bool
  ) async throws(Failure) -> [Items.Element] where Items.Element: Sendable {
    try await reduce(
      pieces: 0..<items.count, grain: grain,
      { (range) throws(Failure) in try select(items, range, isIncluded) }, { $0 + $1 }) ?? []
  }

  @inlinable
  func select<Items: RandomAccessCollection, Failure: Error>(
    _ items: Items, _ range: Range<Int>, _ isIncluded: (Items.Element) throws(Failure) -> Bool
  ) throws(Failure) -> [Items.Element] {
    var selected: [Items.Element] = []
    try visit(items, range) { (item) throws(Failure) in if try isIncluded(item) { selected.append(item) } }
    return selected
  }
}
