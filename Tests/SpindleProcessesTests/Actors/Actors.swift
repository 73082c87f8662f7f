import Distributed
import Glibc
import Spindle
import SpindleProcesses

// The actors of these tests.

enum CounterFailure: Error, Codable, Equatable { case tooMuch(Int) }
struct Secret: Error { var code = 4 }

distributed actor Counter {
  typealias ActorSystem = ProcessActorSystem
  private var value: Int

  init(actorSystem: ProcessActorSystem, from start: Int) {
    self.actorSystem = actorSystem
    value = start
  }

  init(actorSystem: ProcessActorSystem, failing kind: Int) throws {
    self.actorSystem = actorSystem
    value = 0
    if kind == 0 { throw CounterFailure.tooMuch(0) }
    if kind == 1 { raise(SIGKILL) }
  }

  distributed func add(_ step: Int) -> Int {
    value &+= step
    return value
  }
  distributed func reset() { value = 0 }
  distributed var current: Int { value }
  distributed func process() -> Int32 { ChildProcess.currentID }

  distributed func check(_ limit: Int) throws -> Int {
    if value > limit { throw CounterFailure.tooMuch(value) }
    return value
  }
  distributed func checkTyped(_ limit: Int) throws(CounterFailure) -> Int {
    if value > limit { throw .tooMuch(value) }
    return value
  }
  distributed func hide() throws { throw Secret() }

  distributed func twice<T: Codable & Sendable>(_ value: T) -> [T] { [value, value] }
  distributed func pair<A: Codable & Sendable, B: Codable & Sendable & Hashable>(_ a: A, _ b: B) -> [B: A] { [b: a] }

  /// Reads, lets others run, writes: without isolation between the two halves.
  distributed func addSlowly(_ step: Int) async -> Int {
    let old = value
    await Task.yield()
    value = old + step
    return value
  }
  /// Until the caller is cancelled.
  distributed func waitForCancellation() async throws -> Int {
    value = 1
    while !Task.isCancelled { try await Task.sleep(for: .milliseconds(1)) }
    try Task.checkCancellation()
    return 0
  }
  distributed func exit(_ code: Int32) { Glibc.exit(code) }
  /// Lets this process die when it reaches a step for the n-th time.
  distributed func arm(_ step: UInt8, _ count: Int) { FaultPoint(rawValue: step)?.arm(after: count) }
  distributed func sum(_ numbers: [Double]) -> Double { numbers.reduce(0, +) }
  distributed func echo(_ numbers: [Double]) -> [Double] { numbers }
}

/// Knows other actors, wherever they are.
distributed actor Relay {
  typealias ActorSystem = ProcessActorSystem
  private var kept: Counter?

  init(actorSystem: ProcessActorSystem) { self.actorSystem = actorSystem }

  distributed func keep(_ counter: Counter) { kept = counter }
  distributed func forget() { kept = nil }
  distributed func addToKept(_ step: Int) async throws -> Int { try await kept?.add(step) ?? -1 }
  distributed func add(_ step: Int, to counters: [Counter]) async throws -> [Int] {
    var results: [Int] = []
    for counter in counters { results.append(try await counter.add(step)) }
    return results
  }
  distributed func giveBack() -> Counter? { kept }
  distributed func process() -> Int32 { ChildProcess.currentID }
  distributed func makeHere(_ start: Int) -> Counter { Counter(actorSystem: actorSystem, from: start) }
  distributed func fail(with start: Int) throws -> Counter {
    let counter = Counter(actorSystem: actorSystem, from: start)
    _ = counter.id
    throw CounterFailure.tooMuch(start)
  }
  distributed func makeBelow(_ start: Int) async throws -> Counter {
    try await actorSystem.spawn(Counter.init(actorSystem:from:), start)
  }
  distributed func makeRelayBelow() async throws -> Relay { try await actorSystem.spawn(Relay.init(actorSystem:)) }
  distributed func arm(_ step: UInt8, _ count: Int) { FaultPoint(rawValue: step)?.arm(after: count) }
  distributed func crashWhileCalling(_ counter: Counter) async throws -> Int { try await counter.add(1) }
}

/// Writes down its end.
distributed actor Mortal {
  typealias ActorSystem = ProcessActorSystem
  private let flag: SharedQueue<String>

  init(actorSystem: ProcessActorSystem, telling flag: SharedQueue<String>) {
    self.actorSystem = actorSystem
    self.flag = flag
  }
  distributed func hello() -> String { "hello" }
  deinit { try? flag.put("gone") }
}

/// Runs `body` with a new system, and shuts it down however that ends.
func withSystem<R>(_ body: (ProcessActorSystem) async throws -> R) async throws -> R {
  let system = ProcessActorSystem()
  do {
    let result = try await body(system)
    await system.shutdown()
    return result
  } catch {
    await system.shutdown()
    throw error
  }
}
