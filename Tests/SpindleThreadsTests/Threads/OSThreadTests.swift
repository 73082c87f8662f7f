import Spindle
import SpindleTestSupport
import Synchronization
import Testing

struct ParseError: Error, Equatable { var line = 0 }

/// Not Sendable.
final class Notebook {
  var lines: [String] = []
}

/// Counts its instances.
final class Counted: Sendable {
  let living: Living
  init(_ living: Living) {
    self.living = living
    living.count.wrappingAdd(1, ordering: .relaxed)
  }
  deinit { living.count.wrappingSubtract(1, ordering: .releasing) }
}

final class Living: Sendable {
  let count = Atomic<Int>(0)
  var now: Int { count.load(ordering: .acquiring) }
}

/// Closed until it is opened.
final class Gate: Sendable {
  private let isOpen = Atomic<Bool>(false)
  func open() { isOpen.store(true, ordering: .releasing) }
  func wait() { while !isOpen.load(ordering: .acquiring) { OSThread.yield() } }
}

func parse(_ text: String) throws(ParseError) -> Int {
  if text.isEmpty { throw ParseError(line: 7) }
  return text.count
}

@Suite(.watchdog(seconds: 60)) struct OSThreadTests {
  @Test func `join returns what the closure returned, without try when it cannot throw`() {
    let thread = OSThread(name: "n") { 6 * 7 }
    thread.start()
    let value: Int = thread.join()
    #expect(value == 42)
    let _: OSThread<Int, Never> = thread
  }

  @Test func `join throws the closure's error with its type`() {
    let thread = OSThread { () throws(ParseError) in try parse("") }
    thread.start()
    let _: OSThread<Int, ParseError> = thread
    do throws(ParseError) {
      try thread.join()
      Issue.record("no error")
    } catch {
      #expect(error.line == 7)
    }
  }

  @Test func `a closure that throws anything makes an OSThread of any Error`() {
    let thread = OSThread.spawn { if try parse("ab") == 2 { throw CancellationError() } }
    let _: OSThread<Void, any Error> = thread
    #expect(throws: CancellationError.self) { try thread.join() }
  }

  @Test func `a closure of several statements needs no annotation`() {
    let thread = OSThread.spawn(name: "sum") {
      var sum = 0
      for number in 1...10 { sum += number }
      return sum
    }
    #expect(thread.join() == 55)
  }

  @Test func `joined twice it gives the same again`() {
    let thread = OSThread.spawn { "once" }
    #expect(thread.join() == "once")
    #expect(thread.join() == "once")
    let failing = OSThread.spawn { () throws(ParseError) in try parse("") }
    #expect(throws: ParseError(line: 7)) { try failing.join() }
    #expect(throws: ParseError(line: 7)) { try failing.join() }
  }

  @Test func `several threads and tasks join one thread and all get its value`() async throws {
    let gate = Gate()
    let thread = OSThread.spawn {
      gate.wait()
      return 5
    }
    let joiners = (0..<4).map { _ in OSThread.spawn { thread.join() } }
    let tasks = (0..<4).map { _ in Task { try await thread.join() } }
    gate.open()
    for joiner in joiners { #expect(try await joiner.join() == 5) }
    for task in tasks { #expect(try await task.value == 5) }
  }

  @Test func `a join whose time runs out returns nil and the thread goes on`() {
    let gate = Gate()
    let thread = OSThread.spawn {
      gate.wait()
      return 1
    }
    #expect(thread.join(timeout: .milliseconds(1)) == nil)
    #expect(thread.join(timeout: .zero) == nil)
    #expect(thread.join(timeout: .seconds(-1)) == nil)
    #expect(thread.isAlive)
    gate.open()
    #expect(thread.join(timeout: .seconds(50)) == 1)
    #expect(thread.join(timeout: .zero) == 1)
  }

  @Test func `a join whose time runs out leaves the thread to the others who join it`() {
    let gate = Gate()
    let thread = OSThread.spawn {
      gate.wait()
      return 2
    }
    let hasty = (0..<3).map { index in OSThread.spawn { thread.join(timeout: .milliseconds(1 + index)) } }
    let patient = (0..<3).map { _ in OSThread.spawn { thread.join() } }
    for joiner in hasty { #expect(joiner.join() == nil) }
    gate.open()
    for joiner in patient { #expect(joiner.join() == 2) }
  }

  @Test func `an async join whose time runs out returns nil`() async throws {
    let gate = Gate()
    let thread = OSThread.spawn { gate.wait() }
    #expect(try await thread.join(timeout: .milliseconds(1)) == nil)
    gate.open()
    #expect(try await thread.join(timeout: .seconds(50)) != nil)
  }

  @Test func `cancelling a task ends its join with CancellationError and leaves the thread alone`() async throws {
    let gate = Gate()
    let thread = OSThread.spawn {
      gate.wait()
      return 3
    }
    let task = Task { try await thread.join() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(thread.isAlive)
    gate.open()
    #expect(try await thread.join() == 3)
  }

  @Test func `threads started in a loop share what cannot be copied`() {
    let count = Atomic(0)
    let threads = (0..<4).map { _ in OSThread.spawn { _ = count.wrappingAdd(1, ordering: .relaxed) } }
    for _ in 0..<4 { OSThread.spawn { _ = count.wrappingAdd(1, ordering: .relaxed) }.join() }
    for thread in threads { thread.join() }
    #expect(count.load(ordering: .relaxed) == 8)
  }

  @Test func `what is not Sendable moves into a thread behind a guard`() {
    let notebook = Guarded(Notebook())
    let thread = OSThread { notebook.withLock { $0.lines.append("inside") } }
    thread.start()
    thread.join()
    #expect(notebook.withLock { $0.lines } == ["inside"])
  }

  @Test func `what the closure wrote is visible after join`() {
    let numbers = (0..<8).map { index in OSThread.spawn { (0..<1000).map { $0 * index } } }
    for (index, thread) in numbers.enumerated() { #expect(thread.join().last == 999 * index) }
  }

  @Test func `it is alive from start until its closure has ended`() {
    let gate = Gate()
    let thread = OSThread { gate.wait() }
    #expect(!thread.isAlive)
    thread.start()
    #expect(thread.isAlive)
    gate.open()
    thread.join()
    #expect(!thread.isAlive)
  }

  @Test func `a thread that is never started runs nothing and lets go of its captures`() {
    let living = Living()
    do {
      let counted = Counted(living)
      let thread = OSThread { _ = counted }
      #expect(thread.nativeID == nil)
      #expect(!thread.isAlive)
    }
    #expect(living.now == 0)
  }

  @Test func `captures are released when the closure ends, not when the handle goes`() {
    let living = Living()
    let thread: OSThread<Int, Never>
    do {
      let counted = Counted(living)
      thread = OSThread { counted.living.now }
    }
    #expect(living.now == 1)
    thread.start()
    #expect(thread.join() == 1)
    #expect(living.now == 0)
    #expect(!thread.isAlive)
  }

  @Test func `the result lives as long as the OSThread, whose memory goes with its last reference`() {
    let living = Living()
    weak var gone: OSThread<Counted, Never>?
    do {
      let thread = OSThread.spawn { Counted(living) }
      thread.join()
      gone = thread
      #expect(living.now == 1)
      extendLifetime(thread)
    }
    #expect(gone == nil)
    #expect(living.now == 0)
  }

  @Test func `five thousand threads leave nothing behind`() {
    let living = Living()
    for _ in 0..<50 {
      let threads = (0..<100).map { _ in OSThread.spawn { Counted(living) } }
      #expect(living.now <= 100)
      for thread in threads { thread.join() }
      // The kernel's threads are gone too, but for their last few steps in the kernel.
      let ids = Set(threads.map { $0.nativeID! })
      while !ids.isDisjoint(with: kernelThreads()) { OSThread.yield() }
    }
    #expect(living.now == 0)
  }

  @Test func `threads whose handle nobody keeps go by themselves`() {
    let living = Living()
    let ended = Living()
    for _ in 0..<100 {
      let counted = Counted(living)
      OSThread.spawn {
        _ = counted
        ended.count.wrappingAdd(1, ordering: .releasing)
      }
    }
    while ended.now < 100 || living.now > 0 { OSThread.yield() }
  }
}

// MARK: Names, ids, lists

@Suite(.watchdog(seconds: 60)) struct ThreadNameTests {
  @Test func `the kernel sees the name`() {
    let thread = OSThread.spawn(name: "reader") { ownKernelName() }
    #expect(thread.join() == "reader")
    #expect(thread.name == "reader")
  }

  @Test(arguments: [
    ("0123456789abcdefgh", "0123456789abcde"),
    ("0123456789abcdé", "0123456789abcd"),
    ("ünïcödé ñämé", "ünïcödé ñ"),
    ("🧵🧵🧵🧵", "🧵🧵🧵"),
    ("a\0b", "a"),
    ("", ""),
  ])
  func `the kernel's name is cut between characters and the property keeps all of it`(name: String, kernel: String) {
    let thread = OSThread.spawn(name: name) { (ownKernelName(), OSThread.current.name) }
    let (seen, full) = thread.join()
    #expect(seen == kernel)
    #expect(full == name)
    #expect(thread.name == name)
  }

  @Test func `threads without a name are numbered`() {
    let thread = OSThread {}
    let number = thread.name.hasPrefix("Thread-") ? Int(thread.name.dropFirst(7)) : nil
    #expect((number ?? 0) > 0)
    let next = OSThread {}
    #expect(next.name != thread.name)
    let named = OSThread(name: "mine") {}
    #expect(named.name == "mine")
  }

  @Test func `a new name of a running thread reaches the kernel`() {
    let gate = Gate()
    let thread = OSThread.spawn(name: "old") {
      gate.wait()
      return ownKernelName()
    }
    _ = thread.nativeID
    thread.name = "new"
    gate.open()
    #expect(thread.join() == "new")
    #expect(thread.name == "new")
  }

  @Test func `inside a thread current is that thread`() {
    let thread = OSThread(name: "me") { (OSThread.current, OSThread.current.nativeID, OSThread.isMain) }
    thread.start()
    let (current, id, isMain) = thread.join()
    #expect(current == thread.handle)
    #expect(current.name == "me")
    #expect(thread.nativeID == id)
    #expect(!isMain)
    #expect(!current.isMain)
    #expect(!current.isAlive)
  }

  @Test func `a thread that Spindle did not start has a handle, equal each time and dead when it has ended`() {
    let handles = race(threads: 2) { _ -> ThreadHandle in
      let handle = OSThread.current
      #expect(handle == OSThread.current)
      #expect(handle.isAlive)
      #expect(handle.nativeID == ownThreadID())
      #expect(handle.isDaemon)
      #expect(OSThread.all.contains(handle))
      return handle
    }
    #expect(handles[0] != handles[1])
    for handle in handles {
      #expect(handle.name.hasPrefix("Dummy-"))
      #expect(!handle.isAlive)
      #expect(!OSThread.all.contains(handle))
    }
  }

  @Test func `the main thread is always listed, first`() {
    let main = OSThread.all.first
    #expect(main?.name == "MainThread")
    #expect(main?.isMain == true)
    #expect(main?.isAlive == true)
    #expect(main?.isDaemon == false)
  }

  @Test func `all lists threads from start until they have ended`() {
    let gate = Gate()
    let thread = OSThread { gate.wait() }
    #expect(!OSThread.all.contains(thread.handle))
    thread.start()
    #expect(OSThread.all.contains(thread.handle))
    #expect(OSThread.activeCount >= 2)
    gate.open()
    thread.join()
    #expect(!OSThread.all.contains(thread.handle))
  }

  @Test func `a thread inherits whether it is a daemon from the OSThread that makes it`() {
    let daemon = OSThread.spawn(isDaemon: true) { (OSThread {}.isDaemon, OSThread(isDaemon: false) {}.isDaemon) }
    #expect(daemon.isDaemon)
    #expect(daemon.join() == (true, false))
    let other = OSThread.spawn { OSThread {}.isDaemon }
    #expect(!other.isDaemon)
    #expect(!other.join())
    // Threads that are not ours count as daemons, yet hand down nothing.
    #expect(race(threads: 1) { _ in OSThread.current.isDaemon && !OSThread {}.isDaemon } == [true])
  }

  @Test func `a thread inherits no cancellation token`() {
    let thread = OSThread.spawn { Cancellation.current == nil && !Cancellation.isRequested }
    #expect(thread.join())
  }
}

// MARK: Starting

@Suite(.watchdog(seconds: 60)) struct ThreadStartTests {
  @Test func `a large stack can be used`() {
    @Sendable func depth(_ n: Int) -> Int {
      unsafe withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 16) { buffer in
        unsafe buffer[0] = UInt8(truncatingIfNeeded: n)
        let below = n == 0 ? 0 : depth(n - 1) + 1
        return unsafe below + Int(buffer[0]) - Int(UInt8(truncatingIfNeeded: n))
      }
    }
    #expect(OSThread.spawn(stackSize: 64 << 20) { depth(1000) }.join() == 1000)
  }

  @Test(arguments: [1, 16 << 10, 16385, 100_000]) func `a small or odd stack size is rounded up`(size: Int) {
    #expect(OSThread.spawn(stackSize: size) { 1 }.join() == 1)
  }

  @Test func `a thread that the system cannot start says so and can be tried again`() {
    let thread = OSThread(name: "huge", stackSize: 1 << 60) { 1 }
    for _ in 0..<2 {
      let error = #expect(throws: ThreadStartError.self) { try thread.tryStart() }
      #expect(error?.name == "huge")
      #expect(error?.description.contains("cannot start thread \"huge\"") == true)
    }
    #expect(!thread.isAlive)
    #expect(thread.nativeID == nil)
    #expect(!OSThread.all.contains(thread.handle))
  }

  @Test func `tryStart starts`() throws {
    let thread = OSThread { 9 }
    try thread.tryStart()
    #expect(thread.join() == 9)
  }

  @Test func `starting twice is a mistake`() async {
    let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let thread = OSThread {}
      thread.start()
      thread.start()
    }
    #expect(said(end).contains("is started twice"))
  }

  @Test func `joining before the start is a mistake`() async {
    let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { joinNow(OSThread {}) }
    #expect(said(end).contains("is joined before it was started"))
  }

  @Test func `joining itself is a mistake`() async {
    let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let box = Box()
      let thread = OSThread { box.join() }
      box.join = { thread.join() }
      thread.start()
      joinNow(thread)
    }
    #expect(said(end).contains("joins itself"))
  }

  @Test func `a stack of no bytes is a mistake`() async {
    let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = OSThread(stackSize: 0) {}
    }
    #expect(said(end).contains("at least one byte"))
  }

  @Test func `sleep sleeps at least as long as it was told`() {
    let clock = ContinuousClock()
    #expect(clock.measure { OSThread.sleep(for: .milliseconds(3)) } >= .milliseconds(3))
    OSThread.sleep(for: .zero)
    OSThread.sleep(for: .seconds(-1))
  }
}

// SAFETY: written before the thread that reads it is started.
final class Box: @unchecked Sendable {
  var join: @Sendable () -> Void = {}
}

func joinNow<Success>(_ thread: OSThread<Success, Never>) { thread.join() }

/// What a process that was observed wrote to standard error.
func said(_ end: ExitTest.Result?) -> String { String(decoding: end?.standardErrorContent ?? [], as: UTF8.self) }
