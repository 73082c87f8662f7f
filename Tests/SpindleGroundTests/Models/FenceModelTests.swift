import SpindleTestSupport
import Testing

/// Which fences parking needs on x86: both sides write one word and then read the other's (Dekker's pattern).
///
///     sleeper                                   waker
///     S2 write the word: registered             W1 write the state: changed
///     S3 fence                                  W1b fence
///     S4 read the state                         W2 read the word
///     S5 sleep                                  W3, W4 take the waiter, wake it
///
/// A wake-up is lost if S4 reads the old state and W2 the old word. That needs one side's write to wait in its store
/// buffer during its read; an exchange (read-modify-write) or a fence on both sides forbids it, on one side does not.
/// `ParkingSpot` has an exchange on both sides (S2 takes the guard with one; callers change their state with one),
/// and S3 for processors on which an exchange does not hold back later reads.
@Suite(.watchdog(seconds: 60)) struct FenceModelTests {
  @Test(arguments: [Write.exchange, .store, .storeAndFence], [Write.exchange, .store, .storeAndFence])
  func noWakeUpIsLostExactlyIfBothSidesAreFenced(_ registration: Write, _ change: Write) {
    let result = model(registration, change).explore()
    if registration != .store, change != .store {
      #expect(result.failure == nil, "\(result)")
    } else {
      #expect(result.failure?.kind == .stuck)
    }
  }

  enum Write { case exchange, store, storeAndFence }

  private enum Word: Int { case state, word }

  private struct State: Hashable {
    var memory = TSOMemory<Word>()
    var isWoken = false
  }

  private static let guarded: UInt8 = 1
  private static let listed: UInt8 = 2

  private func model(_ registration: Write, _ change: Write) -> Model<State> {
    var model = Model("parking on x86, \(registration) and \(change)", initial: State())
    model.thread("sleeper") { program, me in
      if registration == .exchange {
        program.step("S2a take the guard by exchange") { state in
          guard state.memory[.word] == 0 else { return .blocked }
          return state.memory.update(.word, by: me) { _ in Self.guarded } == nil ? .blocked : .next
        }
      }
      program.action("S2b store: listed, guard released") { $0.memory.store(.word, Self.listed, by: me) }
      program.step("S3 fence") { registration != .storeAndFence || $0.memory.isDrained(me) ? .next : .blocked }
      program.step("S4 read the state") { $0.memory.load(.state, by: me) == 1 ? .finish : .next }
      program.step("S5 asleep") { $0.isWoken ? .finish : .blocked }
    }
    model.thread("waker") { program, me in
      program.step("W1 change the state") { state in
        if change == .exchange {
          return state.memory.update(.state, by: me) { _ in 1 } == nil ? .blocked : .next
        }
        state.memory.store(.state, 1, by: me)
        return .next
      }
      program.step("W1b fence") { change != .storeAndFence || $0.memory.isDrained(me) ? .next : .blocked }
      program.step("W2 read the word") { $0.memory.load(.word, by: me) == 0 ? .finish : .next }
      program.step("W3 take the guard, take the waiter, release") { state in
        guard state.memory[.word] & Self.guarded == 0 else { return .blocked }
        return state.memory.update(.word, by: me) { _ in 0 } == nil ? .blocked : .next
      }
      program.action("W4 wake") { $0.isWoken = true }
    }
    model.storeBuffers(of: 2) { state, thread in state.memory.flushOldest(of: thread) }
    return model
  }
}
