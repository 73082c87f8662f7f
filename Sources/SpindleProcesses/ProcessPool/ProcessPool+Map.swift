public import SpindleFutures
internal import CSpindle
internal import SpindleGround

extension ProcessPool {
  /// Calls `function` for each item in the worker processes; gives the values in the order of the items.
  ///
  ///     for try await count in pool.map(files, chunkSize: 10, { countWords(in: $0) }) { total += count }
  ///     let sizes = try pool.map(images, resize).collect()
  ///
  /// Lazy: items are pulled as the values are read, so `items` may be endless. `chunkSize` items travel and run
  /// together, as one call; larger is faster for small work, and `nil` chooses by how long the items take: a
  /// millisecond's work for each call. At most `bufferSize` calls are in flight or done and unread, never one more:
  /// that is `bufferSize` times `chunkSize` items; by default four calls for each worker, at least 16. The first of
  /// them begin at once. The time-out counts from this call: a value that is not there by then ends the map with
  /// `TimeoutError`. The first error, in the order of the items, ends the map; the values before it are given first.
  /// An item of a chunk whose worker died takes the whole chunk with it. `options` holds for each call, which is a
  /// chunk. `chunkSize` or `bufferSize` below 1 is a mistake.
  @discardableResult
  @inlinable
  public func map<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int? = 1,
    options: CallOptions = CallOptions(), _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    mapChunks(
      Self.taker(of: items), items.underestimatedCount, timeout, bufferSize, chunkSize, options, isOrdered: true, function)
  }

  /// The same, but gives the values in the order in which they come: nothing waits for a slow item before it.
  ///
  ///     for try await thumbnail in pool.mapUnordered(photos, chunkSize: 8, { shrink($0) }) { show(thumbnail) }
  ///
  /// The values of a chunk come together, in their order. The first error to come ends the map.
  @discardableResult
  @inlinable
  public func mapUnordered<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int? = 1,
    options: CallOptions = CallOptions(), _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    mapChunks(
      Self.taker(of: items), items.underestimatedCount, timeout, bufferSize, chunkSize, options, isOrdered: false, function)
  }

  /// What takes up to so many of the items each time it is called. It is compiled where the map is called, for the type
  /// of its items: all that is done for each of them alone.
  @inlinable
  static func taker<Items: Sequence>(of items: Items) -> (Int) -> [Items.Element] {
    var iterator = items.makeIterator()
    return { most in
      var taken: [Items.Element] = []
      taken.reserveCapacity(Swift.min(most, 1024))
      while taken.count < most, let item = iterator.next() { taken.append(item) }
      return taken
    }
  }

  @usableFromInline
  func mapChunks<Item: Codable & Sendable, Value: Codable & Sendable>(
    _ take: @escaping (Int) -> [Item], _ itemCount: Int, _ timeout: Duration?, _ bufferSize: Int?, _ chunkSize: Int?,
    _ options: CallOptions, isOrdered: Bool, _ function: @escaping @Sendable (Item) throws -> Value
  ) -> MapResults<Value, any Error> {
    let bufferSize = bufferSize ?? max(16, 4 * maxWorkers)
    let deadline = Deadline(after: timeout)
    let pull = chunks(take, itemCount, chunkSize, options, function)
    if isOrdered {
      let feed = MapFeed(
        bufferSize: bufferSize, until: deadline, pull: { pull().map { MapFeed.Call(future: $0) } })
      return MapResults(feed: ChunkFeed(feed, stop: feed.stop))
    }
    let feed = UnorderedFeed(bufferSize: bufferSize, until: deadline, pull: pull)
    return MapResults(feed: ChunkFeed(feed, stop: feed.stop))
  }

  /// What submits the next chunk each time it is called; nil after the last. It holds the pool, which lives until the
  /// map has ended.
  private func chunks<Item: Codable & Sendable, Value: Codable & Sendable>(
    _ take: @escaping (Int) -> [Item], _ itemCount: Int, _ chunkSize: Int?, _ options: CallOptions,
    _ function: @escaping @Sendable (Item) throws -> Value
  ) -> () -> Future<Chunk<Value>>? {
    if let chunkSize, chunkSize < 1 { mistake("map(chunkSize: \(chunkSize)): a chunk holds at least one item") }
    let sizes = chunkSize == nil ? ChunkSizes(workers: maxWorkers, items: itemCount) : nil
    let isPlain = ValueCoder.isPlain(Item.self)
    var known: CallRow<Item, Value>?
    return {
      let items = take(chunkSize ?? sizes!.next())
      if items.isEmpty { return nil }
      do {
        let row = try known ?? CallRow(function)
        known = row
        let attachments = isPlain ? nil : AttachmentList()
        let (bytes, count, failure) = row.encode(items, attachments: attachments)
        if count == 0, let failure { return .failed(failure) }
        let call = PoolCall(
          core: self.core, target: row.target, bytes: bytes, hasHeader: true, row: .init(count: count, sizes: sizes),
          attachments: attachments, options: options, isPlain: ValueCoder.isPlain(Value.self)
        ) { future, reply in
          // SAFETY: the future is the one below.
          unsafe unsafeDowncast(future, to: Future<Chunk<Value>>.self)
            .endRemotely(Chunk(reply, of: row, count: count, failure: failure))
        }
        let future = Future<Chunk<Value>>.remote(call)
        call.ends(future)
        self.core.submit(call)
        return future
      } catch {
        return .failed(error)
      }
    }
  }
}

/// Takes chunks apart.
private final class ChunkFeed<Value: Sendable>: MapSource {
  private let chunks: any MapSource<Chunk<Value>>
  private let stop: () -> Void
  private var chunk = Chunk<Value>()
  private var given = 0

  init(_ chunks: any MapSource<Chunk<Value>>, stop: @escaping () -> Void) {
    self.chunks = chunks
    self.stop = stop
  }

  func next() throws -> Value? {
    if let value = try nextOfChunk() { return value }
    guard let next = try chunks.next() else { return nil }
    chunk = next
    given = 0
    return try nextOfChunk()
  }

  nonisolated(nonsending) func next() async throws -> Value? {
    if let value = try nextOfChunk() { return value }
    guard let next = try await chunks.next() else { return nil }
    chunk = next
    given = 0
    return try nextOfChunk()
  }

  /// All that is left of the chunk, and else the next chunk, in one piece.
  func next(into values: inout [Value]) throws -> Bool {
    if take(into: &values) { return true }
    guard let value = try next() else { return false }
    values.append(value)
    _ = take(into: &values)
    return true
  }

  nonisolated(nonsending) func next(into values: inout [Value]) async throws -> Bool {
    if take(into: &values) { return true }
    guard let value = try await next() else { return false }
    values.append(value)
    _ = take(into: &values)
    return true
  }

  private func take(into values: inout [Value]) -> Bool {
    guard given < chunk.values.count else { return false }
    values.append(contentsOf: chunk.values[given...])
    given = chunk.values.count
    return true
  }

  private func nextOfChunk() throws -> Value? {
    if given < chunk.values.count {
      given += 1
      return chunk.values[given - 1]
    }
    guard let error = chunk.error else { return nil }
    chunk = Chunk()
    stop()
    throw error
  }
}
