import CSpindle
import Testing

/// What yields tell a thread; `SpinPolicy` says what for. Times in nanoseconds.
@Suite struct YieldTests {
  let slice: Int64 = 4_000_000

  /// Notes the yields one after the other; returns for how long none should be tried after the last.
  private func note(_ yields: inout spindle_yields, _ took: Int64...) -> Int64 {
    var dear: Int64 = 0
    for took in took { _ = unsafe spindle_note_yield(&yields, took, &dear) }
    return dear
  }

  @Test func aYieldThatTookATimeSliceSaysSo() {
    var yields = spindle_yields()
    var dear: Int64 = 0
    #expect(unsafe spindle_note_yield(&yields, slice, &dear))
    #expect(unsafe !spindle_note_yield(&yields, 900_000, &dear))
  }

  @Test func oneSliceIsACoincidence() {
    var yields = spindle_yields()
    #expect(note(&yields, slice) == 0)
  }

  @Test func aSecondSliceSoonAfterMakesYieldsDearForTwiceAsLong() {
    var yields = spindle_yields()
    #expect(note(&yields, slice, 200, 200, slice) == 2 * slice)
  }

  @Test func eachFurtherSliceDoublesThatUpToALimit() {
    var yields = spindle_yields()
    _ = note(&yields, slice)
    #expect((0..<7).map { _ in note(&yields, slice) / slice } == [2, 4, 8, 16, 32, 64, 64])
  }

  @Test func quickYieldsMakeItForget() {
    var yields = spindle_yields()
    _ = note(&yields, slice, slice, slice)
    for _ in 0..<64 { #expect(note(&yields, 200) == 0) }
    #expect(note(&yields, slice) == 0)
    #expect(note(&yields, slice) == 2 * slice)
  }

  @Test func aYieldThatGaveWaySaysForAWhileThatThreadsCrowd() {
    var yields = spindle_yields()
    _ = note(&yields, 1500)
    for _ in 0..<8 {
      #expect(yields.crowded > 0)
      _ = note(&yields, 200)
    }
    #expect(yields.crowded == 0)
  }
}
