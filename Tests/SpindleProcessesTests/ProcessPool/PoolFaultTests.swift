import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

/// Lets its own process die when it reaches a step for the n-th time.
private func armToDie(_ step: UInt8, _ count: Int) -> Int32 {
  FaultPoint(rawValue: step)!.arm(after: count)
  return getpid()
}
private func large(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 50_000) }
private func descriptor(_ queue: SharedQueue<Int>, _ number: Int) throws { try queue.put(number) }

#if DEBUG
  /// A worker dies at each step of what PROTOCOL.md draws.
  @Suite(.oneAtATime, .watchdog(seconds: 120)) struct PoolFaultTests {
    static let steps: [FaultPoint] = [
      .callSeen, .callBegun, .callDone, .replyWritten, .replied, .bellTaken, .workerSleeps,
    ]

    @Test(arguments: steps, [1, 2, 7, 40])
    func `whatever step a worker dies at, one call fails at most and no other notices`(step: FaultPoint, count: Int) throws {
      try withProcessPool(maxWorkers: 2) { pool throws in
        // Known as short, so that calls are handed ahead.
        for future in (0..<100).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
        let armed = pool.submit(armToDie, step.rawValue, count)
        let futures = (0..<200).map { pool.submit(Work.square, $0) }
        var lost = 0
        do { _ = try armed.result() } catch is WorkerDiedError { lost += 1 }
        func check(_ futures: [Future<Int>]) throws {
          for (number, future) in futures.enumerated() {
            do {
              #expect(try future.result() == number * number)
            } catch let error as WorkerDiedError {
              #expect(error.exitStatus == .signalled(SIGKILL))
              lost += 1
            }
          }
        }
        try check(futures)
        // The one that is armed may not have come to its step yet.
        for _ in 0..<20 { try check([pool.submit(Work.square, 0)]) }
        #expect(lost <= 1)
        switch step {
        // Before the call is begun, and after the reply can be seen, nothing is lost.
        case .callSeen, .replied, .bellTaken, .workerSleeps: #expect(lost == 0)
        default: break
        }
      }
    }

    @Test func `a worker that dies with a large reply half delivered fails that call only`() throws {
      try withProcessPool(maxWorkers: 2) { pool throws in
        _ = try pool.submit(armToDie, FaultPoint.largeReplyWritten.rawValue, 5).result()
        let futures = (0..<60).map { pool.submit(large, $0) }
        var lost = 0
        for (number, future) in futures.enumerated() {
          do {
            let bytes = try future.result()
            #expect(bytes.count == 50_000 && bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) })
          } catch is WorkerDiedError {
            lost += 1
          }
        }
        #expect(lost <= 1)
      }
    }

    @Test func `calls with descriptors survive the death of a worker that has not begun them`() throws {
      try withProcessPool(maxWorkers: 2) { pool throws in
        let queue = SharedQueue<Int>()
        _ = try pool.submit(armToDie, FaultPoint.callSeen.rawValue, 4).result()
        let futures = (0..<40).map { pool.submit(descriptor, queue, $0) }
        for future in futures { try future.result() }
        var seen: [Int] = []
        for _ in 0..<40 { seen.append(try queue.get()) }
        #expect(seen.sorted() == Array(0..<40))
      }
    }
  }
#endif
