import SpindleTestSupport
import Testing

/// `ReadWriteLock`: two spots, and each side looks at the other's.
///
///     reader                                          writer
///     R1 attempt: writers wait and no reader is       X1 attempt: readers reserved, or state != 0: wait on
///        reserved, or a writer holds: wait on            `writers`
///        `readers`                                    X2 writes
///     R2 reads                                        X3 state = 0
///     R3 state -= 1; was 1: wake a writer             X4 wake all readers, X5 wake a writer
///     R4 gave up: wake a writer                       X6 gave up: wake all readers
@Suite(.watchdog(seconds: 300)) struct ReadWriteModelTests {
  @Test(arguments: Scene.allCases) func nobodyIsLeftBehindAndWritersAreAlone(_ scene: Scene) {
    let result = model(scene, flaw: nil).explore()
    #expect(result.failure == nil, "\(result)")
  }

  @Test(arguments: Flaw.allCases) func everyFlawIsCaught(_ flaw: Flaw) {
    #expect(model(flaw.scene, flaw: flaw).explore().failure != nil, "\(flaw) is not caught")
  }

  /// Who takes part, and whose time may run out.
  enum Scene: CaseIterable {
    case readersAndTimedWriter, readerAndWriters, timedReaderAndWriters

    var readersAreTimed: [Bool] {
      switch self {
      case .readersAndTimedWriter: [false, true]
      case .readerAndWriters: [false]
      case .timedReaderAndWriters: [true]
      }
    }

    var writersAreTimed: [Bool] {
      switch self {
      case .readersAndTimedWriter: [true]
      case .readerAndWriters: [true, false]
      case .timedReaderAndWriters: [false, false, false]
      }
    }
  }

  enum Flaw: CaseIterable {
    /// Readers take the guard of the writers' spot, which anyone may hold for a moment, for a waiting writer.
    case guardCountsAsWriter
    /// A writer that gives up does not wake the readers that lined up behind it.
    case writerGivesUpSilently
    /// A reader that gives up does not wake a writer that its reservation held back.
    case readerGivesUpSilently
    /// The last reader wakes nobody.
    case readerLeavesSilently

    var scene: Scene { self == .readerGivesUpSilently ? .timedReaderAndWriters : .readerAndWriters }
  }

  struct State: Hashable {
    var readers = Spot()
    var writers = Spot()
    /// How many read, or 255 for a writer.
    var state: UInt8 = 0
  }

  private func model(_ scene: Scene, flaw: Flaw?) -> Model<State> {
    var model = Model("read-write lock, \(scene)", initial: State())
    let reading = SpotSteps<State>(spot: \.readers, prefix: "r", isFine: scene == .timedReaderAndWriters, patience: 1)
    let writing = SpotSteps<State>(spot: \.writers, prefix: "w", isFine: scene != .timedReaderAndWriters, patience: 1)
    func writersWait(_ state: State) -> Bool {
      flaw == .guardCountsAsWriter
        ? state.writers.hasWaiters : !state.writers.list.isEmpty || state.writers.isReserved
    }
    let (readers, writers) = (scene.readersAreTimed, scene.writersAreTimed)
    model.threads("reader", count: readers.count) { program, me in
      reading.wait(&program, me, isTimed: readers[me], success: "R2", failure: "R4") { state in
        guard state.readers.isReserved || !writersWait(state), state.state < 255 else { return false }
        state.state += 1
        return true
      }
      program.action("R2 read") { _ in }
      program.step("R3 state -= 1") { state in
        state.state -= 1
        return state.state == 0 && flaw != .readerLeavesSilently ? .go("wW2") : .finish
      }
      program.step("R4 gave up") { _ in flaw == .readerGivesUpSilently ? .finish : .next }
      writing.wake(&program, me, "W", count: 1, next: "R5")
      program.step("R5 end") { _ in .finish }
    }
    model.threads("writer", count: writers.count) { program, me in
      writing.wait(&program, me, isTimed: writers[me - readers.count], success: "X2", failure: "X6") { state in
        guard !state.readers.isReserved, state.state == 0 else { return false }
        state.state = 255
        return true
      }
      program.action("X2 write") { _ in }
      program.action("X3 state = 0") { $0.state = 0 }
      reading.wake(&program, me, "X4", count: 8, next: "wW2")
      writing.wake(&program, me, "W", count: 1, next: "X7")
      program.step("X6 gave up") { _ in flaw == .writerGivesUpSilently ? .finish : .next }
      reading.wake(&program, me, "X6b", count: 8, next: "X7")
      program.step("X7 end") { _ in .finish }
    }
    model.finally("free, and nobody waits") { $0.state == 0 && $0.readers.isQuiet && $0.writers.isQuiet }
    return model
  }
}
