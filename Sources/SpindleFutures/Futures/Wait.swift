import SpindleGround
import Synchronization

/// What `wait(for:)` waits for.
public enum WaitUntil: Sendable {
  /// All futures have ended.
  case allCompleted
  /// At least one future has ended, in whatever way.
  case firstCompleted
  /// A future has failed with an error (being cancelled does not count), or all have ended.
  case firstError
}

/// Waits for several futures; says which have ended and which have not.
///
///     let (done, notDone) = wait(for: downloads, timeout: .seconds(10))
///     for late in notDone { late.cancel() }
///
/// Both lists keep the order of `futures`, each future once. When time runs out nothing is thrown: look at `notDone`.
/// Without futures it returns at once. Futures of different types can be given as `[AnyFuture]`. Inside an `XCTestCase`,
/// whose own `wait(for:)` is found first, write `Spindle.wait(for:)`.
@available(*, noasync, message: "a task must not block its thread: use 'try await wait(for:)'")
@discardableResult
public func wait<Awaited: AnyFuture>(
  for futures: some Sequence<Awaited>, timeout: Duration? = nil, until goal: WaitUntil = .allCompleted
) -> (done: [Awaited], notDone: [Awaited]) {
  let deadline = Deadline(after: timeout)
  let distinct = withoutDuplicates(futures)
  if goal == .allCompleted, deadline.isNever, let worker = PoolWorker.current {
    for future in distinct where !future.isDone { _ = worker.help(future) }
  }
  let observer = GoalObserver(goal, distinct)
  defer { observer.leave(distinct) }
  PoolWorker.blockingIfWorker {
    _ = observer.spot.wait("several futures", until: deadline) { observer.isReached }
  }
  return split(distinct)
}

/// The same without blocking a thread. Cancelling the waiting task ends the wait with `CancellationError`; the
/// futures go on.
@discardableResult
nonisolated(nonsending) public func wait<Awaited: AnyFuture>(
  for futures: some Sequence<Awaited>, timeout: Duration? = nil, until goal: WaitUntil = .allCompleted
) async throws(CancellationError) -> (done: [Awaited], notDone: [Awaited]) {
  let deadline = Deadline(after: timeout)
  let distinct = withoutDuplicates(futures)
  let observer = GoalObserver(goal, distinct)
  defer { observer.leave(distinct) }
  _ = try await observer.spot.wait("several futures", owner: observer, until: deadline) { observer.isReached }
  return split(distinct)
}

/// The futures in their order, each once.
func withoutDuplicates<Awaited: AnyFuture>(_ futures: some Sequence<Awaited>) -> [Awaited] {
  var seen = Set<ObjectIdentifier>()
  return futures.filter { seen.insert(ObjectIdentifier($0)).inserted }
}

private func split<Awaited: AnyFuture>(_ futures: [Awaited]) -> (done: [Awaited], notDone: [Awaited]) {
  var done: [Awaited] = []
  var notDone: [Awaited] = []
  for future in futures {
    if future.isDone { done.append(future) } else { notDone.append(future) }
  }
  return (done, notDone)
}

/// Counts futures that have not ended; its spot is woken when the goal is reached.
private final class GoalObserver: FutureObserver, @unchecked Sendable {
  let spot = ParkingSpot()
  private let goal: WaitUntil
  private let left: Atomic<Int>
  private let reached: Atomic<Bool>

  init(_ goal: WaitUntil, _ futures: [AnyFuture]) {
    self.goal = goal
    left = Atomic(futures.count)
    reached = Atomic(futures.isEmpty)
    super.init()
    for future in futures where !future.add(self) { futureEnded(future) }
  }

  var isReached: Bool { reached.load(ordering: .acquiring) }

  override func futureEnded(_ future: AnyFuture) {
    // Acquiring and releasing: whoever brings it to zero has seen all ends, and hands them on by `reached`.
    let left = left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
    if left == 0 || goal == .firstCompleted || goal == .firstError && future.stage == AnyFuture.failed {
      reached.store(true, ordering: .sequentiallyConsistent)  // W1 of ParkingSpot
      spot.wakeAll()
    }
  }

  /// A future that goes on must not keep those that no longer wait for it.
  func leave(_ futures: [AnyFuture]) {
    for future in futures where !future.isDone { future.remove(self) }
  }
}
