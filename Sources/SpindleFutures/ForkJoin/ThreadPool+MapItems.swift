import SpindleThreads

extension ThreadPool {
  /// What `transform` makes of every item, in their order: all at once, on all workers.
  ///
  ///     let thumbnails = pool.map(images, grain: .automatic) { $0.scaled(to: 64) }
  ///
  /// Unlike `map` without `grain`, which is lazy and runs each item as a job of its own, this divides the items into pieces
  /// and writes each result once, where it belongs. The first error by position that is seen is thrown; results that exist then are
  /// released.
  @available(*, noasync, message: "a task must not block its thread: use 'await pool.map'")
  @inlinable @inline(__always)
  public func map<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, grain: Grain, _ transform: @Sendable (Items.Element) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    try fill(items, grain) { (range, all) throws(Failure) in try all.results.fill(range, all.items, transform) }
  }

  /// The same for a task.
  @inlinable @inline(__always)
  nonisolated(nonsending) public func map<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, grain: Grain, _ transform: @Sendable (Items.Element) throws(Failure) -> Value
  ) async throws(Failure) -> [Value] {
    try await fill(items, grain) { (range, all) throws(Failure) in try all.results.fill(range, all.items, transform) }
  }

  @available(*, noasync)
  @inlinable
  func fill<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain,
    _ piece: @Sendable (Range<Int>, (items: Items, results: PartialResults<Value>)) throws(Failure) -> Void
  ) throws(Failure) -> [Value] {
    try inside { () throws(Failure) in try fillHere(items, grain, piece) }
  }

  @inlinable
  nonisolated(nonsending) func fill<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain,
    _ piece: @Sendable (Range<Int>, (items: Items, results: PartialResults<Value>)) throws(Failure) -> Void
  ) async throws(Failure) -> [Value] {
    try await inside { () throws(Failure) in try fillHere(items, grain, piece) }
  }

  @inlinable
  func fillHere<Items: RandomAccessCollection & Sendable, Value: Sendable, Failure: Error>(
    _ items: Items, _ grain: Grain,
    _ piece: @Sendable (Range<Int>, (items: Items, results: PartialResults<Value>)) throws(Failure) -> Void
  ) throws(Failure) -> [Value] {
    let count = items.count
    if count == 0 { return [] }
    var failure: Failure?
    let values = unsafe [Value](unsafeUninitializedCapacity: count) { memory, initialized in
      let results = unsafe PartialResults(memory.baseAddress!)
      do throws(Failure) {
        try divide(0..<count, itemwise(grain), (items: items, results: results), piece) { _, _ in }
        initialized = count
      } catch {
        results.release()
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }
}

/// An array's memory, which is filled piece by piece, in any order.
// SAFETY: each place is written by the one call that has its range; `filled` is guarded.
@usableFromInline
@safe final class PartialResults<Value>: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutablePointer<Value>
  /// Which ranges hold values that must be released should another piece fail.
  @usableFromInline let filled = Guarded<[Range<Int>]>([])

  @inlinable
  init(_ base: UnsafeMutablePointer<Value>) { unsafe self.base = base }

  @inlinable @inline(__always)
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
    if !_isPOD(Value.self) { filled.withLock { $0.append(range) } }
  }

  /// After a piece has failed and the others have ended.
  @inlinable
  func release() {
    for range in filled.withLock({ $0 }) { unsafe (base + range.lowerBound).deinitialize(count: range.count) }
  }
}
