internal import SpindleGround
internal import Synchronization

/// A door that one side opens and any number of threads and tasks wait at.
final class Gate: Sendable {
  private let isOpenWord: Atomic<Bool>
  private let spot = ParkingSpot()

  init() { isOpenWord = Atomic(false) }

  /// Sequentially consistent, as ParkingSpot asks of its wakers (W1); for the rest acquire and release would do.
  var isOpen: Bool { isOpenWord.load(ordering: .sequentiallyConsistent) }

  func open() {
    isOpenWord.store(true, ordering: .sequentiallyConsistent)
    spot.wakeAll()
  }

  func close() { isOpenWord.store(false, ordering: .sequentiallyConsistent) }

  /// False when the deadline passed first.
  @available(*, noasync)
  @discardableResult
  func wait(_ purpose: StaticString, until deadline: Deadline = .never) -> Bool {
    spot.wait(purpose, until: deadline) { isOpen }
  }

  @discardableResult
  func wait(
    _ purpose: StaticString, until deadline: Deadline = .never, isolation: isolated (any Actor)? = #isolation
  ) async throws(CancellationError) -> Bool {
    try await spot.wait(purpose, owner: self, until: deadline) { isOpen }
  }
}
