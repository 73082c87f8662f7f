import CSpindle
import SpindleGround
import Synchronization

extension ThreadRecord {
  static let main = ThreadRecord(origin: .main, name: "MainThread", isDaemon: false)
  private static let foreignCount = Atomic<Int>(0)

  /// The record of the calling thread, if it has one already. One thread-local load.
  static var existing: ThreadRecord? {
    // SAFETY: the word is set while the thread's own code, or its thread-specific data, holds a reference.
    unsafe spindle_thread_record().map { unsafe Unmanaged<ThreadRecord>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The record of the calling thread. One that nobody here started gets it at the first call, named "Dummy-1", ...
  static var current: ThreadRecord {
    if let record = existing { return record }
    if spindle_is_main_thread() != 0 {
      unsafe spindle_set_thread_record(Unmanaged.passUnretained(main).toOpaque())
      return main
    }
    let number = foreignCount.wrappingAdd(1, ordering: .relaxed).newValue
    let record = ThreadRecord(origin: .foreign, name: "Dummy-\(number)", isDaemon: true)
    let raw = unsafe Unmanaged.passRetained(record).toOpaque()
    unsafe spindle_set_thread_record(raw)
    ThreadRegistry.add(record)
    if unsafe spindle_thread_on_end(spindle_end_record, foreignThreadHasEnded, raw) != 0 {
      mistake("no thread-specific key is left: the program uses more than the system has")
    }
    return record
  }
}

/// Runs on a thread that Spindle did not start, when it ends.
private let foreignThreadHasEnded: @convention(c) (UnsafeMutableRawPointer?) -> Void = { raw in
  // SAFETY: `current` retained the record for this call.
  let record = unsafe Unmanaged<ThreadRecord>.fromOpaque(raw!).takeRetainedValue()
  spindle_set_thread_record(nil)
  ThreadRegistry.remove(record)
  record.finish()
}

/// The threads that are alive, as far as Spindle knows them, and those of the system that nobody has joined yet.
enum ThreadRegistry {
  private struct Lists {
    var alive: [ObjectIdentifier: (number: Int, record: ThreadRecord)] = [
      ObjectIdentifier(ThreadRecord.main): (0, ThreadRecord.main)
    ]
    var unjoined: [ObjectIdentifier: ThreadRecord] = [:]
    var lastNumber = 0
  }

  private static let lists = RawGuarded(Lists())

  static func add(_ record: ThreadRecord) {
    lists.withLock {
      $0.lastNumber += 1
      $0.alive[ObjectIdentifier(record)] = ($0.lastNumber, record)
    }
  }

  /// The caller holds a reference too, so that nothing is destroyed under the lock.
  static func remove(_ record: ThreadRecord, isUnjoined: Bool = false) {
    lists.withLock {
      $0.alive.removeValue(forKey: ObjectIdentifier(record))
      if isUnjoined { $0.unjoined[ObjectIdentifier(record)] = record }
    }
  }

  /// The system's thread is joined or detached.
  static func forget(_ record: ThreadRecord) {
    lists.withLock { _ = $0.unjoined.removeValue(forKey: ObjectIdentifier(record)) }
  }

  static var count: Int { lists.withLock { $0.alive.count } }

  /// In the order they were started or first seen.
  static var all: [ThreadRecord] {
    let found = lists.withLock { Array($0.alive.values) }
    return found.sorted { $0.number < $1.number }.map(\.record)
  }

  /// Frees what the system keeps of ended threads that nobody joined; ThreadSanitizer would report them at exit.
  static func joinTheEnded() {
    let found = lists.withLock { Array($0.unjoined.values) }
    for record in found where record.isFinished { record.reapNow() }
  }
}
