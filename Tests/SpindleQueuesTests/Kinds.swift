import CSpindle
import SpindleTestSupport
import Synchronization
import Testing

import SpindleQueues

/// Every kind of queue, and every inside that a kind may have.
enum Kind: CaseIterable, Sendable {
  /// `Queue` with a small capacity: a ring of slots.
  case ring
  /// `Queue` without a bound, or with a large one: a chain of blocks.
  case chain
  case lifo
  case priority

  func make<Element: Comparable>(_ type: Element.Type = Int.self, capacity: Int = 0) -> BlockingQueue<Element> {
    switch self {
    case .ring: Queue<Element>(capacity: capacity == 0 ? 100 : capacity)
    // The inside that `Queue` takes for large capacities, with any capacity.
    case .chain: BlockingQueue<Element>.chain(capacity: capacity)
    case .lifo: LIFOQueue<Element>(capacity: capacity)
    case .priority: PriorityQueue<Element>(capacity: capacity)
    }
  }

  /// In which order elements put in this order leave.
  func order(_ elements: [Int]) -> [Int] {
    switch self {
    case .ring, .chain: elements
    case .lifo: elements.reversed()
    case .priority: elements.sorted()
    }
  }

  var isFirstInFirstOut: Bool { self == .ring || self == .chain }
}

extension BlockingQueue where Element: ~Copyable {
  var someoneWaitsForElements: Bool { waitingGetters > 0 }
  var someoneWaitsForRoom: Bool { waitingPutters > 0 }
  var someoneWaitsForTasks: Bool { waitingJoiners > 0 }
}

/// The error a call throws, for `#expect(error { try queue.putNoWait(1) } == .full)`.
func error<Result>(_ body: () throws(QueueError) -> Result) -> QueueError? {
  do throws(QueueError) {
    _ = try body()
    return nil
  } catch {
    return error
  }
}

func taskError<Result: Sendable>(_ body: () async throws -> Result) async -> QueueError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? QueueError
  }
}

/// Long enough for anything that is to happen, as an upper bound only.
let long = Duration.seconds(30)
/// Short enough to be over soon.
let short = Duration.milliseconds(2)

/// A `race` beside the task that calls it: a task that waited for threads itself would keep one of the few
/// cooperative threads from the tasks that these threads wait for.
func raceBeside<Result: Sendable>(threads count: Int, _ body: @escaping @Sendable (Int) -> Result) async -> [Result] {
  await withCheckedContinuation { continuation in
    let starter = Starter { continuation.resume(returning: race(threads: count, body)) }
    let error = unsafe spindle_start_detached(
      "race", { unsafe Unmanaged<Starter>.fromOpaque($0!).takeRetainedValue().run() },
      Unmanaged.passRetained(starter).toOpaque())
    precondition(error == 0, "cannot start a thread: error \(error)")
  }
}

private final class Starter: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
