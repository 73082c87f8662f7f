import SpindleGround

/// A first-in, first-out queue for threads and tasks.
///
///     let jobs = Queue<Job>(capacity: 5)
///     let worker = OSThread.spawn { for job in jobs { job.run() } }
///     try jobs.put(job)              // waits while 5 are in it
///     jobs.shutdown()
///     worker.join()
///
/// Elements leave in the order in which they went in; two puts by one thread or task never overtake each other.
/// Elements need not be `Sendable` (a put sends them away) and may be move-only. There is no lock in it: producers
/// and consumers meet at single slots. A put and a get by one thread allocate nothing. A queue without a bound takes memory for 31 elements
/// at a time, and keeps up to 32 KB of what is empty again, or room for 31 where that is more, for those that come next.
public final class Queue<Element: ~Copyable>: BlockingQueue<Element>, @unchecked Sendable {
  /// Makes an empty queue for up to `capacity` elements; 0, as in `Queue()`, sets no bound.
  ///
  /// A small capacity is allocated at once; a large one, or none, takes memory as it needs it.
  @inlinable
  public init(capacity: Int = 0) {
    super.init(kind: Slots<Element>.suits(capacity) ? .slots : .blocks, capacity: capacity, store: nil)
  }
}
