import CSpindle
import Synchronization

/// What every sleeping thread and task waits for; a watchdog prints it when a test hangs.
///
/// Off (one relaxed load per sleep) until somebody asks for it.
package enum WaitReport {
  private static let isOn = Atomic<Bool>(false)
  private static let lastID = Atomic<UInt64>(0)
  private static let entries = RawGuarded<[UInt64: Entry]>([:])

  private struct Entry {
    let purpose: StaticString
    let thread: Int32
    let isTask: Bool
    let since: Int64
    /// nil for a sleep in the system's own calls.
    let waiter: Waiter?
  }

  /// From now on sleeps are recorded.
  package static func turnOn() { isOn.store(true, ordering: .relaxed) }

  /// One line per thread or task that sleeps on a parking spot now.
  package static func lines() -> [String] {
    let now = spindle_now()
    return entries.withLock { $0.sorted { $0.key < $1.key } }.map { _, entry in
      let who = entry.isTask ? "task (suspended by thread \(entry.thread))" : "thread \(entry.thread)"
      let state = entry.waiter?.state.load(ordering: .relaxed) ?? Waiter.suspended
      let end = state >= Waiter.gaveUp ? ", already ended" : ""
      return "\(who) waits for \(entry.purpose) since \((now - entry.since) / 1_000_000) ms\(end)"
    }
  }

  package static func begin(_ purpose: StaticString, _ waiter: Waiter? = nil, isTask: Bool = false) -> UInt64 {
    guard isOn.load(ordering: .relaxed) else { return 0 }
    let id = lastID.wrappingAdd(1, ordering: .relaxed).newValue
    let entry = Entry(
      purpose: purpose, thread: spindle_thread_id(), isTask: isTask, since: spindle_now(), waiter: waiter)
    entries.withLock { $0[id] = entry }
    return id
  }

  package static func end(_ id: UInt64) {
    if id != 0 { entries.withLock { $0[id] = nil } }
  }
}
