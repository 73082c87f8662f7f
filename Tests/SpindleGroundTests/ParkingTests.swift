import CSpindle
import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

/// A counter of permits on one spot: the smallest primitive that waits.
final class Permits: Sendable {
  let spot = ParkingSpot()
  let count = Atomic<Int>(0)

  func take() -> Bool {
    var now = count.load(ordering: .sequentiallyConsistent)
    while now > 0 {
      let (done, seen) = count.compareExchange(expected: now, desired: now - 1, ordering: .sequentiallyConsistent)
      if done { return true }
      now = seen
    }
    return false
  }
  func give(_ n: Int = 1) {
    count.wrappingAdd(n, ordering: .sequentiallyConsistent)
    spot.wake(n)
  }
  func wait(_ timeout: Duration? = nil) -> Bool {
    spot.wait("a permit", until: Deadline(after: timeout)) { take() }
  }
  func wait(_ timeout: Duration? = nil) async throws -> Bool {
    try await spot.wait("a permit", owner: self, until: Deadline(after: timeout)) { take() }
  }
}

@Suite(.watchdog()) struct ParkingTests {
  @Test func aThreadAndATaskSleepOnTheSameSpot() async throws {
    let permits = Permits()
    let done = Permits()
    for _ in 0..<4 {
      _ = unsafe spindle_start_detached("sleeper", { raw in
        let (permits, done) = unsafe Unmanaged<Pair>.fromOpaque(raw!).takeRetainedValue().pair
        _ = permits.wait(nil) as Bool
        done.give()
      }, Unmanaged.passRetained(Pair(permits, done)).toOpaque())
    }
    let tasks = (0..<4).map { _ in Task { _ = try await permits.wait(nil); done.give() } }
    permits.give(3)
    permits.give(5)
    for _ in 0..<8 { #expect(try await done.wait(.seconds(20))) }
    for task in tasks { try await task.value }
    #expect(permits.count.load(ordering: .relaxed) == 0)
  }

  @Test func aTimedWaitOfATaskEndsAtItsDeadline() async throws {
    #expect(try await Permits().wait(.milliseconds(5)) == false)
  }

  @Test func aTimedWaitOfAThreadEndsAtItsDeadline() {
    #expect(Permits().wait(.milliseconds(5)) == false)
  }

  @Test func theLongestTimeOutsAreForEverAndTheShortestAreNoTime() {
    let longest = Duration.seconds(Int64.max)
    for timeout in [longest, longest + longest, .seconds(1 << 33)] { #expect(Deadline(after: timeout).isNever) }
    for timeout in [Duration.zero, .zero - longest - longest, .nanoseconds(-1)] {
      #expect(Deadline(after: timeout) == .immediate)
    }
    // Less than the clock can tell is a nanosecond, not nothing.
    let least = Deadline(after: Duration(secondsComponent: 0, attosecondsComponent: 1))
    #expect(least != .immediate && !least.isNever)
  }

  @Test func aCancelledTaskStopsWaitingAndLeavesThePermit() async throws {
    let permits = Permits()
    let task = Task { try await permits.wait(nil) }
    while !permits.spot.hasWaiters { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    permits.give()
    #expect(permits.take())
  }

  @Test func aWakeUpDisturbsNobodyWhoSleepsOnAnotherWord() {
    // So many that some share whatever a table of sleepers has.
    let others = (0..<512).map { _ in Word() }
    let (word, thread, returns) = (Word(), Word(), Word())
    race(threads: 2) { number in
      if number == 0 {
        thread.value.store(UInt32(spindle_thread_id()), ordering: .releasing)
        while word.value.load(ordering: .acquiring) == 0 {
          _ = sleep(on: word.value, while: 0, until: .never)
          returns.value.wrappingAdd(1, ordering: .relaxed)
        }
      } else {
        _ = sleepsWhenCalm { [thread.currentSleep] }
        for other in others { wake(other.value, count: .max) }
        word.value.store(1, ordering: .releasing)
        wake(word.value)
      }
    }
    #expect(returns.value.load(ordering: .relaxed) == 1)
  }

  @Test func aWakeUpReachesAsManyAsItSays() {
    let word = Word()
    let threads = (0..<3).map { _ in Word() }
    race(threads: 4) { number in
      if number < 3 {
        threads[number].value.store(UInt32(spindle_thread_id()), ordering: .releasing)
        _ = sleep(on: word.value, while: 0, until: .never)
        threads[number].value.store(0, ordering: .releasing)
      } else {
        _ = sleepsWhenCalm { threads.map(\.currentSleep) }
        wake(word.value, count: 2)
        while threads.count(where: { $0.value.load(ordering: .acquiring) == 0 }) < 2 { spindle_yield() }
        // The third sleeps on.
        #expect(sleepsWhenCalm { threads.map(\.currentSleep).filter { $0 != nil } }.count == 1)
        wake(word.value, count: 1)
      }
    }
  }
}

/// A word to sleep on, or the number of a thread.
private final class Word: Sendable {
  let value = Atomic<UInt32>(0)

  var currentSleep: Int? { SpindleTestSupport.currentSleep(ofThread: Int32(value.load(ordering: .acquiring))) }
}

final class Pair: Sendable {
  let pair: (Permits, Permits)
  init(_ a: Permits, _ b: Permits) { pair = (a, b) }
}
