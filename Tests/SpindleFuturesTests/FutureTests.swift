import Spindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog()) struct FutureTests {
  @Test func aPendingFutureIsNeitherRunningNorDoneNorCancelled() {
    let future = Promise<Int>().future
    _ = future
    let promise = Promise<Int>()
    #expect(!promise.future.isRunning)
    #expect(!promise.future.isDone)
    #expect(!promise.future.isCancelled)
  }

  @Test func aBegunPromiseIsRunningAndCannotBeCancelled() {
    let promise = Promise<Int>()
    #expect(promise.begin())
    #expect(promise.future.isRunning)
    #expect(!promise.future.cancel())
    #expect(!promise.future.isCancelled)
    #expect(promise.fulfil(1))
    #expect(promise.future.isDone)
    #expect(!promise.future.isRunning)
  }

  @Test func cancelOnARunningFutureAsksItsWorkToStop() {
    let promise = Promise<Int>()
    _ = promise.begin()
    #expect(!promise.future.cancellation.isRequested)
    #expect(!promise.future.cancel())
    #expect(promise.future.cancellation.isRequested)
    promise.fulfil(1)
  }

  @Test func cancelOnAnEndedFutureChangesNothing() throws {
    let promise = Promise<Int>()
    promise.fulfil(5)
    #expect(!promise.future.cancel())
    #expect(try promise.future.result() == 5)
  }

  @Test func aCancelledFutureStaysCancelledAndSaysSo() {
    let promise = Promise<Int>()
    #expect(promise.future.cancel())
    #expect(promise.future.cancel())
    #expect(promise.future.isCancelled)
    #expect(promise.future.isDone)
    #expect(!promise.begin())
    #expect(!promise.fulfil(1))
    #expect(throws: CancellationError.self) { try promise.future.result() }
    #expect(throws: CancellationError.self) { try promise.future.error() }
    #expect(throws: CancellationError.self) { try promise.future.result(timeout: .zero) }
  }

  @Test func resultReturnsTheValueAndErrorIsNil() throws {
    let promise = Promise<String>()
    promise.fulfil("done")
    #expect(try promise.future.result() == "done")
    #expect(try promise.future.result(timeout: .zero) == "done")
    #expect(try promise.future.error() == nil)
  }

  @Test func resultThrowsTheErrorAndErrorReturnsIt() throws {
    let promise = Promise<String>()
    promise.fail(Oops(number: 7))
    #expect(throws: Oops(number: 7)) { try promise.future.result() }
    #expect(try promise.future.error() as? Oops == Oops(number: 7))
    #expect(try promise.future.error(timeout: .zero) as? Oops == Oops(number: 7))
  }

  @Test func aWaitThatRunsOutOfTimeThrowsAndTheFutureGoesOn() throws {
    let promise = Promise<Int>()
    #expect(throws: TimeoutError.self) { try promise.future.result(timeout: .zero) }
    #expect(throws: TimeoutError.self) { try promise.future.result(timeout: .seconds(-1)) }
    #expect(throws: TimeoutError.self) { try promise.future.result(timeout: .milliseconds(2)) }
    #expect(throws: TimeoutError.self) { try promise.future.error(timeout: .milliseconds(2)) }
    promise.fulfil(3)
    #expect(try promise.future.result() == 3)
  }

  @Test func aWaitThatRunsOutOfTimeThrowsInATaskToo() async throws {
    let promise = Promise<Int>()
    await #expect(throws: TimeoutError.self) { try await promise.future.result(timeout: .zero) }
    await #expect(throws: TimeoutError.self) { try await promise.future.result(timeout: .milliseconds(2)) }
    await #expect(throws: TimeoutError.self) { try await promise.future.error(timeout: .milliseconds(2)) }
    promise.fulfil(3)
    #expect(try await promise.future.result() == 3)
    #expect(try await promise.future.error() == nil)
  }

  @Test func threadsAndTasksWaitForTheSameFuture() async throws {
    let promise = Promise<Int>()
    async let first = onThread { try promise.future.result() }
    async let second = onThread { try promise.future.result(timeout: .seconds(50)) }
    async let third = promise.future.result()
    async let fourth = promise.future.result(timeout: .seconds(50))
    while !promise.future.isAwaited { await Task.yield() }
    promise.fulfil(11)
    #expect(try await [first, second, third, fourth] == [11, 11, 11, 11])
  }

  @Test func cancellingTheWaitingTaskEndsItsWaitAndNotTheFuture() async throws {
    let promise = Promise<Int>()
    let task = Task { try await promise.future.result() }
    while !promise.future.isAwaited { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!promise.future.isDone)
    promise.fulfil(1)
    #expect(try await promise.future.result() == 1)
  }

  @Test func cancellingTheFutureWakesWhoeverWaits() async throws {
    let promise = Promise<Int>()
    let thread = Task { try await onThread { try promise.future.result() } }
    let task = Task { try await promise.future.result() }
    while !promise.future.isAwaited { await Task.yield() }
    promise.future.cancel()
    await #expect(throws: CancellationError.self) { try await thread.value }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func aPromiseThatIsReleasedFailsItsFuture() {
    var promise: Promise<Int>? = Promise()
    let future = promise!.future
    promise = nil
    #expect(throws: AbandonedError.self) { try future.result() }
    var begun: Promise<Int>? = Promise()
    let second = begun!.future
    _ = begun!.begin()
    begun = nil
    #expect(throws: AbandonedError.self) { try second.result() }
  }

  @Test func fulfillingTwiceIsAMistake() async {
    await #expect(processExitsWith: .failure) {
      let promise = Promise<Int>()
      promise.fulfil(1)
      promise.fulfil(2)
    }
  }

  /// An optimiser that does not see the object leave the function would make it on the stack.
  @Test func whatAJobCapturesOutlivesTheFunctionThatSubmitsIt() throws {
    final class Number: Sendable {
      let value: Int
      init(_ value: Int) { self.value = value }
    }
    let gate = Event()
    try withThreadPool(maxWorkers: 2) { pool in
      let futures = (0..<1000).map { index in
        let number = Number(index)
        return pool.submit {
          gate.wait()
          return number.value
        }
      }
      gate.set()
      let sum = try futures.reduce(0) { try $0 + $1.result() }
      #expect(sum == 499_500)
    }
  }

  @Test func aResultOutlivesAFutureThatNobodyKeeps() throws {
    // So large that its memory is gone at once when it is freed too early.
    func made(_ count: Int) -> Future<[UInt8]> {
      let promise = Promise<[UInt8]>()
      promise.fulfil([UInt8](repeating: 7, count: count))
      return promise.future
    }
    for count in 40_000_000..<40_000_010 {
      #expect(try made(count).result().count == count)
      #expect(try made(count).result().last == 7)
    }
  }

  /// In one, two, three and four words, some of them counted references: beside the future's own and in memory of their own.
  @Test func valuesOfEverySizeComeBackAndAreReleased() throws {
    final class Counted: Sendable {
      let releases: Latch
      init(_ releases: Latch) { self.releases = releases }
      deinit { releases.countDown() }
    }
    let releases = Latch(5)
    do {
      let pool = ThreadPool(maxWorkers: 1)
      defer { pool.shutdown() }
      #expect(try pool.submit { Counted(releases) }.result().releases === releases)
      #expect(try pool.submit { (1, Counted(releases)) }.result().0 == 1)
      #expect(try pool.submit { (1, Counted(releases), 3) }.result().2 == 3)
      #expect(try pool.submit { (1, Counted(releases), "four words") }.result().2 == "four words")
      // Nobody asks for this one.
      pool.submit { (1, 2, 3, 4, Counted(releases)) }
    }
    #expect(releases.wait(timeout: .seconds(60)))
  }

  /// 64 with what `malloc` adds. It may give one more than was asked for, where what is left would be of no use.
  @Test func aFutureTakesNoMoreThan56Bytes() {
    let futures = (0..<1000).map { _ in Promise<Int>().future }
    #expect(futures.map { memory(of: $0) }.min()! <= 56)
  }
}
