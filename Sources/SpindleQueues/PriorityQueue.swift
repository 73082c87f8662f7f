import SpindleGround

/// A queue for threads and tasks whose smallest element leaves first.
///
///     let alarms = PriorityQueue<Date>()                                   // a Comparable: the earliest first
///     let jobs = PriorityQueue<Job>(by: { $0.urgency > $1.urgency })       // any order: the most urgent first
///     try jobs.put(job)
///     let next = try jobs.get()
///
/// Among equals the one that was put first leaves first. A put and a get make O(log n) comparisons, with a lock held:
/// a comparison must not use the queue. Everything else is as with ``Queue``.
public final class PriorityQueue<Element>: BlockingQueue<Element>, @unchecked Sendable {
  /// Makes an empty queue for up to `capacity` elements (0: no bound), from which an element leaves before those
  /// that it `precedes`.
  @inlinable
  public init(capacity: Int = 0, by precedes: sending @escaping (Element, Element) -> Bool) {
    let heap = Shared(StableHeap<Element>(by: precedes))
    super.init(
      kind: .locked, capacity: capacity,
      store: LockedStore(insert: { unsafe heap.value.insert($0) }, remove: { unsafe heap.value.remove() }))
  }
}

extension PriorityQueue where Element: Comparable {
  /// Makes an empty queue for up to `capacity` elements; 0, as in `PriorityQueue()`, sets no bound.
  @inlinable
  public convenience init(capacity: Int = 0) {
    let precedes: (Element, Element) -> Bool = { $0 < $1 }
    self.init(capacity: capacity, by: precedes)
  }
}
