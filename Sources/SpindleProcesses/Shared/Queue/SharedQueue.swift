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
/// even be made.
///
/// Elements leave in the order in which they went in. Of several that wait, in whichever process, any may be next.
/// Threads block, tasks are suspended; a cancelled task stops waiting and takes nothing.
///
/// A process may die at any moment, also in the middle of a call: the queue goes on for the others, whole. What is lost is
/// what the dead process had taken and not said `taskDone` for; ``lostCount`` counts it, and `join` does not wait for it. (As long
/// as every process says `taskDone` for what it has taken itself: the first that does so for another's turns this off.)
/// A process that is stopped (SIGSTOP) has not died; stopped in the middle of a call, it holds the others up.
///
/// Elements may hold shared objects, queues and connections. Of such elements some hundreds at a time find room in a queue,
/// whatever its capacity: the system keeps no more descriptors on their way. A put of one more waits.
/// What a process did before a put is visible to whoever gets that element, as far as it lies in shared memory.
public final class SharedQueue<Item: Codable & Sendable>: Codable, Sendable {
  /// The queue in shared memory, or why there is none.
  let body: Result<SharedQueueBody, SharedMemoryError>
  /// Where the elements are numbers, which travel as they lie in memory.
  @usableFromInline let numbers: SharedNumbers?

  /// Makes an empty queue for up to `capacity` elements; 0, as in `SharedQueue()`, sets no bound.
  public init(capacity: Int = 0) {
    if capacity < 0 { mistake("a queue's capacity is 0 (no bound) or more, not \(capacity)") }
    do throws(SharedMemoryError) {
      let ring = try SharedRing(capacity: capacity, hasLine: !RawElements.isPlain(Item.self))
      body = .success(SharedQueueBody(ring))
      numbers = RawElements.contains(Item.self) ? SharedNumbers(ring) : nil
    } catch {
      body = .failure(error)
      numbers = nil
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

  /// How many elements processes that ended had taken without saying `taskDone`. It means something where consumers say so.
  public var lostCount: Int {
    guard let ring = try? body.get().ring else { return 0 }
    ring.patrol(always: true)
    return ring.users.lostCount
  }

  /// Whether `shutdown` has been called, by any process.
  public var isShutDown: Bool { state.isShutDown }

  // MARK: Codable

  /// For arguments, results and messages to other processes of this program; with any other encoder it throws.
  public func encode(to encoder: any Encoder) throws {
    let ring = try body.get().ring
    var container = encoder.unkeyedContainer()
    try container.encode(AttachedDescriptor(ring.file.descriptor, owner: ring.file))
    try container.encode(ring.line != nil)
    guard let line = ring.line else { return }
    try container.encode(AttachedDescriptor(line.sending.number, owner: line))
    try container.encode(AttachedDescriptor(line.receiving.number, owner: line))
  }

  /// The queue that another process sent.
  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    let file = OwnedDescriptor(owning: try container.decode(AttachedDescriptor.self).descriptor)
    var line: QueueLine?
    if try container.decode(Bool.self) {
      let sending = OwnedDescriptor(owning: try container.decode(AttachedDescriptor.self).descriptor)
      let receiving = try container.decode(AttachedDescriptor.self).descriptor
      line = try QueueLine(received: sending.take(), receiving)
    }
    let ring = try SharedRing(received: file.take(), line)
    body = .success(SharedQueueBody(ring))
    numbers = RawElements.contains(Item.self) ? SharedNumbers(ring) : nil
  }
}

/// What is known of a type of elements without looking at one.
enum RawElements {
  /// A number, for which every bit pattern is a value.
  static func contains(_ type: Any.Type) -> Bool {
    type == Int.self || type == UInt64.self || type == Double.self || type == UInt8.self || type == Int32.self
      || type == UInt32.self || type == Int64.self || type == UInt.self || type == Float.self || type == Int16.self
      || type == UInt16.self || type == Int8.self || type == Int128.self || type == UInt128.self
  }

  /// It cannot have a descriptor in it.
  static func isPlain(_ type: Any.Type) -> Bool { contains(type) || DirectTypes.all.contains { $0.0 == type } }
}

/// What a queue has whatever its elements are: the ring, and for tasks that wait the bridges to its three spots.
final class SharedQueueBody: Sendable {
  let ring: SharedRing
  let elements: SharedSpotBridge
  let room: SharedSpotBridge
  let allDone: SharedSpotBridge

  init(_ ring: SharedRing) {
    self.ring = ring
    elements = SharedSpotBridge(ring.elements, in: ring, patrol: { ring.patrol() }) {
      let state = ring.peek()
      return state.isShutDown ? .max : Int(clamping: state.count)
    }
    room = SharedSpotBridge(ring.room, in: ring, patrol: { ring.patrol() }) {
      let state = ring.peek()
      if state.isShutDown || ring.line != nil { return .max }
      return max(0, ring.capacity - Int(clamping: state.count))
    }
    allDone = SharedSpotBridge(ring.allDone, in: ring, patrol: { ring.patrol() }) { ring.isAllDone ? .max : 0 }
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

  /// Overwrites one of the 14 words of its state, see `RingSides.word`.
  package func damage(word: Int, with value: UInt64) throws {
    try unsafe body.get().ring.word(word).pointee.store(value, ordering: .sequentiallyConsistent)
  }

  private func waits(_ question: (SharedQueueBody) -> Bool) -> Bool { (try? body.get()).map(question) ?? false }
}
