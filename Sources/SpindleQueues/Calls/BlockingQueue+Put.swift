import SpindleGround

extension BlockingQueue where Element: ~Copyable {
  /// Puts an element in, and waits while the queue is full. Throws `.shutDown`, also when that happens meanwhile.
  @available(*, noasync, message: "in a task use 'try await put'; in main.swift inside a func")
  @inlinable
  public final func put(_ item: consuming sending Element) throws(QueueError) {
    try put(item, until: .never)
  }

  /// Puts an element in, and waits up to `timeout` while the queue is full; zero or less tries once.
  /// Throws `.full` when the time is over.
  @available(*, noasync, message: "in a task use 'try await put'; in main.swift inside a func")
  @inlinable
  public final func put(_ item: consuming sending Element, timeout: Duration) throws(QueueError) {
    try put(item, until: Deadline(after: timeout))
  }

  /// Puts an element in at once, or throws `.full` or `.shutDown`. Never waits.
  @inlinable
  public final func putNoWait(_ item: consuming sending Element) throws(QueueError) {
    try put(item, until: .immediate)
  }

  /// Puts an element in at once, or hands it back when the queue is full or shut down. Never waits.
  @inlinable
  public final func tryPut(_ item: consuming sending Element) -> sending Element? {
    var item: Element? = consume item
    if attemptPut(&item) == .done { return nil }
    return item
  }

  /// Puts an element in, and suspends the task while the queue is full. Throws `.shutDown`, also when that happens
  /// meanwhile, and `CancellationError` when the task is cancelled before there was room.
  @inlinable
  nonisolated(nonsending) public final func put(_ item: consuming sending Element) async throws {
    try await put(item, until: .never)
  }

  /// Puts an element in, and suspends the task up to `timeout` while the queue is full; zero or less tries once.
  /// Throws `.full` when the time is over, `.shutDown`, or `CancellationError`.
  @inlinable
  nonisolated(nonsending) public final func put(_ item: consuming sending Element, timeout: Duration) async throws {
    try await put(item, until: Deadline(after: timeout))
  }

  // MARK: Inside

  @inlinable
  final func put(_ item: consuming sending Element, until deadline: Deadline) throws(QueueError) {
    var item: Element? = consume item
    let linesUp = unsafe deadline != .immediate && state.pointee.room.isReserved
    var result = linesUp ? Attempt.mustWait : attemptPut(&item, mayWait: deadline != .immediate)
    if result == .mustWait, deadline != .immediate { result = waitToPut(&item, until: deadline) }
    if let error = result.error(waiting: .full) { throw error }
  }

  @inlinable
  nonisolated(nonsending) final func put(_ item: consuming sending Element, until deadline: Deadline) async throws {
    var item: Element? = consume item
    let linesUp = unsafe deadline != .immediate && state.pointee.room.isReserved
    var result = linesUp ? Attempt.mustWait : attemptPut(&item, mayWait: deadline != .immediate)
    if result == .mustWait, deadline != .immediate {
      let batch = unsafe state.pointee.batchPut()
      result = glanceAndPut(&item, after: batch)
      if result == .mustWait {
        _ = try await unsafe state.pointee.room.waitOn(
          "room in a queue", owner: self, until: deadline, batch: batch, isPromising: { mayPut(after: batch) }
        ) {
          result = attemptPut(&item)
          return result != .mustWait
        }
      }
    }
    if let error = result.error(waiting: .full) { throw error }
  }

  @inlinable @inline(never)
  final func waitToPut(_ item: inout Element?, until deadline: Deadline) -> Attempt {
    let batch = unsafe state.pointee.batchPut()
    var result = glanceAndPut(&item, after: batch)
    if result != .mustWait { return result }
    _ = unsafe state.pointee.room.waitOn(
      "room in a queue", until: deadline, batch: batch, isPromising: { mayPut(after: batch) }
    ) {
      result = attemptPut(&item)
      return result != .mustWait
    }
    return result
  }
}
