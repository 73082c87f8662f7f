import Spindle
import SpindleTestSupport
import Testing

@Suite("Event", .watchdog()) struct EventTests {
  @Test("is not set when made, set after set, not set after clear") func states() {
    let event = Event()
    #expect(!event.isSet)
    event.set()
    event.set()
    #expect(event.isSet)
    event.wait()
    #expect(event.wait(timeout: .zero))
    event.clear()
    #expect(!event.isSet)
    #expect(!event.wait(timeout: .zero))
    #expect(!event.wait(timeout: .milliseconds(2)))
  }

  @Test("set lets everyone go who waits, threads and tasks alike") func wakesAll() async throws {
    let event = Event()
    let thread = OSThread.spawn { race(threads: 4) { _ in event.wait(timeout: .seconds(30)) } }
    let tasks = (0..<4).map { _ in Task { try await event.wait(timeout: .seconds(30)) } }
    event.set()
    #expect(try await thread.join() == [true, true, true, true])
    for task in tasks { #expect(try await task.value) }
  }

  @Test("lets those go who waited, also when it is cleared at once") func setAndClear() {
    let event = Event()
    let ready = Semaphore(0)
    for _ in 0..<200 {
      let thread = OSThread.spawn {
        ready.release()
        return event.wait(timeout: .milliseconds(50))
      }
      ready.acquire()
      OSThread.yield()
      event.set()
      event.clear()
      // Either the thread came before set() and is let go, or it came after clear() and its time runs out.
      _ = thread.join()
    }
    let waiter = OSThread.spawn { event.wait() }
    while waiter.isAlive {
      event.set()
      event.clear()
    }
    waiter.join()
  }

  @Test("a late wake-up of an earlier set lets nobody go who came after clear") func pingPong() {
    let events = [Event(), Event()]
    let turn = Unguarded(0)
    let wrong = race(threads: 2) { me in
      var wrong = 0
      for _ in 0..<4000 {
        if me == 0 {
          turn.value = 1
          events[1].set()
          events[0].wait()
          events[0].clear()
          if turn.value != 0 { wrong += 1 }
        } else {
          events[1].wait()
          events[1].clear()
          if turn.value != 1 { wrong += 1 }
          turn.value = 0
          events[0].set()
        }
      }
      return wrong
    }
    #expect(wrong == [0, 0])
  }

  @Test("a cancelled task stops waiting") func cancellation() async {
    let event = Event()
    let task = Task { try await event.wait() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("a task that waits for a set event does not suspend, though cancelled") func setAndCancelled() async throws {
    let event = Event()
    event.set()
    let task = Task { try await event.wait() }
    task.cancel()
    try await task.value
  }
}

@Suite("Latch", .watchdog()) struct LatchTests {
  @Test("opens when it was counted down, for threads and tasks") func opens() async throws {
    let latch = Latch(3)
    let thread = OSThread.spawn { race(threads: 2) { _ in latch.wait(timeout: .seconds(30)) } }
    let task = Task { try await latch.wait() }
    for count in [2, 1, 0] {
      latch.countDown()
      #expect(latch.count == count)
    }
    #expect(try await thread.join() == [true, true])
    try await task.value
    #expect(latch.isOpen)
  }

  @Test("stays closed until then") func closed() async throws {
    let latch = Latch(2)
    latch.countDown()
    #expect(race(threads: 1) { _ in latch.wait(timeout: .milliseconds(2)) } == [false])
    #expect(try await !latch.wait(timeout: .milliseconds(2)))
  }

  @Test("stays open, and does not count below zero") func staysOpen() {
    let latch = Latch(1)
    latch.countDown(5)
    latch.countDown()
    #expect(latch.count == 0)
    race(threads: 1) { _ in latch.wait() }
  }

  @Test("a latch of zero is open") func zero() { #expect(Latch(0).isOpen) }
}
