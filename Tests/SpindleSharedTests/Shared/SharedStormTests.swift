import CSpindle
import CSpindleTesting
import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// Not private: their names travel.
struct StormGear: Codable, Sendable {
  var queue = SharedQueue<Sealed>(capacity: 8)
  var gifts = SharedQueue<SharedMemory>(capacity: 8)
  var lock = SharedLock()
  /// Equal whenever the lock is free.
  var pair = SharedArray<Int>(count: 2)
  var semaphore = SharedSemaphore(3)
  var barrier = SharedBarrier(2)
  var wrong = SharedValue(0)
  /// Every element that is put has a number that no other has had for long; by number, whether it was taken.
  var numbers = SharedValue(0)
  var taken = SharedArray<UInt8>(repeating: 0, count: 1 << 16)

  func took(_ sealed: Sealed) {
    if !sealed.isWhole || taken[sealed.number] != 0 { wrong.value += 1 }
    taken[sealed.number] = 1
  }
}
struct StormReport: Codable, Sendable {
  var deaths = 0
  var rounds = 0
  var wrong = 0
  var longestStall = 0.0
  var longestAt = ""
  var left: [String] = []
}

/// One round of everything; `note` is told what is done next.
private func useAll(_ gear: StormGear, note: (String) -> Void = { _ in }) throws {
  note("number")
  let number = gear.numbers.withLock { number in
    number = (number + 1) % gear.taken.count
    gear.taken[number] = 0
    return number
  }
  note("put")
  try? gear.queue.put(Sealed(1, number, byteCount: number * 131 % 5000), timeout: .milliseconds(5))
  note("get")
  if let sealed = try? gear.queue.get(timeout: .milliseconds(5)) { gear.took(sealed) }
  note("put memory")
  try? gear.gifts.put(SharedMemory(byteCount: 5), timeout: .milliseconds(5))
  note("get memory")
  if let gift = try? gear.gifts.get(timeout: .milliseconds(5)) {
    // The memory itself says whether somebody has had it.
    if gift.byteCount != 5 || gift[0] != 0 { gear.wrong.value += 1 }
    gift[0] = 1
  }
  note("lock")
  gear.lock.withLock(repair: { _ in gear.pair[1] = gear.pair[0] }) {
    if gear.pair[0] != gear.pair[1] { gear.wrong.value += 1 }
    gear.pair[0] += 1
    gear.pair[1] += 1
  }
  note("semaphore")
  gear.semaphore.withPermit {}
  note("barrier")
  do { try gear.barrier.wait(timeout: .milliseconds(2)) } catch { gear.barrier.reset() }
}

private func beVictim(_ gear: StormGear) throws {
  while true { try useAll(gear) }
}

/// The storm, in a process of its own so that what is left can be counted.
private func storm(_ seconds: Double) throws -> StormReport {
  var report = StormReport()
  do {
    let first = ChildProcess(target: { 0 })
    first.start()
    _ = try first.join()
  }
  let before = openDescriptors(), mappings = sharedMappings()
  try storm(seconds, &report)
  for _ in 0..<100_000 {
    if newDescriptors(since: before).isEmpty, sharedMappings() <= mappings { break }
    spindle_yield()
  }
  report.left = newDescriptors(since: before).map { "\($0.key) -> \($0.value)" }
  report.left += children(named: "").map { "process \($0)" }
  if sharedMappings() > mappings { report.left.append("\(sharedMappings() - mappings) mappings") }
  return report
}

private func storm(_ seconds: Double, _ report: inout StormReport) throws {
  let gear = StormGear()
  var random = SplitMix64(seed: 42)
  func victim() -> ChildProcess<Void> {
    let child = ChildProcess(target: beVictim, gear)
    child.start()
    return child
  }
  var victims = (0..<3).map { _ in victim() }
  let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
  while clock.now < end {
    // Some rounds of our own between two deaths: nobody who lives may be held up for long.
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      var doing = "", begun = clock.now
      try useAll(gear) { next in
        let now = clock.now,
          spent = Double((now - begun).components.attoseconds) * 1e-18 + Double((now - begun).components.seconds)
        if spent > report.longestStall { (report.longestStall, report.longestAt) = (spent, doing) }
        (doing, begun) = (next, now)
      }
      report.rounds += 1
    }
    let index = Int.random(in: 0..<victims.count, using: &random)
    victims[index].kill()
    _ = try? victims[index].join()
    report.deaths += 1
    victims[index] = victim()
  }
  for victim in victims {
    victim.kill()
    _ = try? victim.join()
  }
  // All that is shared still works, whole.
  while let sealed = try gear.queue.tryGet() { gear.took(sealed) }
  for _ in 0..<3 where !gear.semaphore.acquire(timeout: .seconds(10)) { report.wrong += 1 }
  if !gear.lock.acquire(timeout: .seconds(10)) { report.wrong += 1 }
  gear.barrier.reset()
  report.wrong += gear.wrong.value
}

@Suite(.oneAtATime, .watchdog(seconds: 240)) struct SharedStormTests {
  /// Two seconds; SPINDLE_STORM_SECONDS for more.
  @Test func `processes killed at random leave all that they share whole, and nothing behind`() throws {
    let seconds =
      unsafe spindle_test_setting("SPINDLE_STORM_SECONDS").flatMap { unsafe Double(String(cString: $0)) } ?? 2
    let child = ChildProcess(target: { (seconds: Double) in try storm(seconds) }, seconds)
    child.start()
    let report = try child.join()
    print(
      "storm: \(report.deaths) deaths, \(report.rounds) rounds, longest stall \(report.longestStall) s at \(report.longestAt)"
    )
    #expect(report.wrong == 0 && report.left == [])
    #expect(report.deaths > 0)
  }
}
