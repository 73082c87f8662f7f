import CSpindle
import SpindleGround
import Synchronization

import Spindle

struct Oops: Error, Equatable { var number = 0 }

/// A gate that closures wait at, so that a test decides when they go on.
final class Gate: Sendable {
  private let spot = ParkingSpot()
  private let isOpen = Atomic<Bool>(false)
  private let arrived = Atomic<Int>(0)

  func open() {
    isOpen.store(true, ordering: .sequentiallyConsistent)
    spot.wakeAll()
  }

  /// Waits, as a thread, until the gate is open.
  func pass() {
    arrived.wrappingAdd(1, ordering: .sequentiallyConsistent)
    spot.wakeAll()
    _ = spot.wait("a test's gate") { isOpen.load(ordering: .sequentiallyConsistent) }
  }

  /// Waits until so many have arrived.
  func awaitArrivals(_ count: Int = 1) {
    _ = spot.wait("arrivals at a test's gate") { arrived.load(ordering: .sequentiallyConsistent) >= count }
  }

  var arrivals: Int { arrived.load(ordering: .sequentiallyConsistent) }
}

/// A list that threads append to.
final class Log<Element: Sendable>: Sendable {
  private let items = RawGuarded<[Element]>([])

  func append(_ item: Element) { items.withLock { $0.append(item) } }
  var all: [Element] { items.withLock { $0 } }
}

/// Counts how many of its kind live: a capture that must be released.
final class Live: Sendable {
  final class Count: Sendable {
    let now = Atomic<Int>(0)
    var value: Int { now.load(ordering: .sequentiallyConsistent) }
  }
  let count: Count
  init(_ count: Count) {
    self.count = count
    count.now.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }
  deinit { count.now.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
}

/// For tests that are tasks: a blocking test body on a thread of its own.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  let promise = Promise<Result>()
  let start = unsafe Unmanaged.passRetained(Start { promise.resolve(Swift.Result { try body() }) })
  let error = unsafe spindle_start_detached(
    "test", { unsafe Unmanaged<Start>.fromOpaque($0!).takeRetainedValue().body() }, start.toOpaque())
  precondition(error == 0)
  return try await promise.future.result()
}

private final class Start: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
