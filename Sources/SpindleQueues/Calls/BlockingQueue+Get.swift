import SpindleGround

extension BlockingQueue where Element: ~Copyable {
  /// Takes the next element, and waits while there is none. Throws `.shutDown` when there will be none any more.
  @available(*, noasync, message: "in a task use 'try await get'; in main.swift inside a func")
  @inlinable
  public final func get() throws(QueueError) -> sending Element {
    try get(until: .never)
  }

  /// Takes the next element, and waits up to `timeout` while there is none; zero or less tries once.
  /// Throws `.empty` when the time is over, `.shutDown` when there will be none any more.
  @available(*, noasync, message: "in a task use 'try await get'; in main.swift inside a func")
  @inlinable
  public final func get(timeout: Duration) throws(QueueError) -> sending Element {
    try get(until: Deadline(after: timeout))
  }

  /// Takes the next element at once, or throws `.empty` or `.shutDown`. Never waits.
  @inlinable
  public final func getNoWait() throws(QueueError) -> sending Element {
    try get(until: .immediate)
  }

  /// Takes the next element at once; nil when there is none. Never waits.
  @inlinable
  public final func tryGet() -> sending Element? {
    var item: Element?
    _ = attemptTake(&item)
    return item
  }

  /// Takes the next element, and suspends the task while there is none. Throws `.shutDown` when there will be none any
  /// more, `CancellationError` when the task is cancelled before there was one.
  @inlinable
  nonisolated(nonsending) public final func get() async throws -> sending Element {
    try await get(until: .never)
  }

  /// Takes the next element, and suspends the task up to `timeout` while there is none; zero or less tries once.
  /// Throws `.empty` when the time is over, `.shutDown`, or `CancellationError`.
  @inlinable
  nonisolated(nonsending) public final func get(timeout: Duration) async throws -> sending Element {
    try await get(until: Deadline(after: timeout))
  }

  // MARK: Inside

  @inlinable
  final func get(until deadline: Deadline) throws(QueueError) -> sending Element {
    var item: Element?
    let linesUp = unsafe deadline != .immediate && state.pointee.elements.isReserved
    var result = linesUp ? Attempt.mustWait : attemptTake(&item, mayWait: deadline != .immediate)
    if result == .mustWait, deadline != .immediate { result = waitToGet(&item, until: deadline) }
    if let error = result.error(waiting: .empty) { throw error }
    return item.take()!
  }

  @inlinable
  nonisolated(nonsending) final func get(until deadline: Deadline) async throws -> sending Element {
    var parcel = Parcel<Element>()
    let linesUp = unsafe deadline != .immediate && state.pointee.elements.isReserved
    var result = linesUp ? Attempt.mustWait : attemptTake(&parcel.element, mayWait: deadline != .immediate)
    if result == .mustWait, deadline != .immediate {
      let batch = unsafe state.pointee.batchTaken()
      result = glanceAndTake(&parcel.element, after: batch)
      if result == .mustWait {
        _ = try await unsafe state.pointee.elements.waitOn(
          "an element of a queue", owner: self, until: deadline, batch: batch, isPromising: { mayTake(after: batch) }
        ) {
          result = attemptTake(&parcel.element)
          return result != .mustWait
        }
      }
    }
    if let error = result.error(waiting: .empty) { throw error }
    return parcel.open()
  }

  @inlinable @inline(never)
  final func waitToGet(_ item: inout Element?, until deadline: Deadline) -> Attempt {
    let batch = unsafe state.pointee.batchTaken()
    var result = glanceAndTake(&item, after: batch)
    if result != .mustWait { return result }
    _ = unsafe state.pointee.elements.waitOn(
      "an element of a queue", until: deadline, batch: batch, isPromising: { mayTake(after: batch) }
    ) {
      result = attemptTake(&item)
      return result != .mustWait
    }
    return result
  }
}
