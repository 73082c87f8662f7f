import CSpindle
import SpindleGround

/// Errors that left a thread's closure: told to the hook at once; without a hook none is lost silently.
enum UncaughtErrors {
  typealias Hook = @Sendable (ThreadHandle, any Error) -> Void

  private struct Unseen {
    let number: Int
    let record: ThreadRecord
    let error: any Error
  }

  private static let currentHook = RawGuarded<Hook?>(nil)
  /// Errors that nobody has joined yet.
  private static let unseen = RawGuarded<(last: Int, errors: [ObjectIdentifier: Unseen])>((0, [:]))

  static var hook: Hook? {
    get { currentHook.withLock { $0 } }
    set {
      // The old hook's captures are released outside of the lock.
      _ = currentHook.withLock { hook in
        let old = hook
        hook = newValue
        return old
      }
    }
  }

  static func threadFailed(_ record: ThreadRecord, _ error: any Error) {
    if let hook {
      hook(ThreadHandle(record: record), error)
    } else {
      unseen.withLock {
        $0.last += 1
        $0.errors[ObjectIdentifier(record)] = Unseen(number: $0.last, record: record, error: error)
      }
    }
  }

  static func threadWasJoined(_ record: ThreadRecord) { _ = take(record) }

  /// Nobody can join it any more.
  static func threadGoes(_ record: ThreadRecord) {
    if let lost = take(record) { report(lost) }
  }

  /// The process ends.
  static func reportAll() {
    let all = unseen.withLock { state in
      let all = state.errors.values.sorted { $0.number < $1.number }
      state.errors = [:]
      return all
    }
    for lost in all { report(lost) }
  }

  private static func take(_ record: ThreadRecord) -> Unseen? {
    unseen.withLock { $0.errors.removeValue(forKey: ObjectIdentifier(record)) }
  }

  private static func report(_ lost: Unseen) {
    writeError("Spindle: thread \"\(lost.record.name)\" ended with an error that nobody joined: \(lost.error)")
  }
}

/// Writes a line to standard error, unbuffered.
package func writeError(_ line: String) {
  var text = line + "\n"
  // SAFETY: the buffer is read during the call only.
  text.withUTF8 { unsafe spindle_write_error($0.baseAddress!, $0.count) }
}
