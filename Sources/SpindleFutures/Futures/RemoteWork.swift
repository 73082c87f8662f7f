import SpindleGround

/// The work of a future that is done elsewhere, as in another process: what the future asks when somebody asks it.
///
/// Such a future stays `pending` until its end; whether the work has begun is known only over there.
@usableFromInline
package protocol RemoteWork: AnyObject, Sendable {
  /// Sees to it that work which has not begun never will. False when it has begun or is over.
  func takeBack() -> Bool

  /// Whether the work has begun, or is over.
  var hasBegun: Bool { get }

  /// Asks the work to stop. It may not have begun yet, or be over.
  func requestStop()

  /// Called by a thread that is about to sleep until the future ends: it may bring the end about itself, in a few
  /// microseconds.
  func attend(_ future: AnyFuture)
}

/// A future whose work is done elsewhere.
// SAFETY: as for all futures; `work` is constant.
@usableFromInline
final class RemoteFuture<Value: Sendable>: Future<Value>, @unchecked Sendable {
  private let work: any RemoteWork

  @usableFromInline
  init(_ work: any RemoteWork) {
    self.work = work
    super.init()
  }

  @usableFromInline
  override var remote: (any RemoteWork)? { work }
}

extension Future {
  /// A future whose work is done elsewhere.
  @inlinable
  package static func remote(_ work: any RemoteWork) -> Future { RemoteFuture(work) }

  /// Ends a future whose work was done elsewhere, unless it was cancelled before. No code of the user runs here: when
  /// this is true, `callBack` is still to be called where such code may run.
  @inlinable
  package final func endRemotely(_ value: Value) -> Bool {
    guard begin() else { return false }
    put(value)
    return publishQuietly(AnyFuture.value)
  }
}

extension AnyFuture {
  /// As `endRemotely` of a future, with an error.
  @usableFromInline
  package final func failRemotely(_ error: any Error) -> Bool {
    guard begin() else { return false }
    put(failure: error)
    return publishQuietly(AnyFuture.failed)
  }

  /// Nil when its work is done by this process.
  package final var remoteWork: (any RemoteWork)? { remote }
}
