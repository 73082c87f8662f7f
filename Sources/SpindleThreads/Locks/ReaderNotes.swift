#if DEBUG
  import CSpindle
  import SpindleGround

  /// Which threads read, so that a debug build can say that one waits for itself.
  @usableFromInline
  final class ReaderNotes: Sendable {
    @usableFromInline
    struct Notes {
      /// How often each thread, by its handle, took the lock for reading and has not given it back.
      var counts: [UInt: Int] = [:]
      /// Some thread gave back what another took: who reads is not known any more.
      var isHandedOver = false
    }
    @usableFromInline let notes = RawGuarded(Notes())

    @usableFromInline init() {}

    @usableFromInline
    func add() { notes.withLock { $0.counts[spindle_thread_handle(), default: 0] += 1 } }

    @usableFromInline
    func remove() {
      notes.withLock { notes in
        let thread = spindle_thread_handle()
        if let count = notes.counts[thread] {
          notes.counts[thread] = count > 1 ? count - 1 : nil
        } else {
          notes.isHandedOver = true
        }
      }
    }

    var hasThisThread: Bool {
      notes.withLock { !$0.isHandedOver && $0.counts[spindle_thread_handle()] != nil }
    }
  }
#endif
