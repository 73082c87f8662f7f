import SpindleGround

/// A map that goes on and gives the values as they come. Otherwise as `MapFeed`: at most `bufferSize` calls are in
/// flight or done and unread, and the reader's asking for the next value tells that it has read the one before.
///
/// Belongs to one reader at a time, as an iterator does.
package final class UnorderedFeed<Value: Sendable>: MapSource {
  private let observer = CompletionObserver()
  private let bufferSize: Int
  private let deadline: Deadline
  private var pull: (() -> Future<Value>?)?
  private var inFlight: Set<AnyFuture> = []
  private var wasRead = false

  /// `pull` submits the next call and returns its future, nil after the last item. The first `bufferSize` calls are
  /// submitted now.
  package init(bufferSize: Int, until deadline: Deadline = .never, pull: @escaping () -> Future<Value>?) {
    if bufferSize < 1 { mistake("mapUnordered(bufferSize: \(bufferSize)): the buffer holds at least one call") }
    self.bufferSize = bufferSize
    self.deadline = deadline
    self.pull = pull
    fill()
  }

  /// As `MapFeed`: who began to read and stops wants no more values.
  deinit {
    if wasRead { stop() }
    for future in inFlight { future.remove(observer) }
  }

  private func fill() {
    while inFlight.count < bufferSize, let pull {
      guard let future = pull() else {
        self.pull = nil
        return
      }
      inFlight.insert(future)
      if !future.add(observer) { observer.futureEnded(future) }
    }
  }

  /// Ends the map: pulls no more, cancels what has not begun.
  package func stop() {
    pull = nil
    let left = inFlight
    inFlight = []
    for future in left {
      future.remove(observer)
      future.cancel()
    }
  }

  /// The next value; blocks the thread until there is one. Nil after the last.
  package func next() throws -> Value? {
    wasRead = true
    fill()
    if inFlight.isEmpty { return nil }
    var future: AnyFuture?
    _ = PoolWorker.blockingIfWorker {
      observer.spot.wait("the next value of a map", until: deadline) {
        future = observer.take()
        return future != nil
      }
    }
    return try value(of: future)
  }

  /// The next value, without blocking a thread.
  package nonisolated(nonsending) func next() async throws -> Value? {
    wasRead = true
    fill()
    if inFlight.isEmpty { return nil }
    var future: AnyFuture?
    do {
      _ = try await observer.spot.wait("the next value of a map", owner: observer, until: deadline) {
        future = observer.take()
        return future != nil
      }
    } catch {
      stop()
      throw error
    }
    return try value(of: future)
  }

  private func value(of future: AnyFuture?) throws -> Value {
    do {
      guard let future else { throw TimeoutError(operation: "the next value of a map") }
      inFlight.remove(future)
      // SAFETY: only futures that `pull` gave are observed.
      return try unsafe unsafeDowncast(future, to: Future<Value>.self).ended()
    } catch {
      stop()
      throw error
    }
  }
}
