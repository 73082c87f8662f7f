import SpindleGround
import SpindleTestSupport
import Synchronization
import Testing

/// The test support itself: watchdog, race, random numbers, ledgers.
@Suite(.watchdog(seconds: 60)) struct SupportTests {
  @Test func aHangBecomesAFailureThatNamesTheTestAndTheThreads() async throws {
    let result = try await #require(
      processExitsWith: .exitCode(70), observing: [\.standardErrorContent]
    ) {
      withWatchdog(seconds: 0.2, "a test that hangs") {
        race(threads: 2) { _ in hang() }
      }
    }
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("Watchdog: \"a test that hangs\" is not done after "))
    #expect(text.contains("\"racer 0\"") && text.contains("\"racer 1\""))
    #expect(text.contains("hang"), "the stacks name the program's own functions")
  }

  @Test func theFailureSaysWhatEachThreadAndTaskWaitsFor() async throws {
    let result = try await #require(
      processExitsWith: .exitCode(70), observing: [\.standardErrorContent]
    ) {
      WaitReport.turnOn()
      let place = Place()
      let task = Task { try await place.spot.wait("rain", owner: place) { false } }
      let racer = Task.detached { race(threads: 1) { _ in _ = place.spot.wait("a permit") { false } } }
      while place.spot.waiterCount < 2 { await Task.yield() }
      try await withWatchdog(seconds: 0.2) {
        _ = try await task.value
        await racer.value
      }
    }
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("waits for rain since") && text.contains("waits for a permit since"))
  }

  @Test func anAsynchronousHangBecomesAFailureToo() async {
    await #expect(processExitsWith: .exitCode(70)) {
      await withWatchdog(seconds: 0.2) { await hangSuspended() }
    }
  }

  @Test func aBodyThatIsDoneInTimeReturnsItsResultOrError() async throws {
    #expect(withWatchdog { 7 } == 7)
    #expect(await withWatchdog { await later(8) } == 8)
    #expect(throws: Oops.self) { try withWatchdog { throw Oops(number: 1) } }
  }

  @Test func aRaceRunsEveryThreadOnceAndAtTheSameTime() {
    let arrived = Atomic<Int>(0)
    let results = race(threads: 6) { index in
      arrived.wrappingAdd(1, ordering: .relaxed)
      while arrived.load(ordering: .relaxed) < 6 {}
      return index * index
    }
    #expect(results == [0, 1, 4, 9, 16, 25])
    #expect(race(threads: 0) { $0 } == [])
  }

  @Test func aRaceThrowsTheFirstErrorAfterAllHaveBeenJoined() {
    let ended = Atomic<Int>(0)
    let error = #expect(throws: Oops.self) {
      try race(threads: 4) { index throws(Oops) in
        ended.wrappingAdd(1, ordering: .relaxed)
        if index > 1 { throw Oops(number: index) }
      }
    }
    #expect(error?.number == 2 && ended.load(ordering: .relaxed) == 4)
  }

  @Test func theSameSeedGivesTheSameNumbers() {
    var random = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in random.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }

  @Test func theElementLedgerSeesLossDoublesDisorderAndStrangers() {
    let good = ElementLedger(producers: 2, each: 2)
    var reader = good.reader()
    for (producer, number) in [(1, 0), (0, 0), (1, 1), (0, 1)] { reader.took(good.element(producer, number)) }
    #expect(good.complaints == [])

    let bad = ElementLedger(producers: 2, each: 3)
    reader = bad.reader()
    for (producer, number) in [(0, 0), (0, 2), (0, 1), (1, 0), (1, 0)] { reader.took(bad.element(producer, number)) }
    reader.took(-1)
    #expect(
      bad.complaints == [
        "2 elements lost, such as [4, 5]", "1 elements taken twice, such as [3]",
        "2 elements overtook an earlier one of the same producer", "1 elements that nobody put",
      ])
  }

  @Test func thePermitLedgerSeesOneHolderTooManyAndOneWhoStays() {
    let ledger = PermitLedger(permits: 1)
    ledger.hold { ledger.hold {} }
    ledger.enter()
    #expect(ledger.complaints == ["2 were inside at once with 1 permits", "1 are still inside"])
    #expect(ledger.entries == 3)
  }
}

private struct Oops: Error, Equatable { let number: Int }

private final class Place: Sendable { let spot = ParkingSpot() }

private func later(_ value: Int) async -> Int { value }

@inline(never) private func hang() {
  let never = Atomic<Bool>(false)
  while !never.load(ordering: .relaxed) {}
}

private func hangSuspended() async {
  while true { try? await Task.sleep(for: .seconds(1000)) }
}
