import SpindleThreads

extension ThreadPool {
  /// What `transform` makes of every item, in their order: all at once, on all workers.
  ///
  ///     let thumbnails = pool.map(images, grain: .automatic) { $0.scaled(to: 64) }
  ///
  /// Unlike `map` without `grain`, which is lazy and runs each item as a job of its own, this divides the items into pieces
  /// and writes the results where they belong. The first error by position that is seen is thrown; results that exist then are released.
  /// One allocation, for the result.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.map'")
  @inlinable
  public func map<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, grain: Grain, _ transform: @Sendable (Items.Element) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    let results = PartialResults<Value>(count: items.count)
    _ = try reduce(
      0..<items.count, by: itemwise(grain),
      { (range) throws(Failure) in try results.fill(range, items, transform) },
      { _, _ in })
    return results.take()
  }

  /// The same for a task.
  @inlinable
  nonisolated(nonsending) public func map<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, grain: Grain, _ transform: @Sendable (Items.Element) throws(Failure) -> Value
  ) async throws(Failure) -> [Value] {
    let results = PartialResults<Value>(count: items.count)
    _ = try await reduce(
      0..<items.count, by: itemwise(grain),
      { (range) throws(Failure) in try results.fill(range, items, transform) },
      { _, _ in })
    return results.take()
  }
}

/// Room for results that are written piece by piece, in any order.
// SAFETY: each place is written by the one call that has its range; `filled` is guarded.
@usableFromInline
@safe final class PartialResults<Value>: @unchecked Sendable {
  @usableFromInline let count: Int
  @usableFromInline let base: UnsafeMutablePointer<Value>
  /// Which ranges hold results.
  @usableFromInline let filled = Guarded<[Range<Int>]>([])

  @inlinable
  init(count: Int) {
    self.count = count
    unsafe base = .allocate(capacity: count)
  }

  @inlinable
  deinit {
    filled.withLock { ranges in
      for range in ranges { unsafe (base + range.lowerBound).deinitialize(count: range.count) }
    }
    unsafe base.deallocate()
  }

  @inlinable
  func fill<Items: RandomAccessCollection, Failure: Error>(
    _ range: Range<Int>, _ items: Items, _ transform: (Items.Element) throws(Failure) -> Value
  ) throws(Failure) {
    var index = items.index(items.startIndex, offsetBy: range.lowerBound)
    for place in range {
      do throws(Failure) {
        unsafe (base + place).initialize(to: try transform(items[index]))
      } catch {
        unsafe (base + range.lowerBound).deinitialize(count: place - range.lowerBound)
        throw error
      }
      items.formIndex(after: &index)
    }
    filled.withLock { $0.append(range) }
  }

  /// All results; every place is filled.
  @inlinable
  func take() -> [Value] {
    defer { filled.withLock { $0 = [] } }
    return unsafe [Value](unsafeUninitializedCapacity: count) { memory, initialized in
      if count > 0 { unsafe memory.baseAddress!.moveInitialize(from: base, count: count) }
      initialized = count
    }
  }
}
