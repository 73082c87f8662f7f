import SpindleGround

/// The values of a pool's `map`, in the order of the items. Lazy: reading it makes the map go on.
///
///     for size in pool.map(files, { sizeOf($0) }) { total += size }            // a closure that never throws
///     let pages = try pool.map(urls) { try download($0) }.collect()            // one that may
///     for try await page in pool.map(urls, { try download($0) }) { show(page) }
///
/// `Failure` is `Never` when neither the closure throws nor a time-out was given: then this is a plain `Sequence`.
/// Otherwise read it with `next()`, `collect()`, or `for try await`; where an array or a plain sequence is wanted,
/// `try pool.map` gives an array, with all values there. The first error ends it and cancels the calls
/// that have not begun. So does letting go of it after having begun to read. It can be read once, by one reader at a
/// time.
public struct MapResults<Value: Sendable, Failure: Error> {
  let feed: any MapSource<Value>

  package init(feed: any MapSource<Value>) { self.feed = feed }

  /// The next value; blocks the thread until it is there. Nil after the last, and after an error.
  @available(*, noasync, message: "a task must not block its thread: use 'for try await'")
  public func next() throws(Failure) -> Value? {
    do {
      return try feed.next()
    } catch {
      throw failure(error)
    }
  }

  /// All values; blocks the thread until they are there. Throws the first error in the order of the items.
  @available(*, noasync, message: "a task must not block its thread: use 'try await collect()'")
  public func collect() throws(Failure) -> [Value] {
    var values: [Value] = []
    do {
      while try feed.next(into: &values) {}
    } catch {
      throw failure(error)
    }
    return values
  }

  /// All values, without blocking a thread. Cancelling the task ends it with `CancellationError`.
  nonisolated(nonsending) public func collect() async throws -> [Value] {
    var values: [Value] = []
    while try await feed.next(into: &values) {}
    return values
  }
}

private func failure<Failure: Error>(_ error: any Error) -> Failure {
  guard let failure = error as? Failure else { endForLackOfThrows(error) }
  return failure
}

/// A reader that cannot throw has got an error: the pool broke. (Calls that it cancelled have been made by the reader.)
private func endForLackOfThrows(_ error: any Error) -> Never {
  mistake("\(error); a map whose closure does not throw cannot tell: let the closure throw, and read with 'try'")
}

extension MapResults: Sequence where Failure == Never {
  public struct Iterator: IteratorProtocol {
    let feed: any MapSource<Value>

    public mutating func next() -> Value? {
      do {
        return try feed.next()
      } catch {
        endForLackOfThrows(error)
      }
    }
  }

  public func makeIterator() -> Iterator { Iterator(feed: feed) }
}

extension MapResults: AsyncSequence {
  public typealias Element = Value

  public struct AsyncIterator: AsyncIteratorProtocol {
    let feed: any MapSource<Value>

    public mutating func next() async throws(Failure) -> Value? { try await next(isolation: #isolation) }

    /// The next value. When the task is cancelled it throws `CancellationError`; if it cannot throw, it ends.
    public mutating func next(isolation: isolated (any Actor)?) async throws(Failure) -> Value? {
      do {
        return try await feed.next()
      } catch {
        if Failure.self == Never.self, error is CancellationError { return nil }
        throw failure(error)
      }
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(feed: feed) }
}
