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

  /// Whether the calling thread was started with a stack of another size than the system's.
  package static var hasOwnStackSize: Bool { (existing?.stackSize ?? 0) != 0 }

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
    var alive = RecordList()
    var unjoined = RecordList()

    init() { alive.append(.main) }
  }

  private static let lists = RawGuarded(Lists())

  static func add(_ record: ThreadRecord) { lists.withLock { $0.alive.append(record) } }

  /// The caller holds a reference too, so that nothing is destroyed under the lock.
  static func remove(_ record: ThreadRecord, isUnjoined: Bool = false) {
    lists.withLock {
      $0.alive.remove(record)
      if isUnjoined { $0.unjoined.append(record) }
    }
  }

  /// The system's thread is joined or detached.
  static func forget(_ record: ThreadRecord) { lists.withLock { $0.unjoined.remove(record) } }

  static var count: Int { lists.withLock { $0.alive.count } }

  /// In the order they were started or first seen.
  static var all: [ThreadRecord] { lists.withLock { $0.alive.records } }

  /// Frees what the system keeps of ended threads that nobody joined; ThreadSanitizer would report them at exit.
  static func joinTheEnded() {
    let found = lists.withLock { $0.unjoined.records }
    for record in found where record.isFinished { record.reapNow() }
  }
}

/// Records in the order they came, linked through themselves: two tables took an eighth of the instructions of a thread's life.
// SAFETY: the links of a record belong to the lock of the list that it is in. The list holds its first record, each the next.
private struct RecordList {
  private var first: ThreadRecord?
  private unowned(unsafe) var last: ThreadRecord?
  private(set) var count = 0

  mutating func append(_ record: ThreadRecord) {
    unsafe record.previous = last
    if let last = unsafe last { last.next = record } else { first = record }
    unsafe last = record
    count += 1
  }

  /// `record` is in this list.
  mutating func remove(_ record: ThreadRecord) {
    let previous = unsafe record.previous
    if let next = record.next { unsafe next.previous = previous } else { unsafe last = previous }
    if let previous { previous.next = record.next } else { first = record.next }
    record.next = nil
    unsafe record.previous = nil
    count -= 1
  }

  var records: [ThreadRecord] {
    var result: [ThreadRecord] = []
    result.reserveCapacity(count)
    var next = first
    while let record = next {
      result.append(record)
      next = record.next
    }
    return result
  }
}
