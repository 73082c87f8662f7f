import CSpindle
import SpindleGround
import Synchronization

/// A future whose value's type does not matter: what all futures have in common.
///
///     for job: AnyFuture in [download, resize, upload] where !job.isDone { job.cancel() }
///
/// Every `Future<Value>` is one. It cannot be subclassed or made elsewhere.
///
///     pending ──► running ──► value | failed        begin, then publish
///        └──────► cancelled                          cancel()
///
/// One word holds the stage. Whoever moves it out of `pending` (a worker, or `cancel()`) owns the work from then on;
/// whoever publishes an end then wakes those who wait and, outside of any lock, calls the callbacks.
/// Small, because programs hold many of them: what only some futures need, also a place to sleep, lies in `extras`.
// SAFETY: everything that changes is atomic, but for `content`: see there.
public class AnyFuture: @unchecked Sendable {
  @usableFromInline let state: Atomic<UInt32>
  /// The number of the pool that queues it, 0 for none.
  @usableFromInline let home: UInt32
  let extrasWord = OnceReference<Extras>()
  @exclusivity(unchecked) @usableFromInline final var content = FutureContent()

  @usableFromInline
  init(state: UInt32, home: UInt32) {
    self.state = Atomic(state)
    self.home = home
  }

  deinit {
    // Acquiring, as all looks at the stage: the memory of what the work captured is free when the work has been done.
    switch stage {
    case Self.pending: dropWork()
    case Self.failed: unsafe place.assumingMemoryBound(to: (any Error).self).deinitialize(count: 1)
    default: break
    }
    freeCaptures()
  }

  /// Nil when the work is done by this process.
  @usableFromInline
  var remote: (any RemoteWork)? { nil }

  // MARK: Stages

  @usableFromInline static var pending: UInt32 { 0 }
  @usableFromInline static var running: UInt32 { 1 }
  @usableFromInline static var value: UInt32 { 2 }
  @usableFromInline static var failed: UInt32 { 3 }
  @usableFromInline static var cancelled: UInt32 { 4 }
  @usableFromInline static var stages: UInt32 { 7 }
  /// Beside the stage: somebody listens, or sleeps until the end, and whoever publishes it must look for them.
  static var listened: UInt32 { 8 }
  static var awaited: UInt32 { 16 }
  private static var marks: UInt32 { listened | awaited }

  /// The stage now. Acquiring: pairs with `publish`, so that who sees an end sees the result.
  @inlinable
  final var stage: UInt32 { state.load(ordering: .acquiring) & Self.stages }

  /// Whether it has ended: with a value, with an error, or cancelled.
  @inlinable
  public final var isDone: Bool { stage >= Self.value }

  /// Whether its work runs now. Such a future cannot be cancelled any more, only asked to stop.
  public final var isRunning: Bool {
    let stage = stage
    return stage == Self.running || stage == Self.pending && remote?.hasBegun == true
  }

  /// Whether it was cancelled before its work began.
  public final var isCancelled: Bool { stage == Self.cancelled }

  // MARK: Cancelling

  /// The token that the work sees as `Cancellation.current`, for code that wants to pass it on.
  public final var cancellation: CancellationToken {
    extras.token.existing ?? extras.token.keep(makeToken())
  }

  private final func makeToken() -> CancellationToken {
    guard let remote else { return CancellationToken() }
    return CancellationToken(onRequest: { remote.requestStop() })
  }

  /// Makes `token` its own; before anybody else has seen the future.
  final func adopt(_ token: CancellationToken) { extras.token.keep(token) }

  /// Cancels it if its work has not begun; asks running work to stop.
  ///
  ///     if !future.cancel() { print("too late: it runs, or has ended") }
  ///
  /// True when it is cancelled now, also when it was before. A future whose work runs is not cancelled: the answer is
  /// false, its `Cancellation.isRequested` becomes true, and the work stops when it looks, or never. Ended: false,
  /// nothing changes. What the work had captured is released before this returns; callbacks run on this thread.
  @discardableResult
  public final func cancel() -> Bool {
    if let remote, stage == Self.pending, !remote.takeBack() {
      if isCancelled { return true }
      cancellation.request()
      return false
    }
    switch leave(Self.pending, for: Self.cancelled) {
    case nil:
      dropWork()
      announce()
      return true
    case Self.cancelled: return true
    case Self.running:
      cancellation.request()
      return false
    default: return false
    }
  }

  /// Asks the work to stop, whether it runs already or not; it sees `Cancellation.isRequested`. Cancels nothing.
  public final func requestCancellation() { cancellation.request() }

  // MARK: For those who run it

  /// Takes the right to do the work. False when it was cancelled or somebody else has taken it.
  @usableFromInline
  final func begin() -> Bool { leave(Self.pending, for: Self.running) == nil }

  /// Does the work on this thread unless somebody else does or it was cancelled.
  final func execute() {
    guard begin() else { return }
    Cancellation.with(source: self) { run() }
  }

  /// Does the work and publishes its end.
  @usableFromInline
  func doWork() { mistake("a future without work was to do it") }

  /// Releases the argument, if there is one, of a future that has not begun.
  func dropArgument() {}

  /// Publishes the end of running work; the result has been written.
  @usableFromInline
  final func publish(_ end: UInt32) {
    if leave(Self.running, for: end) != nil { mistake("a future was given two results") }
    announce()
  }

  /// The same without calling the callbacks. True when there are some: then `callBack` is to be called.
  @usableFromInline
  final func publishQuietly(_ end: UInt32) -> Bool {
    if leave(Self.running, for: end) != nil { mistake("a future was given two results") }
    return hasMarks && wakeAndNotifyObservers()
  }

  /// Moves from one stage to another. Nil on success, else the stage that it is in.
  private final func leave(_ stage: UInt32, for next: UInt32) -> UInt32? {
    var now = stage
    while true {
      // Sequentially consistent: W1 of ParkingSpot, and who listens looks at the stage afterwards.
      let (exchanged, seen) = state.compareExchange(
        expected: now, desired: next | now & Self.marks, ordering: .sequentiallyConsistent)
      if exchanged { return nil }
      if seen & Self.stages != stage { return seen & Self.stages }
      now = seen
    }
  }

  /// After an end was published: wakes who waits, then tells who listens.
  private final func announce() {
    if hasMarks { notify() }
  }

  /// Of an ended future. Nobody sets a mark any more, so it may be asked after the end was published.
  private final var hasMarks: Bool { state.load(ordering: .relaxed) & Self.marks != 0 }

  /// Ends a future that has not begun with an error. False when it had begun or was cancelled.
  @discardableResult
  final func failUnbegun(_ error: any Error) -> Bool {
    guard begin() else { return false }
    dropWork()
    put(failure: error)
    publish(Self.failed)
    return true
  }
}

extension AnyFuture: CancellationSource {
  package final var isCancellationRequested: Bool { extrasWord.existing?.token.existing?.isRequested ?? false }
}

/// A future is itself and no other: what it gives does not matter. So futures can be keys of a dictionary, and be looked
/// for among those that have ended.
extension AnyFuture: Hashable {
  public static func == (a: AnyFuture, b: AnyFuture) -> Bool { a === b }

  public final func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
