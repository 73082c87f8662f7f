import SpindleTestSupport
import Testing

import SpindleProcesses

/// A board with steps that tests can compare.
private struct Table {
  var board: CallBoard<Int>
  var cancelled: Set<Int> = []

  init(workers: Int, tasksPerChild: Int? = nil) {
    board = CallBoard(maxWorkers: workers, maxTasksPerChild: tasksPerChild)
  }

  mutating func steps() -> [String] {
    var steps: [String] = []
    while let step = board.next(claim: { [cancelled] in !cancelled.contains($0) }) {
      switch step {
      case .start(let worker): steps.append("start \(worker)")
      case .run(let call, let worker): steps.append("run \(call) on \(worker)")
      case .dismiss(let worker): steps.append("dismiss \(worker)")
      case .giveUp(let calls): steps.append("give up \(calls)")
      case .end: steps.append("end")
      }
    }
    return steps
  }
}

@Suite struct CallBoardTests {
  @Test func `workers are started for calls that no idle worker can take, up to the limit`() {
    var table = Table(workers: 2)
    #expect(table.steps() == [])
    table.board.add(1)
    #expect(table.steps() == ["start 0"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    #expect(table.board.workerFinished(0) == 1)
    table.board.add(2)
    #expect(table.steps() == ["run 2 on 0"])
    for call in 3...6 { table.board.add(call) }
    #expect(table.steps() == ["start 1"])
  }

  @Test func `calls are handed out in their order, one at a time to each worker`() {
    var table = Table(workers: 2)
    for call in 1...4 { table.board.add(call) }
    #expect(table.steps() == ["start 0", "start 1"])
    table.board.workerIsReady(1)
    #expect(table.steps() == ["run 1 on 1"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 2 on 0"])
    #expect(table.board.workerFinished(0) == 2)
    #expect(table.steps() == ["run 3 on 0"])
    #expect(table.board.workerFinished(0) == 3)
    #expect(table.steps() == ["run 4 on 0"])
  }

  @Test func `a cancelled call is skipped`() {
    var table = Table(workers: 1)
    for call in 1...3 { table.board.add(call) }
    table.cancelled = [1, 2]
    #expect(table.steps() == ["start 0"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 3 on 0"])
  }

  @Test func `a worker that has run its number of calls is dismissed and replaced, also before it has ended`() {
    var table = Table(workers: 1, tasksPerChild: 2)
    for call in 1...3 { table.board.add(call) }
    _ = table.steps()
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    #expect(table.board.workerFinished(0) == 1)
    #expect(table.steps() == ["run 2 on 0"])
    #expect(table.board.workerFinished(0) == 2)
    #expect(table.steps() == ["dismiss 0", "start 1"])
    #expect(table.board.workerEnded(0) == nil)
    table.board.workerIsReady(1)
    #expect(table.steps() == ["run 3 on 1"])
  }

  @Test func `a worker that ends gives back the call it had in hand, which can be put first again`() {
    var table = Table(workers: 1)
    for call in 1...3 { table.board.add(call) }
    _ = table.steps()
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    #expect(table.board.workerEnded(0) == 1)
    table.board.putBack(1)
    #expect(table.steps() == ["start 1"])
    table.board.workerIsReady(1)
    #expect(table.steps() == ["run 1 on 1"])
  }

  @Test func `an idle worker that ends is replaced when it is needed, not before`() {
    var table = Table(workers: 1)
    table.board.add(1)
    _ = table.steps()
    table.board.workerIsReady(0)
    _ = table.steps()
    _ = table.board.workerFinished(0)
    #expect(table.board.workerEnded(0) == nil)
    #expect(table.steps() == [])
    table.board.add(2)
    #expect(table.steps() == ["start 1"])
  }

  @Test func `closed, it does what is in line, dismisses the workers, and ends once when they are gone`() {
    var table = Table(workers: 2)
    for call in 1...2 { table.board.add(call) }
    _ = table.steps()
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    table.board.close()
    #expect(table.steps() == [])
    #expect(table.board.workerFinished(0) == 1)
    #expect(table.steps() == ["run 2 on 0"])
    table.board.workerIsReady(1)
    #expect(table.steps() == ["dismiss 1"])
    #expect(table.board.workerFinished(0) == 2)
    #expect(table.steps() == ["dismiss 0"])
    #expect(table.board.workerEnded(0) == nil)
    #expect(table.steps() == [])
    #expect(table.board.workerEnded(1) == nil)
    #expect(table.steps() == ["end"])
    #expect(table.steps() == [])
  }

  @Test func `closed without ever having had a call, it ends at once`() {
    var table = Table(workers: 2)
    table.board.close()
    #expect(table.steps() == ["end"])
  }

  @Test func `when no worker starts, it gives up after three tries instead of trying for ever`() {
    var table = Table(workers: 1)
    for call in 1...2 { table.board.add(call) }
    for number in 0..<3 {
      #expect(table.steps() == ["start \(number)"])
      #expect(table.board.workerEnded(number) == nil)
    }
    #expect(table.steps() == ["give up [1, 2]"])
  }

  @Test func `failing starts do not matter as long as a worker works`() {
    var table = Table(workers: 2)
    for call in 1...9 { table.board.add(call) }
    #expect(table.steps() == ["start 0", "start 1"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    for number in 1...3 {
      #expect(table.board.workerEnded(number) == nil)
      #expect(table.steps() == (number < 3 ? ["start \(number + 1)"] : []))
    }
    #expect(table.board.workerFinished(0) == 1)
    #expect(table.steps() == ["run 2 on 0", "start 4"])
  }

  @Test(arguments: 0..<20) func `whatever happens, every call is finished, lost with its worker or in line`(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let workers = Int.random(in: 1...4, using: &random)
    var table = Table(workers: workers, tasksPerChild: Bool.random(using: &random) ? 3 : nil)
    var starting: [Int] = []
    var idle: Set<Int> = []
    var running: [Int: Int] = [:]
    var leaving: [Int] = []
    var outcomes: [Int: Int] = [:]
    var added = 0
    var hasEnded = false
    func take() {
      while let step = table.board.next(claim: { _ in true }) {
        switch step {
        case .start(let worker): starting.append(worker)
        case .run(let call, let worker):
          #expect(idle.remove(worker) != nil)
          running[worker] = call
        case .dismiss(let worker):
          idle.remove(worker)
          leaving.append(worker)
        case .giveUp(let calls): for call in calls { outcomes[call, default: 0] += 1 }
        case .end: hasEnded = true
        }
        #expect(running.count + idle.count + starting.count <= workers)
      }
    }
    func happen(_ event: Int) {
      switch event {
      case 0 where !table.board.isClosed:
        table.board.add(added)
        added += 1
      case 1:
        if let worker = starting.popLast() {
          table.board.workerIsReady(worker)
          idle.insert(worker)
        }
      case 2:
        if let (worker, call) = running.randomElement(using: &random) {
          running[worker] = nil
          idle.insert(worker)
          #expect(table.board.workerFinished(worker) == call)
          outcomes[call, default: 0] += 1
        }
      case 3:
        if let (worker, call) = running.randomElement(using: &random) {
          running[worker] = nil
          #expect(table.board.workerEnded(worker) == call)
          if Bool.random(using: &random) { table.board.putBack(call) } else { outcomes[call, default: 0] += 1 }
        }
      case 4:
        if let worker = idle.randomElement(using: &random) {
          idle.remove(worker)
          #expect(table.board.workerEnded(worker) == nil)
        }
      case 5:
        if let worker = leaving.popLast() { #expect(table.board.workerEnded(worker) == nil) }
      case 6: if let worker = starting.popLast() { #expect(table.board.workerEnded(worker) == nil) }
      default: break
      }
      take()
    }
    for _ in 0..<500 { happen([0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 6].randomElement(using: &random)!) }
    table.board.close()
    take()
    var left = 100_000
    while !hasEnded, left > 0 {
      happen([1, 2, 5].randomElement(using: &random)!)
      left -= 1
    }
    #expect(hasEnded)
    #expect(outcomes == Dictionary(uniqueKeysWithValues: (0..<added).map { ($0, 1) }))
  }
}
