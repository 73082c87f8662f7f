import SpindleGround
import Synchronization

/// What every queue can do: the calls of ``Queue``, ``LIFOQueue`` and ``PriorityQueue``.
///
///     func report(_ results: BlockingQueue<Result>) {      // takes any of the three
///       for result in results { print(result) }            // until the queue is shut down
///     }
///
/// Threads and tasks may use one queue at the same time. A call that has to wait blocks a thread and suspends a task.
/// What a thread did before a put is visible to whoever gets that element.
// SAFETY: all mutable state is in `body`, which has its own lock.
public class BlockingQueue<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline final let body: LockedBody<Element>

  init(body: LockedBody<Element>) { self.body = body }

  /// How many elements fit in; 0 when there is no bound.
  public final var capacity: Int { body.capacity }

  /// How many elements are in the queue now. Others may have changed that when this returns.
  public final var count: Int { body.count }

  /// Whether there is no element in the queue now.
  public final var isEmpty: Bool { count == 0 }

  /// Whether a put would have to wait now. Never for a queue without bound.
  public final var isFull: Bool { capacity > 0 && count >= capacity }

  /// Whether `shutdown` has been called.
  public final var isShutDown: Bool { body.isShutDown }
}
