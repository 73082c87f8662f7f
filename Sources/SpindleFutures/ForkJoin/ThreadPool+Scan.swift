extension ThreadPool {
  /// Replaces every element by the combination of all up to it: 1, 2, 3 becomes 1, 3, 6.
  ///
  ///     pool.prefixSum(&counts)
  ///
  /// `combine` must be associative. Two passes over the array, each on all workers.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.prefixSum'")
  @inlinable @inline(__always)
  public func prefixSum<Element: Sendable>(
    _ array: inout [Element], by combine: @Sendable (Element, Element) -> Element
  ) {
    scan(&array, combine, { $0.total(combine) }, { $0.sumUp(combine) })
  }

  /// Replaces every element by the sum of all up to it.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.prefixSum'")
  @inlinable @inline(__always)
  public func prefixSum<Element: Sendable & AdditiveArithmetic>(_ array: inout [Element]) {
    prefixSum(&array, by: { $0 + $1 })
  }

  @available(*, noasync)
  @inlinable
  func scan<Element: Sendable>(
    _ array: inout [Element], _ combine: (Element, Element) -> Element,
    _ total: @Sendable (ScanPart<Element>) -> Element, _ sumUp: @Sendable (ScanPart<Element>) -> Void
  ) {
    let count = array.count
    if count == 0 { return }
    unsafe array.withUnsafeMutableBufferPointer { memory in
      let elements = unsafe SharedElements(memory.baseAddress!)
      let pieces = min(maxWorkers * 4, count / 1024)
      if pieces < 2 { return sumUp(ScanPart(elements: elements, range: 0..<count)) }
      var parts = (0..<pieces).map { ScanPart(elements: elements, range: count * $0 / pieces..<count * ($0 + 1) / pieces) }
      let totals = map(parts, grain: 1, total)
      var before = totals[0]
      for piece in 1..<pieces {
        parts[piece].before = before
        before = combine(before, totals[piece])
      }
      forEach(parts, grain: 1, sumUp)
    }
  }
}

/// Neighbours in an array, at least one, and the combination of all before them.
@usableFromInline
struct ScanPart<Element: Sendable>: Sendable {
  @usableFromInline let elements: SharedElements<Element>
  @usableFromInline let range: Range<Int>
  @usableFromInline var before: Element?

  @inlinable
  init(elements: SharedElements<Element>, range: Range<Int>) {
    self.elements = elements
    self.range = range
  }

  @inlinable @inline(__always)
  func total(_ combine: (Element, Element) -> Element) -> Element {
    var total = unsafe elements.base[range.lowerBound]
    for index in range.dropFirst() { total = unsafe combine(total, elements.base[index]) }
    return total
  }

  @inlinable @inline(__always)
  func sumUp(_ combine: (Element, Element) -> Element) {
    var value = unsafe elements.base[range.lowerBound]
    if let before { value = combine(before, value) }
    unsafe elements.base[range.lowerBound] = value
    for index in range.dropFirst() {
      value = unsafe combine(value, elements.base[index])
      unsafe elements.base[index] = value
    }
  }
}
