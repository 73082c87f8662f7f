public import SpindleFutures
internal import SpindleGround

extension ProcessPool {
  /// Calls `function` for each item in the worker processes; gives the values in the order of the items.
  ///
  ///     for try await count in pool.map(files, chunkSize: 10, { countWords(in: $0) }) { total += count }
  ///     let sizes = try pool.map(images, resize).collect()
  ///
  /// Lazy: items are pulled as the values are read, so `items` may be endless. `chunkSize` items travel and run together, as one
  /// call; larger is faster for small work. At most `bufferSize` calls are in flight or done and unread, never one
  /// more: that is `bufferSize` times `chunkSize` items; by default four calls for each worker, at least 16. The first of them
  /// begin at once. The time-out counts from this call: a value that is not there by then ends the map with `TimeoutError`.
  /// The first error, in the order of the items, ends the map; the values before it are given first. An item of a
  /// chunk whose worker died takes the whole chunk with it. `chunkSize` or `bufferSize` below 1 is a mistake.
  @discardableResult
  public func map<Items: Sequence, Value: Codable & Sendable>(
    _ items: Items, timeout: Duration? = nil, bufferSize: Int? = nil, chunkSize: Int = 1,
    _ function: @escaping @Sendable (Items.Element) throws -> Value
  ) -> MapResults<Value, any Error> where Items.Element: Codable & Sendable {
    if chunkSize < 1 { mistake("map(chunkSize: \(chunkSize)): a chunk holds at least one item") }
    var iterator = items.makeIterator()
    // The closure holds the pool: it lives until the map has ended.
    let pull = { () -> MapFeed<Chunk<Value>>.Call? in
      var call: Call<Value>?
      var batch = ByteBatch()
      var count = 0
      var failure: (any Error)?
      let attachments = AttachmentList()
      while failure == nil, count < chunkSize, let item = iterator.next() {
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
        return MapFeed.Call(future: .failed(failure))
      }
      let chunk = ChunkCall(
        call, batch: batch, count: count, attachments: attachments, error: failure, core: self.core,
        options: CallOptions())
      let future = chunk.makeFuture()
      self.core.submit(chunk)
      return MapFeed.Call(future: future)
    }
    let feed = MapFeed(
      bufferSize: bufferSize ?? max(16, 4 * maxWorkers), until: Deadline(after: timeout), pull: pull)
    return MapResults(feed: ChunkFeed(chunks: feed))
  }
}

/// Takes chunks apart.
private final class ChunkFeed<Value: Sendable>: MapSource {
  private let chunks: MapFeed<Chunk<Value>>
  private var chunk = Chunk<Value>()
  private var given = 0

  init(chunks: MapFeed<Chunk<Value>>) { self.chunks = chunks }

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
    chunks.stop()
    throw error
  }
}
