extension ThreadPool {
  /// Sorts an array on all workers: equal elements keep their order.
  ///
  ///     pool.sort(&names)
  ///     pool.sort(&files) { $0.size > $1.size }
  ///
  /// A merge sort whose merges are divided too. O(n log n) comparisons; room for as many elements again while it runs.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.sort'")
  @inlinable
  public func sort<Element: Sendable>(
    _ array: inout [Element], by areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) {
    let count = array.count
    if count <= SortedRun.small { return array.sort(by: areInIncreasingOrder) }
    let spare = unsafe SharedElements(UnsafeMutablePointer<Element>.allocate(capacity: count))
    defer { unsafe spare.base.deallocate() }
    unsafe array.withUnsafeMutableBufferPointer { memory in
      let elements = unsafe SharedElements(memory.baseAddress!)
      inside { mergeSort(elements, spare, 0..<count, into: false, areInIncreasingOrder) }
    }
  }

  /// Sorts an array on all workers, smallest first.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.sort'")
  @inlinable
  public func sort<Element: Sendable & Comparable>(_ array: inout [Element]) { sort(&array, by: { $0 < $1 }) }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func sort<Element: Sendable>(
    _ array: inout [Element], by areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) async {
    // Moved out while the task waits: nobody can hold a pointer into a variable across a suspension.
    let elements = consume array
    array = []
    array = await inside { () -> [Element] in
      var elements = elements
      sortHere(&elements, by: areInIncreasingOrder)
      return elements
    }
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func sort<Element: Sendable & Comparable>(_ array: inout [Element]) async {
    await sort(&array, by: { $0 < $1 })
  }

  @inlinable
  func sortHere<Element: Sendable>(
    _ array: inout [Element], by areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) { sort(&array, by: areInIncreasingOrder) }

  /// Sorts the elements of a range that lie in `elements`, and leaves them there, or, with `into`, in `other`.
  @inlinable
  func mergeSort<Element: Sendable>(
    _ elements: SharedElements<Element>, _ other: SharedElements<Element>, _ range: Range<Int>, into: Bool,
    _ areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) {
    if range.count <= SortedRun.small {
      var run = unsafe UnsafeMutableBufferPointer(start: elements.base + range.lowerBound, count: range.count)
      unsafe run.sort(by: areInIncreasingOrder)
      if into { unsafe (other.base + range.lowerBound).moveInitialize(from: elements.base + range.lowerBound, count: range.count) }
      return
    }
    let middle = range.lowerBound + range.count / 2
    // The halves end in the array from which they are then merged.
    _ = join(
      { mergeSort(elements, other, range.lowerBound..<middle, into: !into, areInIncreasingOrder) },
      { mergeSort(elements, other, middle..<range.upperBound, into: !into, areInIncreasingOrder) })
    let (source, target) = into ? (elements, other) : (other, elements)
    merge(source, range.lowerBound..<middle, middle..<range.upperBound, target, range.lowerBound, areInIncreasingOrder)
  }

  /// Moves two sorted ranges of `source` to `target`, sorted; of equal elements those of the first range come first.
  @inlinable
  func merge<Element: Sendable>(
    _ source: SharedElements<Element>, _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements<Element>,
    _ place: Int, _ areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) {
    if first.count + second.count <= SortedRun.small {
      return source.merge(first, second, target, place, areInIncreasingOrder)
    }
    // Cut the longer range in the middle, and the other where the same element would stand.
    let a: Int
    let b: Int
    if first.count >= second.count {
      a = first.lowerBound + first.count / 2
      b = source.partition(second) { unsafe areInIncreasingOrder(source.base[$0], source.base[a]) }
    } else {
      b = second.lowerBound + second.count / 2
      a = source.partition(first) { unsafe !areInIncreasingOrder(source.base[b], source.base[$0]) }
    }
    let next = place + (a - first.lowerBound) + (b - second.lowerBound)
    _ = join(
      { merge(source, first.lowerBound..<a, second.lowerBound..<b, target, place, areInIncreasingOrder) },
      { merge(source, a..<first.upperBound, b..<second.upperBound, target, next, areInIncreasingOrder) })
  }
}

@usableFromInline
enum SortedRun {
  /// So many elements are sorted or merged by one worker.
  @usableFromInline static var small: Int { 8192 }
}

/// Memory of which each worker touches another part.
// SAFETY: the algorithm that made it hands out ranges that do not overlap, and waits for all workers.
@usableFromInline
@safe struct SharedElements<Element>: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutablePointer<Element>

  @inlinable
  init(_ base: UnsafeMutablePointer<Element>) { unsafe self.base = base }

  /// The first place of the range for which `isBefore` is false.
  @inlinable
  func partition(_ range: Range<Int>, _ isBefore: (Int) -> Bool) -> Int {
    var low = range.lowerBound
    var high = range.upperBound
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  @inlinable
  func merge(
    _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements, _ place: Int,
    _ areInIncreasingOrder: (Element, Element) -> Bool
  ) {
    var a = first.lowerBound
    var b = second.lowerBound
    var place = place
    while a < first.upperBound, b < second.upperBound {
      let takesSecond = unsafe areInIncreasingOrder(base[b], base[a])
      unsafe (target.base + place).moveInitialize(from: base + (takesSecond ? b : a), count: 1)
      b += takesSecond ? 1 : 0
      a += takesSecond ? 0 : 1
      place += 1
    }
    unsafe (target.base + place).moveInitialize(from: base + a, count: first.upperBound - a)
    unsafe (target.base + place + first.upperBound - a).moveInitialize(from: base + b, count: second.upperBound - b)
  }
}
