internal import CSpindle
internal import SpindleGround

/// What can be waited for together with others: connections, and processes for their end.
///
///     let ready = wait(for: [line, other], timeout: .seconds(1))
///     for line in ready { handle(try line.receive()) }
public protocol Pollable: Sendable {
  /// A descriptor that can be read when what is waited for has happened.
  var sentinel: Int32 { get }
}

extension ChildProcess: Pollable {}

/// Waits until one of the objects is ready, at most `timeout` (nil: for ever); returns those that are, in their order, none
/// when time ran out: Python's `multiprocessing.connection.wait`.
///
/// A connection is ready when `receive` would return or throw at once, a child process when it has ended.
@available(*, noasync, message: "blocks its thread; in a task use 'try await wait(for:)'")
public func wait<Object: Pollable>(for objects: [Object], timeout: Duration? = nil) -> [Object] {
  pollNow(objects, until: Deadline(after: timeout)).map { objects[$0] }
}

/// The same for objects of different kinds: `wait(for: [line, child] as [any Pollable])`.
@available(*, noasync, message: "blocks its thread; in a task use 'try await wait(for:)'")
public func wait(for objects: [any Pollable], timeout: Duration? = nil) -> [any Pollable] {
  pollNow(objects, until: Deadline(after: timeout)).map { objects[$0] }
}

/// The same, suspending the task. Throws `CancellationError` when it is cancelled.
nonisolated(nonsending) public func wait<Object: Pollable>(
  for objects: [Object], timeout: Duration? = nil
) async throws -> [Object] {
  try await pollInTask(objects, until: Deadline(after: timeout)).map { objects[$0] }
}

/// The same for objects of different kinds, suspending the task.
nonisolated(nonsending) public func wait(
  for objects: [any Pollable], timeout: Duration? = nil
) async throws -> [any Pollable] {
  try await pollInTask(objects, until: Deadline(after: timeout)).map { objects[$0] }
}

extension Connection {
  /// Waits until one of the connections is ready, at most `timeout`; returns those that are. See ``Pollable``.
  @available(*, noasync, message: "blocks its thread; in a task use 'try await Connection.wait(for:)'")
  public static func wait(for connections: [Connection], timeout: Duration? = nil) -> [Connection] {
    pollNow(connections, until: Deadline(after: timeout)).map { connections[$0] }
  }

  /// The same, suspending the task. Throws `CancellationError` when it is cancelled.
  nonisolated(nonsending) public static func wait(
    for connections: [Connection], timeout: Duration? = nil
  ) async throws -> [Connection] {
    try await pollInTask(connections, until: Deadline(after: timeout)).map { connections[$0] }
  }
}

/// The places of those that are ready. What has no descriptor any more is ready: using it returns or throws at once.
private func pollNow(_ objects: [any Pollable], until deadline: Deadline) -> [Int] {
  let numbers = objects.map(\.sentinel)
  let isAnyClosed = numbers.contains { $0 < 0 }
  var ready = [Bool](repeating: false, count: numbers.count)
  // SAFETY: as many answers as numbers. The objects keep their descriptors.
  let count = unsafe numbers.withUnsafeBufferPointer { numbers in
    unsafe ready.withUnsafeMutableBufferPointer { ready in
      unsafe spindle_poll(
        numbers.baseAddress, ready.baseAddress, numbers.count, false, isAnyClosed ? 0 : deadline.nanoseconds)
    }
  }
  withExtendedLifetime(objects) {}
  return objects.indices.filter { count < 0 || ready[$0] || numbers[$0] < 0 }
}

nonisolated(nonsending) private func pollInTask(_ objects: [any Pollable], until deadline: Deadline) async throws
  -> [Int]
{
  var ready = pollNow(objects, until: .immediate)
  if !ready.isEmpty || deadline == .immediate { return ready }
  // One descriptor that is ready when any of them is.
  let all = OwnedDescriptor(owning: spindle_epoll_create())
  for (index, object) in objects.enumerated() {
    _ = spindle_epoll_set(
      all.number, object.sentinel, UInt64(index), UInt32(spindle_ready_read.rawValue), true)
  }
  _ = try await DescriptorWatch(all).wait("one of several connections", until: deadline) {
    ready = pollNow(objects, until: .immediate)
    return !ready.isEmpty
  }
  return ready
}
