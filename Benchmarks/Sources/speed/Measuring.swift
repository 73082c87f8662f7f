import Glibc
import Synchronization

func seconds() -> Double {
  var t = timespec()
  clock_gettime(CLOCK_MONOTONIC, &t)
  return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
}

/// `body` on so many plain threads of the C library at once; returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Start {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start { body(index) })
    let error = pthread_create(
      &thread, nil,
      { raw in
        Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    precondition(error == 0, "cannot start a thread: error \(error)")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}

/// One step is about 1.6 ns of work that the compiler cannot leave out.
@inline(__always)
func spin(_ x: UInt64, _ steps: Int) -> UInt64 {
  var x = x
  for _ in 0..<steps {
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
  }
  return x
}

/// Operations per second of so many threads that each loop over `op` for 200 ms.
func contended(_ threads: Int, _ op: @escaping @Sendable (UInt64) -> UInt64) -> Double {
  final class Shared: Sendable {
    let stop = Atomic<Bool>(false)
    let total = Atomic<Int>(0)
    let sink = Atomic<UInt64>(0)
  }
  let shared = Shared()
  let start = seconds()
  onThreads(threads + 1) { index in
    if index == threads {
      usleep(200_000)
      shared.stop.store(true, ordering: .relaxed)
      return
    }
    var x = 88_172_645_463_325_252 + UInt64(index)
    var count = 0
    while !shared.stop.load(ordering: .relaxed) {
      x = op(x)
      count += 1
    }
    shared.total.wrappingAdd(count, ordering: .relaxed)
    shared.sink.bitwiseXor(x, ordering: .relaxed)
  }
  return Double(shared.total.load(ordering: .relaxed)) / (seconds() - start)
}

/// Operations per second of a body that does so many.
func rate(_ count: Int, _ body: () -> Void) -> Double {
  let start = seconds()
  body()
  return Double(count) / (seconds() - start)
}
