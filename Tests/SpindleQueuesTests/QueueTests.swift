import SpindleTestSupport
import Synchronization
import Testing

import SpindleQueues

/// An element of which no copy can be made.
struct Ticket: ~Copyable {
  let number: Int
}

func number(of ticket: consuming Ticket?) -> Int? {
  guard let ticket else { return nil }
  return ticket.number
}

/// What holds for the first-in, first-out queue only.
@Suite(.watchdog(seconds: 60)) struct QueueTests {
  @Test func elementsLeaveInTheOrderTheyWentIn() throws {
    let queue = Queue<Int>()
    for number in 0..<1000 { try queue.putNoWait(number) }
    for number in 0..<1000 { #expect(try queue.getNoWait() == number) }
  }

  @Test func theOrderHoldsWhileTheInsideGoesRoundAndGrows() throws {
    let queue = Queue<Int>()
    var next = 0
    var expected = 0
    for round in 1...60 {
      for _ in 0..<round {
        try queue.putNoWait(next)
        next += 1
      }
      for _ in 0..<(round / 2) {
        #expect(try queue.getNoWait() == expected)
        expected += 1
      }
    }
    #expect(queue.count == next - expected)
  }

  @Test func elementsThatCannotBeCopiedPassThrough() throws {
    let queue = Queue<Ticket>(capacity: 2)
    try queue.putNoWait(Ticket(number: 1))
    let accepted = number(of: queue.tryPut(Ticket(number: 2)))
    #expect(accepted == nil)
    let refused = number(of: queue.tryPut(Ticket(number: 3)))
    #expect(refused == 3)
    let first = try queue.getNoWait().number
    #expect(first == 1)
    let second = number(of: queue.tryGet())
    #expect(second == 2)
    #expect(queue.isEmpty)
  }

  @Test(arguments: [1, 2, 3, 64]) func threadsLoseNothingAndKeepEachProducersOrder(capacity: Int) {
    let queue = Queue<Int>(capacity: capacity)
    let ledger = ElementLedger(producers: 3, each: 3000)
    race(threads: 6) { index in
      if index < 3 {
        for number in 0..<3000 { try! queue.put(ledger.element(index, number)) }
      } else {
        var reader = ledger.reader()
        for _ in 0..<3000 { reader.took(try! queue.get()) }
      }
    }
    #expect(ledger.complaints == [])
    #expect(queue.isEmpty)
  }

  @Test(arguments: [1, 2, 3, 64]) func tasksLoseNothingAndKeepEachProducersOrder(capacity: Int) async throws {
    let queue = Queue<Int>(capacity: capacity)
    let ledger = ElementLedger(producers: 3, each: 1000)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<3 {
        group.addTask { for number in 0..<1000 { try await queue.put(ledger.element(index, number)) } }
        group.addTask {
          var reader = ledger.reader()
          for _ in 0..<1000 { reader.took(try await queue.get()) }
        }
      }
      try await group.waitForAll()
    }
    #expect(ledger.complaints == [])
  }
}
