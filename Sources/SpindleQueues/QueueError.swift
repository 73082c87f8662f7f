/// Why a queue refused: an expected outcome, not a failure.
///
///     do { item = try queue.getNoWait() }
///     catch .empty { item = nil }
///     catch .shutDown { return }
///     catch .full { fatalError("a get is never refused for that") }
public enum QueueError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The queue held `capacity` elements, and still did when the time given was over.
  case full
  /// The queue held no element, and still did not when the time given was over.
  case empty
  /// The queue was shut down: it takes in nothing more, and (for a get) has nothing left to give.
  case shutDown

  public var description: String {
    switch self {
    case .full: "the queue is full"
    case .empty: "the queue is empty"
    case .shutDown: "the queue is shut down"
    }
  }
}
