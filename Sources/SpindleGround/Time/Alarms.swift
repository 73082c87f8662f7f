import CSpindle
import Synchronization

/// Calls closures at deadlines: the clock of every timed wait of a task.
///
/// One thread for the whole process, started by the first alarm; it sleeps until the earliest deadline, and without
/// alarms it sleeps until there is one. An alarm's closure must be short and must not block.
// SAFETY: `heap` and `isStarted` belong to `lock`.
package final class Alarms: @unchecked Sendable {
  package static let shared = Alarms()

  /// A set alarm: its key in the heap of deadlines.
  package struct Alarm: Sendable, Hashable {
    fileprivate let deadline: Int64
    fileprivate let id: UInt64
  }

  private let lock = RawLock()
  private var pending: [UInt64: @Sendable () -> Void] = [:]
  private var heap = Heap<Alarm>()
  private var lastID: UInt64 = 0
  private var isStarted = false
  /// Changes when an alarm earlier than all others is set; the thread sleeps on it.
  private let changes = Atomic<UInt32>(0)

  private init() {}

  /// Calls `body` once at the deadline, on the alarm thread, unless cancelled before. O(log n).
  package func set(for deadline: Deadline, _ body: @escaping @Sendable () -> Void) -> Alarm {
    lock.acquire()
    lastID += 1
    let alarm = Alarm(deadline: deadline.nanoseconds, id: lastID)
    pending[alarm.id] = body
    let isEarliest = heap.first.map { alarm < $0 } ?? true
    heap.insert(alarm)
    let mustStart = !isStarted
    isStarted = true
    lock.release()
    if mustStart {
      start()
    } else if isEarliest {
      // Releasing: the alarm thread that sees the change also takes the lock before it reads the heap.
      changes.wrappingAdd(1, ordering: .releasing)
      wake(changes)
    }
    return alarm
  }

  /// Forgets an alarm. Its closure may still be running when this returns, if its time had come.
  package func cancel(_ alarm: Alarm) {
    lock.acquire()
    let body = pending.removeValue(forKey: alarm.id)
    // The heap keeps the key of a cancelled alarm until its time comes, or until such keys are the majority.
    if heap.count > 64, heap.count > 2 * pending.count {
      heap = Heap(heap.elements.filter { pending[$0.id] != nil })
    }
    lock.release()
    // What the closure captured is released here, outside of the lock.
    _ = consume body
  }

  private func start() {
    let error = unsafe spindle_start_detached("spindle-alarms", { _ in Alarms.shared.run() }, nil)
    if error != 0 { mistake("cannot start the alarm thread: error \(error), the limit of threads is reached") }
  }

  private func run() -> Never {
    while true {
      let seen = changes.load(ordering: .acquiring)
      var due: [@Sendable () -> Void] = []
      let now = spindle_now()
      lock.acquire()
      while let first = heap.first, first.deadline <= now || pending[first.id] == nil {
        heap.removeFirst()
        if let body = pending.removeValue(forKey: first.id) { due.append(body) }
      }
      let next = heap.first.map { Deadline(nanoseconds: $0.deadline) } ?? .never
      lock.release()
      if due.isEmpty {
        _ = sleep(on: changes, while: seen, until: next)
      }
      for body in due { body() }
    }
  }
}

extension Alarms.Alarm: Comparable {
  package static func < (a: Self, b: Self) -> Bool {
    a.deadline != b.deadline ? a.deadline < b.deadline : a.id < b.id
  }
}
