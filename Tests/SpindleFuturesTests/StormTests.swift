import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

/// Random submits, cancels, waits and shutdowns: every future ends, every callback is called exactly once, nothing
/// leaks.
@Suite(.watchdog(seconds: 120)) struct StormTests {
  @Test(arguments: 1...6) func everyFutureEndsAndEveryCallbackIsCalledOnce(seed: Int) async throws {
    let captures = Live.Count()
    let (submitted, called, ended) = (Counter(), Counter(), Counter())
    for round in 0..<8 {
      let pool = ThreadPool(maxWorkers: 1 + round % 3)
      let all = Log<Future<Int>>()
      var source = SplitMix64(seed: UInt64(seed * 100 + round))
      let seeds = (0..<3).map { _ in source.next() }
      let tasks = (0..<2).map { index in
        Task {
          var random = SplitMix64(seed: seeds[0] &+ UInt64(index))
          for _ in 0..<150 {
            let future = submit(to: pool, captures, &random, called)
            submitted.increment()
            all.append(future)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: future.cancel()
            case 1: _ = try? await future.result(timeout: .microseconds(Int.random(in: 0..<50, using: &random)))
            case 2: _ = try? await future.error()
            case 3: _ = try? await wait(for: all.all.suffix(5), timeout: .microseconds(20), until: .firstCompleted)
            case 4:
              let waiting = Task { try await future.result() }
              waiting.cancel()
              _ = await waiting.result
            default: break
            }
          }
        }
      }
      async let threads: Void = onThread {
        race(threads: 3) { index in
          var random = SplitMix64(seed: seeds[1] &+ UInt64(index))
          for step in 0..<200 {
            let future = submit(to: pool, captures, &random, called)
            submitted.increment()
            all.append(future)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: future.cancel()
            case 1: _ = try? future.result(timeout: .microseconds(Int.random(in: 0..<50, using: &random)))
            case 2: _ = try? future.result()
            case 3: for _ in asCompleted(all.all.suffix(4), timeout: .microseconds(30)) {}
            case 4: _ = wait(for: all.all.suffix(5), timeout: .microseconds(20), until: .firstError)
            case 5 where step == 150 && index == round % 3: pool.shutdown(wait: false, cancelFutures: round % 2 == 0)
            default: break
            }
          }
        }
      }
      try await threads
      for task in tasks { await task.value }
      await pool.shutdown(wait: true, cancelFutures: round % 4 == 3)
      for future in all.all where future.isDone { ended.increment() }
    }
    #expect(ended.value == submitted.value)
    // The last callbacks of a cancelled future run on the thread that cancelled it, all of which are done.
    #expect(called.value == submitted.value)
    #expect(captures.value == 0)
  }
}

private final class Counter: Sendable {
  private let count = Atomic<Int>(0)
  func increment() { count.wrappingAdd(1, ordering: .sequentiallyConsistent) }
  var value: Int { count.load(ordering: .sequentiallyConsistent) }
}

private func submit(
  to pool: ThreadPool, _ captures: Live.Count, _ random: inout SplitMix64, _ called: Counter
) -> Future<Int> {
  let live = Live(captures)
  let kind = Int.random(in: 0..<6, using: &random)
  let future = pool.submit { () throws -> Int in
    _ = live.count
    switch kind {
    case 0: throw Oops()
    case 1: return try pool.submit { 1 }.result()
    case 2: return try pool.submit { 1 }.result(timeout: .microseconds(200))
    case 3: return Cancellation.isRequested ? 0 : 1
    case 4:
      let nested = pool.submit { 2 }
      nested.cancel()
      return nested.isCancelled ? 1 : 0
    default: return 2
    }
  }
  future.onDone { _ in called.increment() }
  return future
}
