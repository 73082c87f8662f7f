import SpindleGround

/// What a map's reader reads: one value after the other. Belongs to one reader at a time.
package protocol MapSource<Value>: AnyObject {
  associatedtype Value: Sendable

  /// The next value; blocks the thread until it is there. Nil after the last.
  func next() throws -> Value?

  /// The next value, without blocking a thread.
  nonisolated(nonsending) func next() async throws -> Value?

  /// Appends the next values, as many as come together: at least one. False after the last.
  func next(into values: inout [Value]) throws -> Bool

  /// The same without blocking a thread.
  nonisolated(nonsending) func next(into values: inout [Value]) async throws -> Bool
}

extension MapSource {
  package func next(into values: inout [Value]) throws -> Bool {
    guard let value = try next() else { return false }
    values.append(value)
    return true
  }

  package nonisolated(nonsending) func next(into values: inout [Value]) async throws -> Bool {
    guard let value = try await next() else { return false }
    values.append(value)
    return true
  }
}

/// A map that goes on: pulls items, has them worked on, gives the values in the order of the items.
///
/// The window holds the calls that are in flight or done but unread, never more than `bufferSize`: it is refilled
/// when the reader asks for the next value, which tells that it has read the one before.
///
/// Belongs to one reader at a time, as an iterator does.
package final class MapFeed<Value: Sendable>: MapSource {
  /// One call: its future, and the call itself where it may be done by the reader.
  package struct Call {
    let future: Future<Value>
    /// The call, in case that the pool was shut down between `map` and this item: then the reader does it.
    let redo: (() throws -> Value)?
    /// Whether the pool refused it.
    let wasRefused: Bool

    package init(future: Future<Value>, redo: (() throws -> Value)? = nil, wasRefused: Bool = false) {
      self.future = future
      self.redo = redo
      self.wasRefused = wasRefused
    }
  }

  private let bufferSize: Int
  private let deadline: Deadline
  /// A call that the pool cancelled is done by the reader, because a map of a closure that never throws cannot fail.
  private let neverFails: Bool
  private var pull: (() -> Call?)?
  private var window: [Call?] = []
  private var first = 0
  private var inFlight = 0
  private var wasRead = false

  /// `pull` submits the next call and returns it, nil after the last item. The first `bufferSize` calls are submitted
  /// now.
  package init(
    bufferSize: Int, until deadline: Deadline = .never, neverFails: Bool = false, pull: @escaping () -> Call?
  ) {
    if bufferSize < 1 { mistake("map(bufferSize: \(bufferSize)): the buffer holds at least one call") }
    self.bufferSize = bufferSize
    self.deadline = deadline
    self.neverFails = neverFails
    self.pull = pull
    fill()
  }

  /// Whoever began to read and stops wants no more values: what has not begun is cancelled. A map that nobody
  /// began to read is left to run.
  deinit { if wasRead { stop() } }

  private func fill() {
    while inFlight < bufferSize, let pull {
      guard let call = pull() else {
        self.pull = nil
        return
      }
      if inFlight == window.count {
        // Grows to `bufferSize` at most, and never when there are fewer items. Nothing is in the way: it is full.
        if first > 0 {
          window = Array(window[first...] + window[..<first])
          first = 0
        }
        window.append(call)
      } else {
        window[(first + inFlight) % window.count] = call
      }
      inFlight += 1
    }
  }

  private func removeFirst() {
    window[first] = nil
    first = (first + 1) % window.count
    inFlight -= 1
  }

  /// Ends the map: pulls no more, cancels what has not begun.
  package func stop() {
    pull = nil
    while inFlight > 0 {
      window[first]?.future.cancel()
      removeFirst()
    }
  }

  /// The next value; blocks the thread until it is there. Nil after the last.
  package func next() throws -> Value? {
    guard let call = nextCall() else { return nil }
    do {
      if !call.future.wait(until: deadline) { throw TimeoutError(operation: "the next value of a map") }
      let value = try call.ended(neverFails: neverFails)
      removeFirst()
      return value
    } catch {
      stop()
      throw error
    }
  }

  /// The next value, without blocking a thread.
  package nonisolated(nonsending) func next() async throws -> Value? {
    guard let call = nextCall() else { return nil }
    do {
      if !(try await call.future.wait(until: deadline)) { throw TimeoutError(operation: "the next value of a map") }
      let value = try call.ended(neverFails: neverFails)
      removeFirst()
      return value
    } catch {
      stop()
      throw error
    }
  }

  private func nextCall() -> Call? {
    wasRead = true
    fill()
    return inFlight == 0 ? nil : window[first]
  }
}

extension MapFeed.Call {
  /// The outcome of a call that has ended.
  fileprivate func ended(neverFails: Bool) throws -> Value {
    if let redo, wasRefused || neverFails && future.isCancelled { return try redo() }
    return try future.ended()
  }
}
