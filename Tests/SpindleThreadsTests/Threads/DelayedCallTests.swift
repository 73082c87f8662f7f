import Spindle
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog(seconds: 60)) struct DelayedCallTests {
  @Test func `it calls once, not before its time`() {
    let calls = Living()
    let clock = ContinuousClock()
    let call = DelayedCall(after: .milliseconds(5)) { calls.count.wrappingAdd(1, ordering: .relaxed) }
    let began = clock.now
    call.start()
    call.join()
    #expect(clock.now - began >= .milliseconds(5))
    #expect(calls.now == 1)
    #expect(!call.isAlive)
  }

  @Test(arguments: [Duration.zero, .seconds(-1)]) func `without a delay it calls at once`(delay: Duration) {
    let calls = Living()
    let call = DelayedCall(after: delay) { calls.count.wrappingAdd(1, ordering: .relaxed) }
    call.start()
    call.join()
    #expect(calls.now == 1)
  }

  @Test func `cancelled in time it calls nothing and its thread ends at once`() {
    let calls = Living()
    let call = DelayedCall(after: .seconds(3600)) { calls.count.wrappingAdd(1, ordering: .relaxed) }
    call.start()
    #expect(call.isAlive)
    #expect(!call.join(timeout: .milliseconds(1)))
    call.cancel()
    call.cancel()
    call.join()
    #expect(call.join(timeout: .zero))
    #expect(calls.now == 0)
    #expect(!call.isAlive)
  }

  @Test(arguments: [Duration.zero, .seconds(3600)]) func `cancelled before the start it calls nothing`(delay: Duration)
  {
    let calls = Living()
    let call = DelayedCall(after: delay) { calls.count.wrappingAdd(1, ordering: .relaxed) }
    call.cancel()
    call.start()
    call.join()
    #expect(calls.now == 0)
  }

  @Test func `cancelling after the call has begun changes nothing`() {
    let (entered, gate, calls) = (Gate(), Gate(), Living())
    let call = DelayedCall(after: .zero) {
      entered.open()
      gate.wait()
      calls.count.wrappingAdd(1, ordering: .relaxed)
    }
    call.start()
    entered.wait()
    call.cancel()
    gate.open()
    call.join()
    #expect(calls.now == 1)
  }

  @Test func `never started it calls nothing and lets go of its captures`() {
    let living = Living()
    do {
      let counted = Counted(living)
      let call = DelayedCall(after: .zero) { _ = counted }
      call.cancel()
      #expect(!call.isAlive)
    }
    #expect(living.now == 0)
  }

  @Test func `it is no daemon unless asked for`() {
    #expect(!DelayedCall(after: .zero) {}.isDaemon)
    #expect(DelayedCall(after: .zero, isDaemon: true) {}.isDaemon)
    #expect(DelayedCall(after: .zero, name: "alarm") {}.name == "alarm")
  }

  @Test func `a task can join, and its cancellation cancels nothing else`() async throws {
    let calls = Living()
    let call = DelayedCall(after: .seconds(3600)) { calls.count.wrappingAdd(1, ordering: .relaxed) }
    call.start()
    #expect(try await !call.join(timeout: .milliseconds(1)))
    let task = Task { try await call.join() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(call.isAlive)
    call.cancel()
    try await call.join()
    #expect(calls.now == 0)
  }

  @Test func `starting twice is a mistake`() async {
    let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let call = DelayedCall(after: .zero) {}
      call.start()
      call.start()
    }
    #expect(said(end).contains("is started twice"))
  }
}
