extension ThreadPool {
  /// Sorts an array on all workers: equal elements keep their order.
  ///
  ///     pool.sort(&names)
  ///     pool.sort(&files) { $0.size > $1.size }
  ///
  /// A merge sort whose merges are divided too. O(n log n) comparisons; room for as many elements again while it runs. Integers
  /// in their own order are first spread over buckets by their leading bits, which takes the place of the upper merges.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.sort'")
  @inlinable @inline(__always)
  public func sort<Element: Sendable>(
    _ array: inout [Element], by areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) {
    sort(
      &array, areInIncreasingOrder, { $0.sortRun($1, $2, into: $3, areInIncreasingOrder) },
      { $0.merge($1, $2, $3, $4, areInIncreasingOrder) })
  }

  /// Sorts an array on all workers, smallest first.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.sort'")
  @inlinable
  public func sort<Element: Sendable & Comparable>(_ array: inout [Element]) { sort(&array, in: NaturalOrder()) }

  /// The same for a task.
  @inlinable @inline(__always)
  nonisolated(nonsending) public func sort<Element: Sendable>(
    _ array: inout [Element], by areInIncreasingOrder: @Sendable (Element, Element) -> Bool
  ) async {
    await sort(
      &array, areInIncreasingOrder, { $0.sortRun($1, $2, into: $3, areInIncreasingOrder) },
      { $0.merge($1, $2, $3, $4, areInIncreasingOrder) })
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func sort<Element: Sendable & Comparable>(_ array: inout [Element]) async {
    // Moved out while the task waits: nobody can hold a pointer into a variable across a suspension.
    var elements = consume array
    array = []
    await inside { sort(&elements, in: NaturalOrder()) }
    array = elements
  }

  /// Both loops call `precedes`; they come as closures of their own, so that it is compiled into them if it captures nothing.
  @available(*, noasync)
  @inlinable
  func sort<Element: Sendable>(
    _ array: inout [Element], _ precedes: @Sendable (Element, Element) -> Bool, _ sortRun: SortLoop<Element>, _ merge: MergeLoop<Element>
  ) {
    withoutActuallyEscaping(precedes) { precedes in
      withoutActuallyEscaping(sortRun) { sortRun in
        withoutActuallyEscaping(merge) { merge in
          sort(&array, in: OrderByClosure(closure: precedes, sortLoop: sortRun, mergeLoop: merge))
        }
      }
    }
  }

  @inlinable
  nonisolated(nonsending) func sort<Element: Sendable>(
    _ array: inout [Element], _ precedes: @Sendable (Element, Element) -> Bool, _ sortRun: SortLoop<Element>, _ merge: MergeLoop<Element>
  ) async {
    var elements = consume array
    array = []
    await inside { sort(&elements, precedes, sortRun, merge) }
    array = elements
  }

  @inlinable
  func sort<Order: SortOrder>(_ array: inout [Order.Element], in order: Order) {
    let count = array.count
    if count < 2 { return }
    let spare = unsafe SharedElements(UnsafeMutablePointer<Order.Element>.allocate(capacity: count))
    defer { unsafe spare.base.deallocate() }
    unsafe array.withUnsafeMutableBufferPointer { memory in
      let elements = unsafe SharedElements(memory.baseAddress!)
      if count <= SortedRun.small {
        mergeSort(elements, spare, 0..<count, into: false, order)
      } else if Order.hasKeys, count >= Spread.leastCount {
        inside { spreadSort(elements, spare, count, order) }
      } else {
        inside { mergeSort(elements, spare, 0..<count, into: false, order) }
      }
    }
  }

  /// Sorts the elements of a range that lie in `elements`, and leaves them there, or, with `into`, in `other`.
  @inlinable
  func mergeSort<Order: SortOrder>(
    _ elements: SharedElements<Order.Element>, _ other: SharedElements<Order.Element>, _ range: Range<Int>, into: Bool,
    _ order: Order
  ) {
    if range.count <= SortedRun.small { return order.sortRun(elements, other, range, into: into) }
    let middle = range.lowerBound + range.count / 2
    // The halves end in the array from which they are then merged.
    _ = join(
      { mergeSort(elements, other, range.lowerBound..<middle, into: !into, order) },
      { mergeSort(elements, other, middle..<range.upperBound, into: !into, order) })
    let (source, target) = into ? (elements, other) : (other, elements)
    merge(source, range.lowerBound..<middle, middle..<range.upperBound, target, range.lowerBound, order)
  }

  /// Moves two sorted ranges of `source` to `target`, sorted; of equal elements those of the first range come first.
  @inlinable
  func merge<Order: SortOrder>(
    _ source: SharedElements<Order.Element>, _ first: Range<Int>, _ second: Range<Int>,
    _ target: SharedElements<Order.Element>, _ place: Int, _ order: Order
  ) {
    if first.count + second.count <= SortedRun.small {
      return order.merge(source, first, second, target, place)
    }
    // Cut the longer range in the middle, and the other where the same element would stand.
    let a: Int
    let b: Int
    if first.count >= second.count {
      a = first.lowerBound + first.count / 2
      b = source.partition(second) { unsafe order.precedes(source.base[$0], source.base[a]) }
    } else {
      b = second.lowerBound + second.count / 2
      a = source.partition(first) { unsafe !order.precedes(source.base[b], source.base[$0]) }
    }
    let next = place + (a - first.lowerBound) + (b - second.lowerBound)
    _ = join(
      { merge(source, first.lowerBound..<a, second.lowerBound..<b, target, place, order) },
      { merge(source, a..<first.upperBound, b..<second.upperBound, target, next, order) })
  }
}

@usableFromInline
enum SortedRun {
  /// So many elements are sorted or merged by one worker.
  @usableFromInline static var small: Int { 8192 }
  /// So many are sorted by insertion.
  @usableFromInline static var tiny: Int { 20 }
}

/// Memory of which each worker touches another part.
// SAFETY: the algorithm that made it hands out ranges that do not overlap, and waits for all workers.
@usableFromInline
@safe struct SharedElements<Element>: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutablePointer<Element>

  @inlinable
  init(_ base: UnsafeMutablePointer<Element>) { unsafe self.base = base }

  /// Fills places that hold nothing yet with copies.
  @inlinable
  func initialize(from place: Int, to elements: [Element]) {
    unsafe elements.withUnsafeBufferPointer { source in
      if let first = source.baseAddress { unsafe (base + place).initialize(from: first, count: source.count) }
    }
  }

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

  /// Sorts the elements of a range by this thread alone, and leaves them here, or, with `into`, in `other`.
  @inlinable @inline(__always)
  func sortRun(_ other: SharedElements, _ range: Range<Int>, into: Bool, _ precedes: (Element, Element) -> Bool) {
    var width = SortedRun.tiny
    for start in stride(from: range.lowerBound, to: range.upperBound, by: width) {
      insertionSort(start..<min(start + width, range.upperBound), precedes)
    }
    var (source, target) = (self, other)
    while width < range.count {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: 2 * width) {
        let middle = min(start + width, range.upperBound)
        source.merge(start..<middle, middle..<min(start + 2 * width, range.upperBound), target, start, precedes)
      }
      (source, target) = (target, source)
      width *= 2
    }
    let last = unsafe into ? other.base : base
    if unsafe source.base != last {
      unsafe (last + range.lowerBound).moveInitialize(from: source.base + range.lowerBound, count: range.count)
    }
  }

  /// Sorts a few elements in place, keeping the order of equal ones.
  @inlinable @inline(__always)
  func insertionSort(_ range: Range<Int>, _ precedes: (Element, Element) -> Bool) {
    for index in range.dropFirst() {
      guard unsafe precedes(base[index], base[index - 1]) else { continue }
      let element = unsafe (base + index).move()
      var place = index
      repeat {
        unsafe (base + place).moveInitialize(from: base + place - 1, count: 1)
        place -= 1
      } while unsafe place > range.lowerBound && precedes(element, base[place - 1])
      unsafe (base + place).initialize(to: element)
    }
  }

  /// Moves two sorted ranges to `target`, sorted; of equal elements those of the first range come first.
  @inlinable @inline(__always)
  func merge(
    _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements, _ place: Int,
    _ precedes: (Element, Element) -> Bool
  ) {
    var rest = MergeRest(first, second, place)
    // A comparison that contradicts itself could have an element twice here: harmless only if it is mere bits.
    if _isPOD(Element.self) { mergeFromBothEnds(&rest, target, precedes) }
    var (a, b, place) = (rest.a, rest.b, rest.place)
    while a < rest.aEnd, b < rest.bEnd {
      let takesSecond = unsafe precedes(base[b], base[a])
      unsafe (target.base + place).moveInitialize(from: base + (takesSecond ? b : a), count: 1)
      b += takesSecond ? 1 : 0
      a += takesSecond ? 0 : 1
      place += 1
    }
    unsafe (target.base + place).moveInitialize(from: base + a, count: rest.aEnd - a)
    unsafe (target.base + place + rest.aEnd - a).moveInitialize(from: base + b, count: rest.bEnd - b)
  }

  /// The smallest to the front and the largest to the back: two chains of comparisons that do not wait for one another. It takes
  /// as many of each as the shorter range has, so that no end need be looked at; then again, until that is hardly any.
  @inlinable @inline(__always)
  func mergeFromBothEnds(_ rest: inout MergeRest, _ target: SharedElements, _ precedes: (Element, Element) -> Bool) {
    var (a, b, aEnd, bEnd, place) = (rest.a, rest.b, rest.aEnd, rest.bEnd, rest.place)
    var placeEnd = place &+ (aEnd &- a) &+ (bEnd &- b)
    while true {
      var steps = min(aEnd &- a, bEnd &- b)
      if steps < 4 { break }
      repeat {
        let takesSecond = unsafe precedes(base[b], base[a])
        unsafe (target.base + place).initialize(to: base[takesSecond ? b : a])
        b &+= takesSecond ? 1 : 0
        a &+= takesSecond ? 0 : 1
        place &+= 1
        let takesFirst = unsafe precedes(base[bEnd &- 1], base[aEnd &- 1])
        placeEnd &-= 1
        unsafe (target.base + placeEnd).initialize(to: base[(takesFirst ? aEnd : bEnd) &- 1])
        aEnd &-= takesFirst ? 1 : 0
        bEnd &-= takesFirst ? 0 : 1
        steps &-= 1
      } while steps > 0
    }
    // Only after contradictions: as many elements as there are places left.
    if a > aEnd {
      bEnd = b &+ (placeEnd &- place)
      aEnd = a
    } else if b > bEnd {
      aEnd = a &+ (placeEnd &- place)
      bEnd = b
    }
    (rest.a, rest.b, rest.aEnd, rest.bEnd, rest.place) = (a, b, aEnd, bEnd, place)
  }
}

/// What two sorted ranges still have to give, and where it belongs.
@usableFromInline
struct MergeRest {
  @usableFromInline var a, aEnd, b, bEnd, place: Int

  @inlinable @inline(__always)
  init(_ first: Range<Int>, _ second: Range<Int>, _ place: Int) {
    (a, aEnd, b, bEnd) = (first.lowerBound, first.upperBound, second.lowerBound, second.upperBound)
    self.place = place
  }
}
