import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct WaitTests {
  let promises = (0..<4).map { _ in Promise<Int>() }
  var futures: [Future<Int>] { promises.map(\.future) }

  @Test func allCompletedWaitsForAllAndKeepsTheOrder() async throws {
    let (promises, futures) = (promises, futures)
    let result = Task { try await onThread { wait(for: futures).done.map(ObjectIdentifier.init) } }
    while !futures.allSatisfy(\.isListenedTo) { await Task.yield() }
    promises[3].fulfil(3)
    promises[1].fail(Oops())
    futures[0].cancel()
    promises[2].fulfil(2)
    #expect(try await result.value == futures.map(ObjectIdentifier.init))
  }

  @Test func firstCompletedReturnsWithTheFirst() async throws {
    let (promises, futures) = (promises, futures)
    let result = Task {
      try await onThread {
        let (done, notDone) = wait(for: futures, until: .firstCompleted)
        return [done.map(ObjectIdentifier.init), notDone.map(ObjectIdentifier.init)]
      }
    }
    while !futures.allSatisfy(\.isListenedTo) { await Task.yield() }
    promises[2].fulfil(3)
    let ids = futures.map(ObjectIdentifier.init)
    #expect(try await result.value == [[ids[2]], [ids[0], ids[1], ids[3]]])
  }

  @Test func firstCompletedReturnsAtOnceWhenOneHasEnded() {
    futures[1].cancel()
    let (done, notDone) = wait(for: futures, until: .firstCompleted)
    #expect(done.count == 1 && done[0] === futures[1])
    #expect(notDone.count == 3)
  }

  @Test func firstErrorCountsErrorsAndNotCancellations() async throws {
    let (promises, futures) = (promises, futures)
    let result = Task { try await wait(for: futures, until: .firstError).done.count }
    while !futures.allSatisfy(\.isListenedTo) { await Task.yield() }
    futures[0].cancel()
    promises[1].fulfil(1)
    #expect(try await wait(for: futures, timeout: .zero, until: .firstError).done.count == 2)
    promises[2].fail(Oops())
    #expect(try await result.value == 3)
  }

  @Test func firstErrorWithoutErrorsWaitsForAll() {
    for promise in promises { promise.fulfil(1) }
    #expect(wait(for: futures, until: .firstError).notDone.isEmpty)
  }

  @Test func timeRunsOutWithoutAnError() async throws {
    promises[0].fulfil(1)
    let futures = futures
    for timeout in [Duration.zero, .milliseconds(2)] {
      let (done, notDone) = try await onThread {
        let (done, notDone) = wait(for: futures, timeout: timeout)
        return (done.count, notDone.count)
      }
      #expect(done == 1 && notDone == 3)
      let later = try await wait(for: futures, timeout: timeout)
      #expect(later.done.count == 1 && later.notDone.count == 3)
    }
  }

  @Test func noFuturesAndDuplicates() {
    let none = wait(for: [Future<Int>](), until: .firstCompleted)
    #expect(none.done.isEmpty && none.notDone.isEmpty)
    promises[0].fulfil(1)
    let same = wait(for: [futures[0], futures[0], futures[0]])
    #expect(same.done.count == 1)
  }

  @Test func futuresOfDifferentTypes() {
    let other = Promise<String>()
    other.fulfil("x")
    promises[0].fulfil(1)
    let mixed: [AnyFuture] = [other.future, promises[0].future]
    #expect(wait(for: mixed).done.count == 2)
  }

  @Test func cancellingTheTaskEndsItsWaitAndLeavesNoTrace() async {
    let futures = futures
    let task = Task { try await wait(for: futures).done.count }
    while !futures.allSatisfy(\.isListenedTo) { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(futures.allSatisfy { !$0.isListenedTo })
    #expect(futures.allSatisfy { !$0.isDone })
  }

  /// Each one that comes lets the next one end: 2, 0, 3, 1. Gives its number.
  private func endTheNext(after future: Future<Int>) -> Int {
    let index = futures.firstIndex { $0 === future }!
    switch index {
    case 2: promises[0].fulfil(0)
    case 0: futures[3].cancel()
    case 3: promises[1].fail(Oops())
    default: break
    }
    return index
  }

  @Test func asCompletedGivesTheOrderOfCompletionEachOnce() {
    promises[2].fulfil(2)
    var order: [Int] = []
    for future in asCompleted(futures + futures) {
      order.append(endTheNext(after: future))
    }
    #expect(order == [2, 0, 3, 1])
  }

  @Test func asCompletedForTasks() async throws {
    promises[2].fulfil(2)
    var order: [Int] = []
    for try await future in asCompleted(futures + futures) {
      order.append(endTheNext(after: future))
    }
    #expect(order == [2, 0, 3, 1])
  }

  @Test func asCompletedWaitsForThreads() async throws {
    let (promises, futures) = (promises, futures)
    let values = Task { try await onThread { try asCompleted(futures).map { try $0.result() } } }
    race(threads: 4) { _ = promises[$0].fulfil($0) }
    #expect(try await values.value.sorted() == [0, 1, 2, 3])
    #expect(try asCompleted(futures).map { try $0.result() } == [0, 1, 2, 3])
  }

  @Test func asCompletedEndsWhenTimeRunsOutAndSaysSo() async {
    promises[1].fulfil(1)
    let sequence = asCompleted(futures, timeout: .milliseconds(2))
    #expect(Array(sequence).count == 1)
    #expect(sequence.timedOut)
    let complete = asCompleted([futures[1]], timeout: .zero)
    #expect(Array(complete).count == 1)
    #expect(!complete.timedOut)
    let immediate = asCompleted(futures, timeout: .zero)
    var count = 0
    await #expect(throws: TimeoutError.self) {
      for try await _ in immediate { count += 1 }
    }
    #expect(count == 1)
  }

  @Test func asCompletedOfNothingIsEmpty() async throws {
    #expect(Array(asCompleted([Future<Int>]())).isEmpty)
    for try await _ in asCompleted([Future<Int>]()) { Issue.record("nothing was given") }
  }

  @Test func cancellingTheTaskEndsAsCompleted() async {
    let futures = futures
    let task = Task { for try await _ in asCompleted(futures) {} }
    while !futures.allSatisfy(\.isListenedTo) { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(futures.allSatisfy { !$0.isListenedTo })
  }

  @Test func abandoningAsCompletedLeavesNoTrace() {
    promises[0].fulfil(1)
    for _ in asCompleted(futures) { break }
    #expect(futures.allSatisfy { !$0.isListenedTo })
  }
}
