import SpindleGround

extension BlockingQueue: Sequence {
  /// Takes elements out of the queue until it is shut down and empty. Blocks the thread while there is none.
  @frozen
  public struct Iterator: IteratorProtocol {
    @usableFromInline let queue: BlockingQueue

    @inlinable
    init(_ queue: BlockingQueue) { self.queue = queue }

    @inlinable
    public mutating func next() -> Element? { try? queue.get(until: .never) }
  }

  @inlinable
  public final func makeIterator() -> Iterator { Iterator(self) }
}

extension BlockingQueue: AsyncSequence {
  /// Takes elements out of the queue until it is shut down and empty, or the task is cancelled.
  @frozen
  public struct AsyncIterator: AsyncIteratorProtocol {
    @usableFromInline let queue: BlockingQueue

    @inlinable
    init(_ queue: BlockingQueue) { self.queue = queue }

    @inlinable
    nonisolated(nonsending) public mutating func next() async -> Element? { try? await queue.get(until: .never) }

    @inlinable
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(Never) -> Element? {
      try? await queue.get(until: .never)
    }
  }

  @inlinable
  public final func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
