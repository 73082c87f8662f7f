import CSpindle
import Testing

/// What yields tell a thread; `SpinPolicy` says what for.
@Suite struct YieldTests {
  /// A thread that does nothing but yield, while its process has this part of all processors' time. In milliseconds.
  struct Yielder {
    var yields = spindle_yields()
    var now = 0.0
    var used = 0.0
    let share: Double

    init(share: Double) { self.share = share }

    /// For how long it is better not to yield after a yield that took so long.
    mutating func yield(_ took: Double) -> Double {
      now += took
      used += took * share
      func nanoseconds(_ time: Double) -> Int64 { Int64((time * 1e6).rounded()) }
      return Double(unsafe spindle_note_yield(&yields, nanoseconds(took), nanoseconds(now), nanoseconds(used))) / 1e6
    }

    mutating func yield(_ took: Double, times: Int) -> [Double] { (0..<times).map { _ in yield(took) } }
  }

  @Test func slicesThatOthersUseMakeYieldsDearOnceTheyHaveBeenLookedAtLongEnough() {
    var yielder = Yielder(share: 0.5)
    #expect(yielder.yield(4, times: 6) == [0, 0, 0, 0, 0, 8])
  }

  @Test func yieldsStayDearTwiceAsLongEachTimeUpToALimit() {
    var yielder = Yielder(share: 0.5)
    _ = yielder.yield(20)
    #expect(yielder.yield(20, times: 7) == [2, 4, 8, 16, 32, 64, 64].map { $0 * 20 })
  }

  @Test func slicesThatTheProcessUsesItselfDoNot() {
    var yielder = Yielder(share: 1)
    #expect(yielder.yield(4, times: 1000).allSatisfy { $0 == 0 })
  }

  @Test func shortYieldsDoNotHoweverManyThereAre() {
    var yielder = Yielder(share: 0)
    #expect(yielder.yield(0.9, times: 1000).allSatisfy { $0 == 0 })
  }

  @Test func quickYieldsInBetweenMakeItForget() {
    var yielder = Yielder(share: 0)
    _ = yielder.yield(20, times: 3)
    _ = yielder.yield(0.0002, times: 64)
    #expect(yielder.yield(20, times: 2) == [0, 40])
  }

  @Test func aYieldThatGaveWaySaysForAWhileThatThreadsCrowd() {
    var yielder = Yielder(share: 1)
    _ = yielder.yield(0.0015)
    for _ in 0..<8 {
      #expect(yielder.yields.crowded > 0)
      _ = yielder.yield(0.0002)
    }
    #expect(yielder.yields.crowded == 0)
  }
}
