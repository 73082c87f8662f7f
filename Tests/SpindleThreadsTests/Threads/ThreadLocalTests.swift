import Spindle
import SpindleTestSupport
import Synchronization
import Testing

@Suite(.watchdog(seconds: 60)) struct ThreadLocalTests {
  @Test func `every thread starts with a default of its own and sees only its own value`() {
    let local = ThreadLocal(100)
    let threads = (0..<4).map { index in
      OSThread.spawn {
        for _ in 0...index { local.value += 1 }
        return local.value
      }
    }
    #expect(threads.map { $0.join() } == [101, 102, 103, 104])
    #expect(local.value == 100)
  }

  @Test func `the default is made once for each thread, at its first use`() {
    let made = Living()
    let local = ThreadLocal {
      made.count.wrappingAdd(1, ordering: .relaxed)
      return 0
    }
    OSThread.spawn {}.join()
    #expect(made.now == 0)
    OSThread.spawn { for _ in 0..<3 { local.value += 1 } }.join()
    #expect(made.now == 1)
    race(threads: 3) { _ in local.withValue { $0 += 1 } }
    #expect(made.now == 4)
  }

  @Test func `values are destroyed before join returns`() {
    let living = Living()
    let local = ThreadLocal { Counted(living) }
    let threads = (0..<8).map { _ in OSThread.spawn { local.value.living.now } }
    for thread in threads { #expect(thread.join() > 0) }
    #expect(living.now == 0)
  }

  @Test func `values of threads that Spindle did not start are destroyed when those end`() {
    let living = Living()
    let local = ThreadLocal { Counted(living) }
    let seen = race(threads: 4) { _ in local.value.living.now }
    #expect(seen.allSatisfy { $0 > 0 })
    #expect(living.now == 0)
  }

  @Test func `values of living threads are destroyed with the ThreadLocal`() {
    let living = Living()
    let (ready, gate) = (Living(), Gate())
    let threads: [OSThread<Void, Never>]
    do {
      let box = Mutex<ThreadLocal<Counted>?>(ThreadLocal { Counted(living) })
      let local = box.withLock { $0! }
      threads = (0..<4).map { _ in Self.use(local, ready, gate) }
      while ready.now < 4 { OSThread.yield() }
      #expect(living.now == 4)
    }
    #expect(living.now == 0)
    gate.open()
    for thread in threads { thread.join() }
  }

  /// Uses the variable, lets go of it, stays alive.
  private static func use(_ local: ThreadLocal<Counted>, _ ready: Living, _ gate: Gate) -> OSThread<Void, Never> {
    let handover = Handover(local)
    return OSThread.spawn {
      handover.useUp { _ = $0.value }
      ready.count.wrappingAdd(1, ordering: .releasing)
      gate.wait()
    }
  }

  @Test func `a new ThreadLocal never sees the values of one that is gone`() {
    OSThread.spawn {
      for round in 0..<100 {
        let local = ThreadLocal(-1)
        #expect(local.value == -1)
        local.value = round
        let other = ThreadLocal<Int?>()
        #expect(other.value == nil)
        other.value = round
        #expect(local.value == round)
      }
    }.join()
  }

  @Test func `a thousand variables keep apart`() {
    let locals = (0..<1000).map { number in ThreadLocal { number } }
    race(threads: 2) { index in
      for local in locals { local.value += index * 10_000 }
      for (number, local) in locals.enumerated() { #expect(local.value == number + index * 10_000) }
    }
  }

  @Test func `a value need not be Sendable`() {
    let local = ThreadLocal { Notebook() }
    local.value.lines.append("a")
    local.withValue { $0.lines.append("b") }
    #expect(local.value.lines == ["a", "b"])
    #expect(OSThread.spawn { local.value.lines.count }.join() == 0)
  }

  @Test func `withValue returns and throws what its body does, and keeps the change`() {
    let local = ThreadLocal("a")
    #expect(
      local.withValue {
        $0 += "b"; return $0.count
      } == 2)
    #expect(throws: ParseError(line: 1)) {
      try local.withValue { (text) throws(ParseError) in
        text += "c"
        throw ParseError(line: 1)
      }
    }
    #expect(local.value == "abc")
  }

  @Test func `removeValue destroys this thread's value and the next use makes it anew`() {
    let living = Living()
    let local = ThreadLocal { Counted(living) }
    OSThread.spawn {
      local.removeValue()
      let first = ObjectIdentifier(local.value)
      #expect(living.now == 1)
      #expect(ObjectIdentifier(local.value) == first)
      local.removeValue()
      #expect(living.now == 0)
      _ = local.value
      #expect(living.now == 1)
    }.join()
    #expect(living.now == 0)
  }

  @Test func `a value whose end uses thread-locals is destroyed like any other`() {
    let living = Living()
    let inner = ThreadLocal { Counted(living) }
    let outer = ThreadLocal { UsesAtEnd(inner) }
    OSThread.spawn {
      _ = inner.value
      _ = outer.value
    }.join()
    #expect(living.now == 0)
    race(threads: 1) { _ in
      _ = inner.value
      _ = outer.value
    }
    #expect(living.now == 0)
  }

  @Test func `a default that uses its own variable replaces that value`() {
    let living = Living()
    let box = Recursion()
    let local = ThreadLocal {
      if box.deeper() { _ = box.local.withLock { $0! }.value }
      return Counted(living)
    }
    box.local.withLock { $0 = local }
    OSThread.spawn {
      _ = local.value
      #expect(living.now == 1)
    }.join()
    box.local.withLock { $0 = nil }
    #expect(living.now == 0)
  }

  @Test func `threads that end while variables go away destroy each value once`() {
    let living = Living()
    for seed in 0..<20 {
      let locals = (0..<8).map { _ in ThreadLocal { Counted(living) } }
      let threads = (0..<4).map { index in
        let mine = locals.map(Handover.init)
        return OSThread.spawn {
          var random = SplitMix64(seed: UInt64(seed * 4 + index))
          for handover in mine.shuffled(using: &random) { handover.useUp { _ = $0.value } }
        }
      }
      for thread in threads { thread.join() }
    }
    #expect(living.now == 0)
  }
}

/// Gives a variable away once, and then no longer holds it.
// SAFETY: used by one thread, which is started after this was made.
final class Handover: @unchecked Sendable {
  private var local: ThreadLocal<Counted>?
  init(_ local: ThreadLocal<Counted>) { self.local = local }
  func useUp(_ body: (ThreadLocal<Counted>) -> Void) {
    if let local = local.take() { body(local) }
  }
}

final class Recursion: Sendable {
  let local = Mutex<ThreadLocal<Counted>?>(nil)
  private let depth = Atomic<Int>(0)
  func deeper() -> Bool { depth.wrappingAdd(1, ordering: .relaxed).oldValue == 0 }
}

final class UsesAtEnd {
  let inner: ThreadLocal<Counted>
  init(_ inner: ThreadLocal<Counted>) { self.inner = inner }
  deinit { _ = inner.value }
}
