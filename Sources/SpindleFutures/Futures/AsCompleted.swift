import SpindleGround
import Synchronization

/// Gives futures in the order in which they end.
///
///     for page in asCompleted(pages, timeout: .seconds(10)) { show(try page.result()) }
///     for try await page in asCompleted(pages) { show(try await page.result()) }
///
/// Each future comes once, however often it was given; those that have ended already come first. The time-out counts
/// from this call. When it runs out, `for` ends, and `timedOut` of the sequence is true; `for try await` throws
/// `TimeoutError`. Futures of different types can be given as `[AnyFuture]`. Memory: O(futures given); those given
/// out are not kept.
public func asCompleted<Awaited: AnyFuture>(
  _ futures: some Sequence<Awaited>, timeout: Duration? = nil
) -> AsCompleted<Awaited> {
  AsCompleted(feed: CompletionFeed(withoutDuplicates(futures), until: Deadline(after: timeout)))
}

/// The futures given to `asCompleted`, in the order in which they end. Can be iterated once.
public struct AsCompleted<Awaited: AnyFuture>: Sequence, AsyncSequence, Sendable {
  public typealias Element = Awaited
  public typealias Failure = any Error

  fileprivate let feed: CompletionFeed

  /// Whether an iteration ended because time ran out before all futures had ended.
  public var timedOut: Bool { feed.timedOut }

  public struct Iterator: IteratorProtocol {
    fileprivate let feed: CompletionFeed

    /// The next future that has ended; blocks the thread until there is one. Nil after the last, or when time ran out.
    public mutating func next() -> Awaited? {
      // SAFETY: the feed gives out what it was given: futures of this class.
      feed.next().map { unsafe unsafeDowncast($0, to: Awaited.self) }
    }
  }

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let feed: CompletionFeed

    /// The next future that has ended. Throws `TimeoutError`, and `CancellationError` when the task is cancelled.
    public mutating func next() async throws -> Awaited? { try await next(isolation: nil) }

    public mutating func next(isolation: isolated (any Actor)?) async throws -> Awaited? {
      // SAFETY: as above.
      try await feed.next(isolation: isolation).map { unsafe unsafeDowncast($0, to: Awaited.self) }
    }
  }

  public func makeIterator() -> Iterator { Iterator(feed: feed) }
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(feed: feed) }
}

/// Where ended futures line up until they are given out.
final class CompletionObserver: FutureObserver, @unchecked Sendable {
  let spot = ParkingSpot()
  private let ended = RawGuarded<(list: [AnyFuture?], given: Int)>(([], 0))
  /// How many lie ready; W1 of the spot.
  private let ready = Atomic<Int>(0)

  override func futureEnded(_ future: AnyFuture) {
    ended.withLock { $0.list.append(future) }
    ready.wrappingAdd(1, ordering: .sequentiallyConsistent)
    spot.wake()
  }

  func take() -> AnyFuture? {
    if ready.load(ordering: .acquiring) == 0 { return nil }
    return ended.withLock { ended in
      if ended.given == ended.list.count { return nil }
      ready.wrappingSubtract(1, ordering: .relaxed)
      defer { ended.given += 1 }
      return ended.list[ended.given].take()
    }
  }
}

/// What one `asCompleted` still has to give. Leaves the futures when nobody holds it any more.
private final class CompletionFeed: Sendable {
  private let observer = CompletionObserver()
  private let waited: RawGuarded<[ObjectIdentifier: AnyFuture]>
  private let left: Atomic<Int>
  private let isOver = Atomic<Bool>(false)
  private let deadline: Deadline

  init(_ futures: [AnyFuture], until deadline: Deadline) {
    self.deadline = deadline
    left = Atomic(futures.count)
    waited = RawGuarded(Dictionary(uniqueKeysWithValues: futures.map { (ObjectIdentifier($0), $0) }))
    for future in futures where !future.add(observer) { observer.futureEnded(future) }
  }

  deinit {
    // The observer refers to no feed: a future that goes on must not keep what nobody iterates any more.
    for future in waited.withLock({ Array($0.values) }) { future.remove(observer) }
  }

  var timedOut: Bool { isOver.load(ordering: .acquiring) }
  private var hasEnded: Bool { left.load(ordering: .sequentiallyConsistent) == 0 || timedOut }

  private func take() -> AnyFuture? {
    guard let future = observer.take() else { return nil }
    waited.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(future)) }
    if left.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue == 0 { observer.spot.wakeAll() }
    return future
  }

  private func giveUp() {
    isOver.store(true, ordering: .sequentiallyConsistent)
    observer.spot.wakeAll()
  }

  func next() -> AnyFuture? {
    if hasEnded { return nil }
    var future: AnyFuture?
    let inTime = PoolWorker.blockingIfWorker {
      observer.spot.wait("the next future to end", until: deadline) {
        future = take()
        return future != nil || hasEnded
      }
    }
    if !inTime { giveUp() }
    return future
  }

  func next(isolation: isolated (any Actor)?) async throws -> AnyFuture? {
    if hasEnded { return nil }
    var future: AnyFuture?
    let inTime = try await observer.spot.wait(
      "the next future to end", owner: observer, until: deadline, isolation: isolation
    ) {
      future = take()
      return future != nil || hasEnded
    }
    if !inTime {
      giveUp()
      throw TimeoutError(operation: "\(left.load(ordering: .relaxed)) futures to end")
    }
    return future
  }
}
