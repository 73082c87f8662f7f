import SpindleGround
import Synchronization

/// The jobs that a pool has not handed to a worker, first in, first out. No bound.
///
/// A ring behind the ground's lock. A job that was cancelled or done by somebody who waited for it stays in line as an
/// empty shell until its turn comes.
// SAFETY: `ring`, `room`, `head` and `size` belong to `lock`; each reference in the ring is retained once.
@usableFromInline
@safe final class JobQueue: @unchecked Sendable {
  private let lock = RawLock()
  @exclusivity(unchecked) private var ring: UnsafeMutablePointer<Unmanaged<AnyFuture>>
  @exclusivity(unchecked) private var room = 64
  @exclusivity(unchecked) private var head = 0
  @exclusivity(unchecked) private var size = 0
  /// `size` for those who only look. Written sequentially consistently: W1 of `arrivals`.
  private let mirror = Atomic<Int>(0)

  /// Written under the lock. Whoever has seen it and then an empty queue has seen its end: nothing is appended later.
  private let isClosed = Atomic<Bool>(false)

  /// Workers that wait for a job.
  let arrivals = ParkingSpot()

  init() { unsafe ring = .allocate(capacity: room) }

  deinit {
    while let job = take() { job.failUnbegun(AbandonedError()) }
    unsafe ring.deallocate()
  }

  var count: Int { mirror.load(ordering: .sequentiallyConsistent) }

  /// Whether nothing is appended any more.
  var isShut: Bool { isClosed.load(ordering: .sequentiallyConsistent) }

  /// Whether it is closed and empty, now and for ever.
  var isFinished: Bool { isShut && count == 0 }

  /// Appends a job and wakes a worker. False when the queue is closed.
  func append(_ job: AnyFuture) -> Bool {
    lock.acquire()
    if isClosed.load(ordering: .relaxed) {
      lock.release()
      return false
    }
    if unsafe size == room { grow() }
    var tail = unsafe head + size
    if unsafe tail >= room { unsafe tail -= room }
    unsafe (ring + tail).initialize(to: Unmanaged.passRetained(job))
    unsafe size += 1
    unsafe mirror.store(size, ordering: .sequentiallyConsistent)
    lock.release()
    arrivals.wake()
    return true
  }

  /// Takes the job that waits longest, nil when there is none.
  func take() -> AnyFuture? {
    if mirror.load(ordering: .acquiring) == 0 { return nil }
    lock.acquire()
    if unsafe size == 0 {
      lock.release()
      return nil
    }
    let job = unsafe (ring + head).move()
    unsafe head += 1
    if unsafe head == room { unsafe head = 0 }
    unsafe size -= 1
    unsafe mirror.store(size, ordering: .relaxed)
    lock.release()
    return unsafe job.takeRetainedValue()
  }

  /// Takes in nothing more. Jobs in line stay; all waiting workers look.
  func close() {
    lock.acquire()
    isClosed.store(true, ordering: .sequentiallyConsistent)
    lock.release()
    arrivals.wakeAll()
  }

  private func grow() {
    let larger = unsafe UnsafeMutablePointer<Unmanaged<AnyFuture>>.allocate(capacity: room * 2)
    unsafe larger.moveInitialize(from: ring + head, count: room - head)
    unsafe (larger + (room - head)).moveInitialize(from: ring, count: head)
    unsafe ring.deallocate()
    unsafe ring = larger
    unsafe head = 0
    unsafe room *= 2
  }
}
