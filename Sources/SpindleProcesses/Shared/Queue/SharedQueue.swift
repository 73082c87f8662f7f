internal import SpindleGround
import SpindleQueues

/// A first-in, first-out queue between processes: Python's `multiprocessing.Queue` and `JoinableQueue`.
///
///     func work(_ jobs: SharedQueue<Job>, _ results: SharedQueue<Int>) throws {
///       for job in jobs { try results.put(job.run()) }        // until the queue is shut down
///     }
///     let jobs = SharedQueue<Job>(capacity: 5), results = SharedQueue<Int>()
///     ChildProcess(target: work, jobs, results).start()
///     try jobs.put(Job(...))
///
/// Its calls are those of ``Queue``. It is handed to a child as an argument, alone or inside other `Codable` values; it
/// cannot be encoded anywhere else. All who have it use the same queue; it is gone with the last of them and leaves
/// nothing in the file system.
///
/// Elements travel as copies, in the encoding of arguments and results: `put` encodes, and throws what that throws;
/// `get` decodes. They may have any size that fits in memory: 0 bytes and 100 MB. A put waits only while `capacity`
/// elements are in the queue, and never when there is no capacity: then the queue takes memory as it needs it. When
/// there is none, `put` throws ``SharedMemoryError``, and so does every call that can throw if the queue could not
/// even be
/// made.
///
/// Elements leave in the order in which they went in. Of several that wait, in whichever process, any may be next.
/// Threads block, tasks are suspended; a cancelled task stops waiting and takes nothing.
///
/// A process may die at any moment, also in the middle of a call: the queue goes on for the others, whole. What is
/// lost is
/// at most the one element the dead process had taken and not yet used, and nobody will say `taskDone` for that.
/// What a process did before a put is visible to whoever gets that element, as far as it lies in shared memory.
public final class SharedQueue<Item: Codable & Sendable>: Codable, Sendable {
  /// The queue in shared memory, or why there is none.
  let body: Result<SharedQueueBody, SharedMemoryError>

  /// Makes an empty queue for up to `capacity` elements; 0, as in `SharedQueue()`, sets no bound.
  public init(capacity: Int = 0) {
    if capacity < 0 { mistake("a queue's capacity is 0 (no bound) or more, not \(capacity)") }
    do throws(SharedMemoryError) {
      body = .success(SharedQueueBody(try SharedRing(capacity: capacity)))
    } catch {
      body = .failure(error)
    }
  }

  deinit { if case .success(let body) = body { body.end() } }

  private var state: RingState { (try? body.get())?.ring.peek() ?? RingState() }

  /// How many elements fit in; 0 when there is no bound.
  public var capacity: Int { (try? body.get())?.ring.capacity ?? 0 }

  /// How many elements are in the queue now. Others may have changed that when this returns.
  public var count: Int { Int(truncatingIfNeeded: state.count) }

  /// Whether there is no element in the queue now.
  public var isEmpty: Bool { count == 0 }

  /// Whether a put would have to wait now. Never for a queue without bound.
  public var isFull: Bool { capacity > 0 && count >= capacity }

  /// Whether `shutdown` has been called, by any process.
  public var isShutDown: Bool { state.isShutDown != 0 }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    let ring = try body.get().ring
    var container = encoder.singleValueContainer()
    try container.encode(AttachedDescriptor(ring.file.descriptor, owner: ring.file))
  }

  /// The queue that another process sent.
  public init(from decoder: any Decoder) throws {
    let received = try decoder.singleValueContainer().decode(AttachedDescriptor.self)
    body = .success(SharedQueueBody(try SharedRing(received: received.descriptor)))
  }
}

/// What a queue has whatever its elements are: the ring, and for tasks that wait the bridges to its three spots.
final class SharedQueueBody: Sendable {
  let ring: SharedRing
  let elements: SharedSpotBridge
  let room: SharedSpotBridge
  let allDone: SharedSpotBridge

  init(_ ring: SharedRing) {
    self.ring = ring
    elements = SharedSpotBridge(ring.elements, in: ring) {
      let state = ring.peek()
      return state.isShutDown != 0 ? .max : Int(clamping: state.count)
    }
    room = SharedSpotBridge(ring.room, in: ring) {
      let state = ring.peek()
      return state.isShutDown != 0 ? .max : max(0, ring.capacity - Int(clamping: state.count))
    }
    allDone = SharedSpotBridge(ring.allDone, in: ring) { ring.isAllDone ? .max : 0 }
  }

  func end() {
    elements.end()
    room.end()
    allDone.end()
  }
}

extension SharedRing.Outcome {
  var mustWait: Bool { if case .mustWait = self { true } else { false } }

  /// Throws why the call was not done; `waiting` when it would have to wait longer.
  func check(waiting: QueueError) throws {
    switch self {
    case .done: return
    case .mustWait: throw waiting
    case .shutDown: throw QueueError.shutDown
    case .failed(let error): throw error
    }
  }
}

/// What tests look at.
extension SharedQueue {
  package var someoneWaitsForElements: Bool { waits { $0.ring.elements.hasSleepers || $0.elements.hasWaiters } }
  package var someoneWaitsForRoom: Bool { waits { $0.ring.room.hasSleepers || $0.room.hasWaiters } }
  package var someoneWaitsForTasks: Bool { waits { $0.ring.allDone.hasSleepers || $0.allDone.hasWaiters } }
  /// How often a process died while it changed the queue.
  package var deaths: Int { (try? body.get()).map { Int(clamping: $0.ring.deaths) } ?? 0 }
  package var putCount: Int { Int(truncatingIfNeeded: state.puts) }
  /// Bytes of shared memory that its elements have now.
  package var ringByteCount: Int { Int(truncatingIfNeeded: state.size) }

  /// Runs `body` in the middle of a put that is not finished.
  package func interruptedPut(_ body: () -> Void) throws { try self.body.get().ring.interruptedPut(body) }

  /// Overwrites a word of its state: 0 head, 1 tail, 2 puts, 3 takes, 4 done, 5 size, 6 committed, 7 shut down.
  package func damage(word: Int, with value: UInt64) throws {
    try unsafe body.get().ring.withValidState { unsafe $0[word].store(value, ordering: .sequentiallyConsistent) }
  }

  private func waits(_ question: (SharedQueueBody) -> Bool) -> Bool { (try? body.get()).map(question) ?? false }
}
