import Dispatch
import Foundation
import Spindle
import SpindleTestSupport
import Testing

// What needs more of the process than one thread: it must work in a spawned and in a forked worker.

private func sleepAsTask(_ milliseconds: Int) async throws -> Bool {
  let before = ContinuousClock.now
  try await Task.sleep(for: .milliseconds(milliseconds))
  return ContinuousClock.now - before >= .milliseconds(milliseconds)
}
private func sumOnQueues(_ count: Int) -> Int {
  let sum = Guarded(0)
  DispatchQueue.concurrentPerform(iterations: count) { number in sum.withLock { $0 += number } }
  let group = DispatchGroup()
  for number in 0..<count { DispatchQueue.global().async(group: group) { sum.withLock { $0 += number } } }
  group.wait()
  return sum.withLock { $0 }
}
private func onMainQueue(_ n: Int) -> Bool {
  DispatchQueue.main.sync {
    dispatchPrecondition(condition: .onQueue(.main))
    return Thread.isMainThread && OSThread.isMain
  }
}
private func afterTimer(_ milliseconds: Int) -> Bool {
  let fired = DispatchSemaphore(value: 0)
  DispatchQueue.main.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { fired.signal() }
  return fired.wait(timeout: .now() + .seconds(30)) == .success
}
private func formatted(_ seconds: Double) throws -> String {
  let data = try JSONEncoder().encode(["at": Date(timeIntervalSince1970: seconds)])
  return String(decoding: data, as: UTF8.self)
}
@MainActor private var visits = 0
private func onMainActor(_ count: Int) async -> Int {
  await withTaskGroup(of: Void.self) { group in
    for _ in 0..<count { group.addTask { await MainActor.run { visits += 1 } } }
  }
  return await MainActor.run { visits }
}
private func inTaskGroup(_ count: Int) async -> Int {
  await withTaskGroup(of: Int.self) { group in
    for number in 0..<count {
      group.addTask {
        await Task.yield()
        return number
      }
    }
    return await group.reduce(0, +)
  }
}
private func inThreads(_ count: Int) -> Int {
  let pool = ThreadPool(maxWorkers: 3)
  defer { pool.shutdown() }
  return (0..<count).map { number in pool.submit { number } }.reduce(0) { $0 + (try! $1.result()) }
}

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct RuntimeInWorkersTests {
  @Test(arguments: StartMethod.allCases) func `tasks sleep and meet in a worker`(method: StartMethod) throws {
    let sleeper = ChildProcess(target: sleepAsTask, 5, startMethod: method)
    let grouper = ChildProcess(target: inTaskGroup, 50, startMethod: method)
    sleeper.start()
    grouper.start()
    #expect(try sleeper.join())
    #expect(try grouper.join() == 1225)
  }

  @Test(arguments: StartMethod.allCases) func `Dispatch's queues and timers work in a worker`(method: StartMethod)
    throws
  {
    let queues = ChildProcess(target: sumOnQueues, 100, startMethod: method)
    let main = ChildProcess(target: onMainQueue, 1, startMethod: method)
    let timer = ChildProcess(target: afterTimer, 5, startMethod: method)
    queues.start()
    main.start()
    timer.start()
    #expect(try queues.join() == 9900)
    #expect(try main.join())
    #expect(try timer.join())
  }

  @Test(arguments: StartMethod.allCases) func `Foundation works in a worker`(method: StartMethod) throws {
    let child = ChildProcess(target: formatted, 978_307_200, startMethod: method)
    child.start()
    #expect(try child.join() == "{\"at\":0}")
  }

  @Test(arguments: StartMethod.allCases) func `the main actor serves many tasks in a worker`(method: StartMethod) throws
  {
    let child = ChildProcess(target: onMainActor, 40, startMethod: method)
    child.start()
    #expect(try child.join() == 40)
  }

  @Test(arguments: StartMethod.allCases) func `threads and pools work in a worker`(method: StartMethod) throws {
    let child = ChildProcess(target: inThreads, 30, startMethod: method)
    child.start()
    #expect(try child.join() == 435)
  }
}
