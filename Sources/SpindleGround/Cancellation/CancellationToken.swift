import CSpindle
import Synchronization

/// A request to stop, which running code looks at and obeys by itself.
///
///     let token = CancellationToken()
///     let worker = OSThread.spawn { while !token.isRequested { step() } }
///     token.request()
///     worker.join()
///
/// One way only: once requested it stays so. What happened before `request()` is visible to whoever sees
/// `isRequested`. It stops nothing by force; nothing but the code that looks at it changes its course.
public final class CancellationToken: Sendable {
  private let requested = Atomic<Bool>(false)
  private let onRequest: (@Sendable () -> Void)?
  private let isRequestedElsewhere: (@Sendable () -> Bool)?

  public init() {
    onRequest = nil
    isRequestedElsewhere = nil
  }

  /// A token whose first request is also told to somebody, as to the process where the code runs.
  package init(onRequest: @escaping @Sendable () -> Void) {
    self.onRequest = onRequest
    isRequestedElsewhere = nil
  }

  /// A token that is also requested when `source` says so.
  package init(observing source: @escaping @Sendable () -> Bool) {
    onRequest = nil
    isRequestedElsewhere = source
  }

  /// Whether somebody asked to stop.
  public var isRequested: Bool {
    requested.load(ordering: .acquiring) || isRequestedElsewhere?() == true  // pairs with request()
  }

  /// Asks to stop. May be called from any thread, any number of times.
  public func request() {
    if !requested.exchange(true, ordering: .acquiringAndReleasing) { onRequest?() }
  }
}

/// Whether the code that runs now was asked to stop.
///
///     pool.submit {
///       for row in rows {
///         if Cancellation.isRequested { return partial }
///         ...
///       }
///     }
///
/// Inside a closure that a pool runs: its future's token. Inside a Swift task: the task. Elsewhere: never.
public enum Cancellation {
  /// Whether the running closure or task was asked to stop.
  public static var isRequested: Bool {
    if let word = unsafe spindle_token() {
      if let source = unsafe source(of: word) {
        if source.isCancellationRequested { return true }
      } else if let token = current, token.isRequested {
        return true
      }
    }
    return Task.isCancelled
  }

  /// Throws `CancellationError` when the running closure or task was asked to stop.
  public static func check() throws(CancellationError) {
    if isRequested { throw CancellationError() }
  }

  /// The token of the closure that this thread runs, nil outside of one.
  public static var current: CancellationToken? {
    guard let word = unsafe spindle_token() else { return nil }
    if let source = unsafe source(of: word) { return source.cancellation }
    // SAFETY: `with` keeps the token alive for as long as the thread-local word names it.
    return unsafe Unmanaged<CancellationToken>.fromOpaque(word).takeUnretainedValue()
  }

  /// Runs `body` with `token` as the current one; nests.
  package static func with<Result, Failure: Error>(
    _ token: CancellationToken, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = unsafe spindle_token()
    unsafe spindle_set_token(Unmanaged.passUnretained(token).toOpaque())
    defer {
      unsafe spindle_set_token(outer)
      extendLifetime(token)
    }
    return try body()
  }

  /// The form of the next for jobs of a pool: nothing generic in it is left to run time.
  package static func with(source: any CancellationSource, _ body: () -> Void) {
    let outer = unsafe spindle_token()
    unsafe withUnsafePointer(to: source) {
      unsafe spindle_set_token(UnsafeMutableRawPointer(mutating: UnsafeRawPointer($0) + 1))
      body()
    }
    unsafe spindle_set_token(outer)
  }

  /// Runs `body` with the token of `source` as the current one; nests. The token is made only if somebody looks.
  package static func with<Result, Failure: Error>(
    source: any CancellationSource, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = unsafe spindle_token()
    defer { unsafe spindle_set_token(outer) }
    // The thread-local word is the address of `source` with bit 0 set; a token's address has it clear.
    return try unsafe withUnsafePointer(to: source) { (pointer) throws(Failure) -> Result in
      unsafe spindle_set_token(UnsafeMutableRawPointer(mutating: UnsafeRawPointer(pointer) + 1))
      return try body()
    }
  }

  // SAFETY: `with(source:)` keeps the pointer valid for as long as the thread-local word names it.
  private static func source(of word: UnsafeMutableRawPointer) -> (any CancellationSource)? {
    guard UInt(bitPattern: word) & 1 != 0 else { return nil }
    return unsafe (UnsafeRawPointer(word) - 1).assumingMemoryBound(to: (any CancellationSource).self).pointee
  }
}

/// Something that runs closures and has a token for them, made when first asked for.
package protocol CancellationSource: AnyObject, Sendable {
  var cancellation: CancellationToken { get }
  var isCancellationRequested: Bool { get }
}
