import SpindleGround
import Synchronization

/// The other end of a future: for those who run work in their own way and must report its end.
///
///     let promise = Promise<Int>()
///     give(promise.future, to: reader)
///     if promise.begin() { promise.fulfil(42) }
///
/// `begin()` marks the future as running, so that it cannot be cancelled any more; without it, the future can be
/// cancelled until it is fulfilled. Ending it twice is a mistake and ends the program. A promise that is released
/// without having ended its future fails it with `AbandonedError`: nobody waits for ever.
public final class Promise<Value: Sendable>: Sendable {
  /// The future that this promise ends.
  public let future: Future<Value>

  public init() { future = Future() }

  /// A promise whose future is asked to stop by that token.
  package init(cancellation: CancellationToken) {
    future = Future()
    future.adopt(cancellation)
  }

  deinit { future.abandon() }

  /// Marks the future as running. False when it was cancelled: then there is nothing to do.
  ///
  /// Beginning twice, or after the end, is a mistake.
  public func begin() -> Bool {
    if future.begin() { return true }
    if future.isCancelled { return false }
    mistake("a promise was begun twice")
  }

  /// Ends the future with a value. False when the future had been cancelled before.
  @discardableResult
  public func fulfil(_ value: Value) -> Bool {
    guard claim() else { return false }
    future.put(value)
    future.publish(AnyFuture.value)
    return true
  }

  /// Ends the future with an error. False when the future had been cancelled before.
  @discardableResult
  public func fail(_ error: any Error) -> Bool {
    guard claim() else { return false }
    future.put(failure: error)
    future.publish(AnyFuture.failed)
    return true
  }

  /// Ends the future with a value or an error. False when the future had been cancelled before.
  @discardableResult
  public func resolve<Failure: Error>(_ result: Result<Value, Failure>) -> Bool {
    switch result {
    case .success(let value): fulfil(value)
    case .failure(let error): fail(error)
    }
  }

  /// Takes the right to end the future, begun or not.
  private func claim() -> Bool {
    if !ending.exchange(true, ordering: .acquiringAndReleasing) {
      if future.begin() || future.isRunning { return true }
    } else if !future.isCancelled {
      mistake("a promise was fulfilled twice")
    }
    return false
  }

  private let ending = Atomic<Bool>(false)
}

extension Future {
  /// A future and the promise that ends it.
  public static func makePromise() -> Promise<Value> { Promise() }

  fileprivate func abandon() {
    if isDone { return }
    _ = begin()
    if isRunning {
      put(failure: AbandonedError())
      publish(AnyFuture.failed)
    }
  }
}

/// Whoever had to end a future has gone without doing so.
public struct AbandonedError: Error, Equatable, Sendable, CustomStringConvertible {
  public init() {}

  public var description: String { "the promise of this future was released before it was fulfilled" }
}
