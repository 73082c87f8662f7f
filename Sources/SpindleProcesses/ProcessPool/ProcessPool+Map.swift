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
  public func map<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int? = 1,
    options: CallOptions = CallOptions(), _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    let pull = chunks(of: items, chunkSize, options, function)
    let feed = MapFeed(
      bufferSize: bufferSize ?? max(16, 4 * maxWorkers), until: Deadline(after: timeout),
      pull: { pull().map { MapFeed.Call(future: $0) } })
    return MapResults(feed: ChunkFeed(feed, stop: feed.stop))
  }

  /// The same, but gives the values in the order in which they come: nothing waits for a slow item before it.
  ///
  ///     for try await thumbnail in pool.mapUnordered(photos, chunkSize: 8, { shrink($0) }) { show(thumbnail) }
  ///
  /// The values of a chunk come together, in their order. The first error to come ends the map.
  @discardableResult
  public func mapUnordered<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int? = 1,
    options: CallOptions = CallOptions(), _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    let feed = UnorderedFeed(
      bufferSize: bufferSize ?? max(16, 4 * maxWorkers), until: Deadline(after: timeout),
      pull: chunks(of: items, chunkSize, options, function))
    return MapResults(feed: ChunkFeed(feed, stop: feed.stop))
  }

  /// What submits the next chunk each time it is called; nil after the last. It holds the pool, which lives until the
  /// map has ended.
  private func chunks<Items: Sequence, Value: Codable & Sendable>(
    of items: Items, _ chunkSize: Int?, _ options: CallOptions,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> () -> Future<Chunk<Value>>? where Items.Element: Codable & Sendable {
    if let chunkSize, chunkSize < 1 { mistake("map(chunkSize: \(chunkSize)): a chunk holds at least one item") }
    var iterator = items.makeIterator()
    let sizes = chunkSize == nil ? ChunkSizes(workers: maxWorkers, items: items.underestimatedCount) : nil
    let isPlain = ValueCoder.isPlain(Items.Element.self)
    return {
      let size = chunkSize ?? sizes!.next()
      var call: Call<Value>?
      var batch = ByteBatch()
      var count = 0
      var failure: (any Error)?
      let attachments = isPlain ? nil : AttachmentList()
      while failure == nil, count < size, let item = iterator.next() {
        do {
          let one = try Call(unary: function, item, attachments: attachments)
          unsafe one.bytes.withUnsafeBytes {
            unsafe batch.append(UnsafeRawBufferPointer(rebasing: $0[one.target.header.count...]))
          }
          call = one
          count += 1
        } catch {
          failure = error
        }
      }
      guard let call else {
        guard let failure else { return nil }
        return .failed(failure)
      }
      let chunk = ChunkCall(
        call, batch: batch, count: count, attachments: attachments, error: failure, core: self.core, options: options,
        sizes: sizes)
      let future = chunk.makeFuture()
      self.core.submit(chunk)
      return future
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
