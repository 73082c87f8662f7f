import CSpindle
import SpindleQueues
import SpindleTestSupport
import Testing

/// Random calls with random time-outs and cancellations, by threads and tasks at once: nothing is lost, nothing comes
/// twice, and what one producer put comes out in its order where the kind promises that.
@Suite(.watchdog(seconds: 120)) struct StormTests {
  static let producers = 4
  static let each = 400

  @Test(arguments: Kind.allCases, [1, 2, 5, 0]) func elementsAreConserved(_ kind: Kind, capacity: Int) async throws {
    for seed in UInt64(1)...3 {
      let queue = kind.make(capacity: capacity)
      let ledger = ElementLedger(producers: Self.producers, each: Self.each)
      let isOrdered = kind.isFirstInFirstOut
      async let threads: [Void] = raceBeside(threads: 4) { index in
        var random = SplitMix64(seed: seed &* 1000 &+ UInt64(index))
        if index < 2 {
          for number in 0..<Self.each { Self.put(ledger.element(index, number), into: queue, &random) }
        } else {
          var reader = ledger.reader(isOrdered: isOrdered)
          while Self.get(from: queue, &random, { reader.took($0) }) {}
        }
      }
      let consumers = (0..<2).map { index in
        Task {
          var random = SplitMix64(seed: seed &* 1000 &+ 100 &+ UInt64(index))
          var reader = ledger.reader(isOrdered: isOrdered)
          while await Self.getInTask(from: queue, &random, { reader.took($0) }) {}
        }
      }
      let producers = (2..<4).map { index in
        Task {
          var random = SplitMix64(seed: seed &* 1000 &+ 200 &+ UInt64(index))
          for number in 0..<Self.each { await Self.putInTask(ledger.element(index, number), into: queue, &random) }
        }
      }
      for producer in producers { await producer.value }
      // The threads that produce are done when as many have arrived.
      await eventually { queue.hasReceived(Self.producers * Self.each) }
      queue.shutdown()
      _ = await threads
      for consumer in consumers { await consumer.value }
      #expect(ledger.complaints == [], "seed \(seed)")
      #expect(queue.isEmpty, "seed \(seed)")
      #expect(queue.waitingGetters + queue.waitingPutters == 0, "seed \(seed)")
    }
  }

  @Test(arguments: Kind.allCases, [1, 3, 0]) func everyTaskIsDoneOnceWhenJoinReturns(_ kind: Kind, capacity: Int) {
    let queue = kind.make(capacity: capacity)
    let ledger = ElementLedger(producers: 2, each: 1000)
    let done = [Census(), Census()]
    race(threads: 5) { index in
      if index < 2 {
        for number in 0..<1000 { try! queue.put(ledger.element(index, number)) }
        // What this thread put is done when join returns, whatever others do.
        queue.join()
        #expect(done[index].live.load(ordering: .relaxed) == 1000)
        if index == 0 {
          eventually { queue.hasReceived(2000) }
          queue.shutdown()
        }
      } else {
        var reader = ledger.reader(isOrdered: kind.isFirstInFirstOut)
        for element in queue {
          reader.took(element)
          done[element / 1000].live.wrappingAdd(1, ordering: .relaxed)
          queue.taskDone()
        }
      }
    }
    #expect(ledger.complaints == [])
  }

  // MARK: One random call, until the element is in

  static func put(_ element: Int, into queue: BlockingQueue<Int>, _ random: inout SplitMix64) {
    while true {
      let refusal: QueueError?
      switch Int.random(in: 0..<4, using: &random) {
      case 0: refusal = error { () throws(QueueError) in try queue.put(element) }
      case 1: refusal = error { () throws(QueueError) in try queue.putNoWait(element) }
      case 2: refusal = queue.tryPut(element) == nil ? nil : .full
      default:
        let timeout = Duration.microseconds(Int.random(in: 0..<200, using: &random))
        refusal = error { () throws(QueueError) in try queue.put(element, timeout: timeout) }
      }
      if refusal == nil { return }
      #expect(refusal == .full)
      spindle_yield()
    }
  }

  static func putInTask(_ element: Int, into queue: BlockingQueue<Int>, _ random: inout SplitMix64) async {
    while true {
      do {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: try await queue.put(element)
        case 1: try queue.putNoWait(element)
        case 2: try await queue.put(element, timeout: .microseconds(Int.random(in: 0..<200, using: &random)))
        default:
          let task = Task { try await queue.put(element) }
          for _ in 0..<Int.random(in: 0..<4, using: &random) { await Task.yield() }
          task.cancel()
          try await task.value
        }
        return
      } catch {
        #expect(error is CancellationError || error as? QueueError == .full)
        await Task.yield()
      }
    }
  }

  // MARK: One random call; false when the queue is shut down

  static func get(from queue: BlockingQueue<Int>, _ random: inout SplitMix64, _ took: (Int) -> Void) -> Bool {
    do throws(QueueError) {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: took(try queue.get())
      case 1: took(try queue.getNoWait())
      case 2: if let element = queue.tryGet() { took(element) }
      default: took(try queue.get(timeout: .microseconds(Int.random(in: 0..<200, using: &random))))
      }
      return true
    } catch {
      if error == .shutDown { return false }
      #expect(error == .empty)
      spindle_yield()
      return true
    }
  }

  static func getInTask(
    from queue: BlockingQueue<Int>, _ random: inout SplitMix64, _ took: (Int) -> Void
  ) async -> Bool {
    do {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: took(try await queue.get())
      case 1: took(try queue.getNoWait())
      case 2: took(try await queue.get(timeout: .microseconds(Int.random(in: 0..<200, using: &random))))
      default:
        let task = Task { try await queue.get() }
        for _ in 0..<Int.random(in: 0..<4, using: &random) { await Task.yield() }
        task.cancel()
        took(try await task.value)
      }
    } catch {
      if error as? QueueError == .shutDown { return false }
      #expect(error is CancellationError || error as? QueueError == .empty)
      await Task.yield()
    }
    return true
  }
}
