import Spindle
import SpindleGround
import SpindleTestSupport
import Testing

@Suite(.watchdog()) struct CallbackTests {
  @Test func callbacksRunOnceInTheOrderAddedAndGetTheFuture() {
    let promise = Promise<Int>()
    let log = Log<Int>()
    let future = promise.future
    for number in 0..<5 { future.onDone { if $0 === future { log.append(number) } } }
    #expect(log.all == [])
    promise.fulfil(1)
    #expect(log.all == [0, 1, 2, 3, 4])
  }

  @Test(arguments: 0..<3) func callbacksRunHoweverTheFutureEnds(way: Int) {
    let promise = Promise<Int>()
    let log = Log<Bool>()
    promise.future.onDone { log.append($0.isDone) }
    switch way {
    case 0: promise.fulfil(1)
    case 1: promise.fail(Oops())
    default: promise.future.cancel()
    }
    #expect(log.all == [true])
    _ = promise.future.cancel()
    #expect(log.all == [true])
  }

  @Test func aLateCallbackRunsAtOnceOnTheCallingThread() {
    let promise = Promise<Int>()
    promise.fulfil(1)
    let log = Log<Int>()
    promise.future.onDone { _ in log.append(1) }
    #expect(log.all == [1])
    promise.future.onDone { _ in log.append(2) }
    #expect(log.all == [1, 2])
  }

  @Test func aCallbackAddedWhileOthersRunKeepsTheOrder() {
    let promise = Promise<Int>()
    let log = Log<Int>()
    promise.future.onDone { future in
      log.append(0)
      future.onDone { _ in log.append(2) }
    }
    promise.future.onDone { _ in log.append(1) }
    promise.fulfil(1)
    #expect(log.all == [0, 1, 2])
    promise.future.onDone { _ in log.append(3) }
    #expect(log.all == [0, 1, 2, 3])
  }

  @Test func aCallbackHoldsNoLock() throws {
    // It may do to its own future whatever others may do, and wait for another thread that does so.
    let promise = Promise<Int>()
    promise.future.onDone { future in
      race(threads: 1) { _ in
        future.onDone { _ in }
        _ = future.cancel()
      }
      _ = try? future.result()
    }
    promise.fulfil(1)
    #expect(try promise.future.result() == 1)
  }

  @Test func callbacksAddedByManyThreadsWhileTheFutureEndsRunExactlyOnce() {
    for _ in 0..<200 {
      let promise = Promise<Int>()
      let log = Log<Int>()
      race(threads: 4) { index in
        if index == 0 {
          promise.fulfil(1)
        } else {
          for number in 0..<10 { promise.future.onDone { _ in log.append(index * 10 + number) } }
        }
      }
      #expect(log.all.sorted() == Array(10..<40))
      for index in 1..<4 {
        let own = log.all.filter { $0 / 10 == index }
        #expect(own == own.sorted())
      }
    }
  }

  @Test func callbacksAndWhatTheyCapturedAreReleased() {
    let count = Live.Count()
    let promise = Promise<Int>()
    do {
      let live = Live(count)
      promise.future.onDone { _ in _ = live.count }
    }
    #expect(count.value == 1)
    promise.fulfil(1)
    #expect(count.value == 0)
  }
}
