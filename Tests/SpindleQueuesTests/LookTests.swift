import SpindleTestSupport
import Testing

import SpindleQueues

/// What one who waits looks at before it tries again: `mayTake` and `mayPut`. Not more than a hint, but who heeds a wrong one waits for
/// longer than it must.
@Suite(.watchdog(seconds: 60)) struct LookTests {
  /// A chain has no look that costs less than an attempt.
  private static let lookers = Kind.allCases.filter { $0 != .chain }

  @Test(arguments: lookers) func nothingIsToBeTakenFromAnEmptyQueue(_ kind: Kind) {
    let queue = kind.make(capacity: 2)
    #expect(!queue.mayTake(after: 1))
    #expect(queue.mayPut(after: 1))
  }

  @Test(arguments: lookers) func nothingIsToBePutIntoAFullQueue(_ kind: Kind) throws {
    let queue = kind.make(capacity: 2)
    for number in 0..<2 { try queue.putNoWait(number) }
    #expect(!queue.mayPut(after: 1))
    #expect(queue.mayTake(after: 1))
  }

  @Test(arguments: Kind.allCases) func whatMayBePutOrTakenIsSeen(_ kind: Kind) throws {
    let queue = kind.make(capacity: 2)
    try queue.putNoWait(1)
    #expect(queue.mayPut(after: 1))
    #expect(queue.mayTake(after: 1))
  }

  @Test(arguments: [1, 2, 3, 5, 64]) func looksAndCountsAreRightInEveryLapOfARing(capacity: Int) throws {
    let queue = Queue<Int>(capacity: capacity)
    for lap in 0..<5 {
      for number in 0..<capacity {
        #expect(queue.count == number)
        #expect(queue.mayPut(after: 1))
        try queue.putNoWait(lap + number)
        #expect(queue.mayTake(after: 1))
      }
      #expect(!queue.mayPut(after: 1))
      for number in 0..<capacity {
        #expect(queue.count == capacity - number)
        #expect(queue.mayTake(after: 1))
        let taken = try queue.getNoWait()
        #expect(taken == lap + number)
        #expect(queue.mayPut(after: 1))
      }
      #expect(!queue.mayTake(after: 1))
    }
  }

  @Test func afterABatchARingIsTriedWithoutALook() throws {
    let queue = Queue<Int>(capacity: 1)
    #expect(queue.mayTake(after: 2))
    try queue.putNoWait(1)
    #expect(queue.mayPut(after: 2))
  }

  @Test(arguments: Kind.allCases) func whoWaitsSeesTheEnd(_ kind: Kind) throws {
    let queue = kind.make(capacity: 1)
    try queue.putNoWait(1)
    queue.shutdown()
    // Full, and yet an attempt has something to say.
    #expect(queue.mayPut(after: 1))
    _ = try queue.getNoWait()
    #expect(queue.mayTake(after: 1))
  }

  @Test(arguments: Kind.allCases) func whoMayWaitIsToldOfTheEndEvenWhenCancelled(_ kind: Kind) async {
    let queue = kind.make(capacity: 1)
    queue.shutdown()
    let task = Task { await taskError { try await queue.get() } }
    task.cancel()
    #expect(await task.value == .shutDown)
  }
}
