import Glibc
import FixtureScenarios
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Synchronization
import Testing

/// What a call of the storm gives back: its own number and bytes that follow from it.
private struct Cargo: Codable, Sendable, Equatable {
  var number: Int
  var bytes: [UInt8]

  init(number: Int, size: Int) {
    self.number = number
    bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 31), count: size)
    if size > 0 { bytes[number % size] = 1 }
  }
}

private func carry(_ cargo: Cargo) -> Cargo { Cargo(number: cargo.number + 1, size: cargo.bytes.count) }
private func carryInt(_ number: Int) -> Int { number + 1 }
private func arm(_ step: UInt8, _ count: Int) -> Int {
  FaultPoint(rawValue: step)?.arm(after: count)
  return 0
}

/// The environment's number of seconds for a long storm.
private var stormSeconds: Double {
  guard let text = unsafe getenv("SPINDLE_STORM_SECONDS") else { return 2 }
  return unsafe Double(String(cString: text)) ?? 2
}

private func now() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

private final class Ends: Sendable {
  private let count = Atomic<Int>(0)
  var total: Int { count.load(ordering: .acquiring) }
  func watch<Value>(_ future: Future<Value>) { future.onDone { [self] _ in count.wrappingAdd(1, ordering: .releasing) } }
}

private struct Storm {
  var calls = 0
  var lost = 0
  var cancelled = 0
  var killed = 0
  var longestStall = 0.0
  var random: SplitMix64
  /// How often a future said that it ended.
  let ends = Ends()

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  /// Calls of all kinds on one pool, while its workers are killed from outside and die at steps of the protocol.
  mutating func run(until end: Double) throws {
    var options = CallOptions()
    options.retries = Int.random(in: 0...1, using: &random)
    let pool = ProcessPool(
      maxWorkers: Int.random(in: 1...4, using: &random),
      maxTasksPerChild: Bool.random(using: &random) ? Int.random(in: 1...200, using: &random) : nil)
    var lastResult = now()
    while now() < end {
      var small: [(Int, Future<Int>)] = []
      var large: [(Cargo, Future<Cargo>)] = []
      for _ in 0..<Int.random(in: 1...300, using: &random) {
        calls += 1
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
          let sizes = [0, 100, 1000, 5000, 70_000, 1_000_000]
          let cargo = Cargo(number: calls, size: sizes.randomElement(using: &random)!)
          large.append((cargo, pool.submit(carry, cargo, options: options)))
        case 1:
          let step = FaultPoint.allCases.randomElement(using: &random)!
          small.append((-1, pool.submit(arm, step.rawValue, Int.random(in: 1...50, using: &random))))
        default: small.append((calls, pool.submit(carryInt, calls, options: options)))
        }
        if Int.random(in: 0..<50, using: &random) == 0, let child = children().randomElement(using: &random) {
          Glibc.kill(child, SIGKILL)
          killed += 1
        }
        if Int.random(in: 0..<20, using: &random) == 0 { small.randomElement(using: &random)?.1.cancel() }
        if Int.random(in: 0..<100, using: &random) == 0, let victim = small.randomElement(using: &random) {
          pool.kill(victim.1)
        }
      }
      lastResult = now()
      for (_, future) in small { ends.watch(future) }
      for (_, future) in large { ends.watch(future) }
      for (number, future) in small {
        settle(&lastResult, try? future.error(timeout: .seconds(30)), future)
        if let value = try? future.result(timeout: .zero), number >= 0 { #expect(value == number + 1) }
      }
      for (cargo, future) in large {
        settle(&lastResult, try? future.error(timeout: .seconds(30)), future)
        if let value = try? future.result(timeout: .zero) {
          #expect(value == Cargo(number: cargo.number + 1, size: cargo.bytes.count))
        }
      }
    }
    if Bool.random(using: &random) { pool.killWorkers() }
    pool.shutdown(cancelFutures: Bool.random(using: &random))
    // A callback may still be running when its future's result is there; what ends twice calls it twice.
    eventually { ends.total >= calls }
    #expect(ends.total == calls, "a future ended twice")
  }

  private mutating func settle(_ last: inout Double, _ error: (any Error)??, _ future: AnyFuture) {
    #expect(future.isDone, "a future did not end")
    if future.isCancelled { cancelled += 1 } else if case .some(.some(let error)) = error {
      #expect(error is WorkerDiedError, "\(error)")
      lost += 1
    }
    let time = now()
    longestStall = max(longestStall, time - last)
    last = time
  }
}

private func storm() throws {
  let before = openDescriptors()
  let mappings = sharedMappings()
  var seed = UInt64(getpid())
  let end = now() + stormSeconds
  var total = Storm(seed: 0)
  while now() < end {
    var storm = Storm(seed: seed)
    try storm.run(until: min(end, now() + 1))
    seed += 1
    total.calls += storm.calls
    total.lost += storm.lost
    total.cancelled += storm.cancelled
    total.killed += storm.killed
    total.longestStall = max(total.longestStall, storm.longestStall)
  }
  say(
    "storm: \(total.calls) calls, \(total.killed) kills from outside, \(total.lost) calls lost, \(total.cancelled) cancelled, "
      + "longest stall \(Int(total.longestStall * 1000)) ms", to: 2)
  let left = children(named: "")
  #expect(left == [])
  for process in left { say("left: \(process) \(statusLine(process))", to: 2) }
  #expect(newDescriptors(since: before) == [:])
  #expect(sharedMappings() <= mappings)
}

/// Pools of all kinds, ended in all ways.
private func grid(_ startMethod: StartMethod) throws {
  var random = SplitMix64(seed: 7)
  // The fork server stays.
  try withProcessPool(maxWorkers: 1, startMethod: startMethod) { pool throws in _ = try pool.submit(carryInt, 1).result() }
  let before = openDescriptors()
  for workers in 1...4 {
    for tasks in [1, 3, nil] as [Int?] {
      for chunkSize in [1, 5, nil] as [Int?] {
        let pool = ProcessPool(maxWorkers: workers, maxTasksPerChild: tasks, startMethod: startMethod)
        let futures = (0..<Int.random(in: 0...12, using: &random)).map { pool.submit(carryInt, $0) }
        let results = pool.map(0..<30, bufferSize: 6, chunkSize: chunkSize, carryInt)
        for number in 0..<Int.random(in: 0...30, using: &random) { #expect(try results.next() == number + 1) }
        for _ in 0..<Int.random(in: 0...3, using: &random) { futures.randomElement(using: &random)?.cancel() }
        let cancels = Bool.random(using: &random)
        pool.shutdown(wait: Bool.random(using: &random), cancelFutures: cancels)
        for (number, future) in futures.enumerated() {
          do {
            #expect(try future.result() == number + 1)
          } catch {
            #expect(error is CancellationError)
          }
        }
        pool.shutdown()
      }
    }
  }
  #expect(children() == [])
  #expect(newDescriptors(since: before) == [:])
}

@Suite(.oneAtATime, .watchdog(seconds: 600)) struct PoolStormTests {
  @Test func `whatever dies, every future ends with its own result or an error, and nothing is left`() async {
    // In a process of its own: what other tests open meanwhile does not count.
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) { try storm() }
    print(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))
  }

  @Test func `pools of spawned workers in all sizes end cleanly in all ways`() async {
    await #expect(processExitsWith: .success) { try grid(.spawn) }
  }

  @Test func `pools of forked workers in all sizes end cleanly in all ways`() async {
    await #expect(processExitsWith: .success) { try grid(.forkServer) }
  }
}
