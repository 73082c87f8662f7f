internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// Lets tasks wait until a descriptor can be read or written, without blocking one of Swift's cooperative threads.
///
/// One thread, started by the first who waits, sleeps in the kernel for all of them.
///
///     task                                      thread
///     T1 line up at the descriptor's spot       H1 sleep until an armed descriptor is ready, and disarm it
///     T2 try; if it can be done, leave          H2 wake all at its spot
///     T3 arm the descriptor
///     T4 sleep
///
/// T3 comes after T1, and reports what is ready already: what came between T2 and T3 is reported at once, and finds the task in
/// line. Who is woken and still cannot go on arms again.
final class DescriptorWatch: Sendable {
  let descriptor: OwnedDescriptor
  /// Apart, because a spot serves who has waited longest first: a writer whose room only readers can make must not hold them up.
  private let readers = ParkingSpot()
  private let writers = ParkingSpot()
  private let state = RawGuarded(State())

  private struct State {
    var tag: UInt64?
    var interest: UInt32 = 0
  }

  init(_ descriptor: OwnedDescriptor) { self.descriptor = descriptor }

  deinit {
    if let tag = state.withLock({ $0.tag }) { Hub.shared?.remove(tag, descriptor.number) }
  }

  /// Suspends the task until `attempt` succeeds. False when the deadline passed first; throws when the task is cancelled.
  nonisolated(nonsending) func wait(
    _ purpose: StaticString, toWrite: Bool = false, until deadline: Deadline, attempt: () -> Bool
  ) async throws -> Bool {
    guard Hub.shared != nil else {
      throw ConnectionError.failed(
        operation: "starting a thread that waits for connections", reason: "the system has none left",
        errorNumber: EAGAIN)
    }
    if toWrite {
      return try await writers.wait(purpose, owner: self, until: deadline) { attempt() || arm(toWrite: true) }  // T2, T3
    }
    return try await readers.wait(purpose, owner: self, until: deadline) { attempt() || arm(toWrite: false) }
  }

  /// Whoever waits tries again.
  func wakeAll() {
    readers.wakeAll()
    writers.wakeAll()
  }

  /// T3; false, for nothing is done yet.
  private func arm(toWrite: Bool) -> Bool {
    state.withLock { state in
      guard let hub = Hub.shared else { return false }
      let isNew = state.tag == nil
      if isNew { state.tag = hub.add(self) }
      state.interest |= UInt32(toWrite ? spindle_ready_write.rawValue : spindle_ready_read.rawValue)
      hub.arm(descriptor.number, tag: state.tag!, state.interest, isNew: isNew)
      return false
    }
  }

  fileprivate func ready() {
    state.withLock { $0.interest = 0 }
    wakeAll()  // H2
  }

  /// The thread and what it watches.
  private final class Hub: Sendable {
    static let shared = Hub()
    /// Reported once, then disarmed: EPOLLONESHOT.
    private static var once: UInt32 { 1 << 30 }

    private let epoll: OwnedDescriptor
    private let watched = RawGuarded((next: UInt64(1), byTag: [UInt64: Weak]()))

    private struct Weak: Sendable { weak var watch: DescriptorWatch? }

    init?() {
      epoll = OwnedDescriptor(owning: spindle_epoll_create())
      if epoll.number < 0 { return nil }
      let number = epoll.number
      let context = unsafe UnsafeMutableRawPointer(bitPattern: UInt(number) + 1)
      let error = unsafe spindle_start_detached("spindle-watch", { Hub.run(Int32(UInt(bitPattern: $0) - 1)) }, context)
      if error != 0 { return nil }
    }

    func add(_ watch: DescriptorWatch) -> UInt64 {
      watched.withLock { watched in
        defer { watched.next += 1 }
        watched.byTag[watched.next] = Weak(watch: watch)
        return watched.next
      }
    }

    func arm(_ descriptor: Int32, tag: UInt64, _ interest: UInt32, isNew: Bool) {
      _ = spindle_epoll_set(epoll.number, descriptor, tag, interest | Self.once, isNew)
    }

    func remove(_ tag: UInt64, _ descriptor: Int32) {
      _ = spindle_epoll_set(epoll.number, descriptor, tag, 0, false)
      watched.withLock { $0.byTag[tag] = nil }
    }

    private static func run(_ epoll: Int32) {
      var events = [spindle_ready_event](repeating: spindle_ready_event(), count: 16)
      while true {
        // SAFETY: room for as many events as it is told.
        let count = unsafe events.withUnsafeMutableBufferPointer {
          unsafe spindle_epoll_wait(epoll, $0.baseAddress!, Int32($0.count), -1)  // H1
        }
        guard count > 0, let hub = shared else { continue }
        for event in events.prefix(Int(count)) {
          hub.watched.withLock { $0.byTag[event.tag]?.watch }?.ready()
        }
      }
    }
  }
}
