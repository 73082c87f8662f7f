import Distributed
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

/// Messages between processes of actors that are not what they should be.
@Suite(.watchdog(seconds: 120)) struct ActorFuzzTests {
  /// What two connected systems said to each other in the course of every kind of call.
  private func recorded(
    _ systems: (root: ProcessActorSystem, leaf: ProcessActorSystem, process: ActorProcess), _ log: Guarded<[ControlFrame]>
  ) async throws -> (Counter, Relay) {
    let counter = try await systems.process.spawn(Counter.init(actorSystem:from:), 1)
    let relay = try await systems.process.spawn(Relay.init(actorSystem:))
    #expect(try await counter.add(1) == 2)
    #expect(try await counter.twice(["a": [1.5]]) == [["a": [1.5]], ["a": [1.5]]])
    await #expect(throws: CounterFailure.tooMuch(2)) { try await counter.check(0) }
    await #expect(throws: RemoteError.self) { try await counter.hide() }
    let local = Counter(actorSystem: systems.root, from: 5)
    #expect(try await relay.add(1, to: [counter, local]) == [3, 6])
    try await relay.keep(local)
    #expect(try await relay.giveBack() === local)
    try await relay.forget()
    return (counter, relay)
  }

  @Test("two systems in one process call each other's actors")
  func loopback() async throws {
    let log = Guarded<[ControlFrame]>([])
    let systems = ProcessActorSystem.loopback { frame in log.withLock { $0.append(frame) } }
    let (counter, _) = try await recorded(systems, log)
    #expect(try await counter.add(0) == 3)
    #expect(log.withLock { $0.count } > 20)
  }

  @Test("damaged messages give an error or nothing, and never a trap")
  func damaged() async throws {
    let seconds = unsafe getenv("SPINDLE_STORM_SECONDS").flatMap { unsafe Double(String(cString: $0)) } ?? 0.5
    let log = Guarded<[ControlFrame]>([])
    let systems = ProcessActorSystem.loopback { frame in log.withLock { $0.append(frame) } }
    let (counter, relay) = try await recorded(systems, log)
    let frames = log.withLock { $0 }
    var generator = SplitMix64(seed: 5)
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var rounds = 0
    while clock.now < end || rounds < 2000 {
      rounds += 1
      var frame = frames.randomElement(using: &generator)!
      for _ in 0..<Int.random(in: 1...3, using: &generator) where !frame.bytes.isEmpty {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: frame.bytes.removeLast(Int.random(in: 1...frame.bytes.count, using: &generator))
        case 1: frame.bytes.append(.random(in: 0...255, using: &generator))
        default:
          let place = Int.random(in: frame.bytes.indices, using: &generator)
          frame.bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      }
      let target = Bool.random(using: &generator) ? systems.root : systems.leaf
      target.receive(frame, from: nil)
      if rounds % 64 == 0 { await Task.yield() }
    }
    // What runs because of it comes to its end. (Damaged calls have any number, so their replies may be taken for those of later calls.)
    while !(systems.root.isIdle && systems.leaf.isIdle) { await Task.yield() }
    // Whole messages still do what they say.
    let next = try await systems.process.spawn(Counter.init(actorSystem:from:), 1)
    #expect(try await next.add(1) == 2)
    _ = (counter, relay)
  }
}
