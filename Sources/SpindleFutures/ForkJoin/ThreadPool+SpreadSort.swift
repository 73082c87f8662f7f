/// Sorting of numbers: one pass spreads them over buckets by their leading bits, then each bucket is sorted by itself.
///
/// A bucket fits a cache as a rule, and there is sorted digit by digit, so that all memory is read and written twice instead of once
/// for each of the upper merges. Whatever the numbers are, the work is hardly more than that of the merge sort: by which a bucket with
/// very many or very few of them is sorted, a large one by all workers. For the spreading, workers count and then move a part of the
/// array each, in the order of the parts.
@usableFromInline
struct Spread: Sendable {
  /// From so many elements on.
  @usableFromInline static var leastCount: Int { 1 << 16 }
  @usableFromInline static var bucketBits: Int { 10 }
  @usableFromInline static var buckets: Int { 1 << bucketBits }
  /// Buckets of so many elements are sorted digit by digit.
  @usableFromInline static var digitwise: Range<Int> { 512..<1 << 16 }
  @usableFromInline static var digitBits: UInt64 { 11 }

  @usableFromInline let count: Int
  @usableFromInline let parts: Int
  @usableFromInline let least: UInt64
  @usableFromInline let shift: UInt64

  /// For so many keys from `least` to `most`, and four parts for each worker, of which one that comes late still finds some.
  @inlinable
  init(_ count: Int, from least: UInt64, to most: UInt64, workers: Int) {
    self.count = count
    parts = workers * 4
    self.least = least
    shift = UInt64(max(0, UInt64.bitWidth - (most &- least).leadingZeroBitCount - Self.bucketBits))
  }

  /// The bucket of a key: its leading bits, counted from the smallest key on.
  @inlinable @inline(__always)
  func bucket(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &- least) &>> shift) }

  @inlinable
  func part(_ index: Int) -> Range<Int> { count * index / parts..<count * (index + 1) / parts }
}

extension ThreadPool {
  /// Sorts `count` numbers that lie in `elements`; `other` has room for as many.
  @inlinable
  func spreadSort<Order: SortOrder>(
    _ elements: SharedElements<Order.Element>, _ other: SharedElements<Order.Element>, _ count: Int, _ order: Order
  ) {
    let (least, most) = reduce(pieces: 0..<count, { range in
      var (least, most) = (UInt64.max, UInt64.min)
      for index in range {
        let key = unsafe Order.key(elements.base[index])
        least = min(least, key)
        most = max(most, key)
      }
      return (least, most)
    }, { (min($0.0, $1.0), max($0.1, $1.1)) })!
    if least == most { return }
    let spread = Spread(count, from: least, to: most, workers: maxWorkers)

    // A row of places for each part: how many of its elements fall into each bucket, then where its next one of that bucket goes.
    let places = unsafe SharedElements(UnsafeMutablePointer<Int>.allocate(capacity: spread.parts * Spread.buckets))
    unsafe places.base.initialize(repeating: 0, count: spread.parts * Spread.buckets)
    defer { unsafe places.base.deallocate() }
    forEach(0..<spread.parts) { index in
      let row = unsafe places.base + index * Spread.buckets
      for element in spread.part(index) { unsafe row[spread.bucket(Order.key(elements.base[element]))] += 1 }
    }
    var (starts, next) = ([Int](), 0)
    starts.reserveCapacity(Spread.buckets + 1)
    for bucket in 0..<Spread.buckets {
      starts.append(next)
      for part in 0..<spread.parts {
        let place = unsafe places.base + part * Spread.buckets + bucket
        unsafe (place.pointee, next) = (next, next + place.pointee)
      }
    }
    starts.append(count)
    forEach(0..<spread.parts) { index in
      let row = unsafe places.base + index * Spread.buckets
      for element in spread.part(index) {
        let number = unsafe spread.bucket(Order.key(elements.base[element]))
        unsafe (other.base + row[number]).initialize(to: elements.base[element])
        unsafe row[number] += 1
      }
    }
    forEach(0..<Spread.buckets) { [starts] in
      let range = starts[$0]..<starts[$0 + 1]
      if Spread.digitwise.contains(range.count) {
        other.sortDigits(range, spread, into: elements, Order.self)
      } else {
        mergeSort(other, elements, range, into: true, order)
      }
    }
  }
}

extension SharedElements {
  /// Sorts the numbers of one bucket into `other`: by their last digit, then, keeping that order, by the one before it, and so on.
  /// A digit has 11 bits; the bits that a bucket's numbers have in common are left out.
  ///
  /// Never inlined: it may end with copying memory. Swift 6.3.1 makes that a jump into `memmove`, also in the closure of a loop that may
  /// throw, and forgets there to say that nothing was thrown.
  @inlinable @inline(never)
  func sortDigits<Order: SortOrder<Element>>(_ range: Range<Int>, _ spread: Spread, into other: SharedElements, _: Order.Type) {
    var (source, target) = unsafe (base, other.base)
    unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << Spread.digitBits) { places in
      var shift: UInt64 = 0
      while shift < spread.shift {
        func digit(_ element: Element) -> Int {
          Int(truncatingIfNeeded: (Order.key(element) &- spread.least) &>> shift & (1 << Spread.digitBits - 1))
        }
        unsafe places.initialize(repeating: 0)
        for index in range { unsafe places[digit(source[index])] += 1 }
        var next = range.lowerBound
        for place in places.indices { unsafe (places[place], next) = (next, next + places[place]) }
        for index in range {
          let number = unsafe digit(source[index])
          unsafe (target + places[number]).initialize(to: source[index])
          unsafe places[number] += 1
        }
        unsafe swap(&source, &target)
        shift += Spread.digitBits
      }
    }
    if unsafe source == base { unsafe (other.base + range.lowerBound).update(from: base + range.lowerBound, count: range.count) }
  }
}
