import SpindleTestSupport
import Testing

import SpindleProcesses

/// A board with steps that tests can compare.
private struct Table {
  var board: CallBoard<Int>
  var cancelled: Set<Int> = []
  /// Calls that their worker has begun, although it has not finished them.
  var begun: Set<Int> = []

  init(workers: Int, tasksPerChild: Int? = nil) {
    board = CallBoard(maxWorkers: workers, maxTasksPerChild: tasksPerChild)
  }

  mutating func steps() -> [String] {
    var steps: [String] = []
    while let step = board.next(
      claim: { [cancelled] in !cancelled.contains($0) }, withdraw: { [begun] call, _ in !begun.contains(call) },
      hasRoom: { _ in true })
    {
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
    #expect(table.board.workerEnded(0) == [])
    table.board.workerIsReady(1)
    #expect(table.steps() == ["run 3 on 1"])
  }

  @Test func `a worker that ends gives back the call it had in hand, which can be put first again`() {
    var table = Table(workers: 1)
    for call in 1...3 { table.board.add(call) }
    _ = table.steps()
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    #expect(table.board.workerEnded(0) == [1])
    table.board.putBack([1])
    #expect(table.steps() == ["start 0"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
  }

  @Test func `an idle worker that ends is replaced when it is needed, not before`() {
    var table = Table(workers: 1)
    table.board.add(1)
    _ = table.steps()
    table.board.workerIsReady(0)
    _ = table.steps()
    _ = table.board.workerFinished(0)
    #expect(table.board.workerEnded(0) == [])
    #expect(table.steps() == [])
    table.board.add(2)
    #expect(table.steps() == ["start 0"])
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
    #expect(table.board.workerEnded(0) == [])
    #expect(table.steps() == [])
    #expect(table.board.workerEnded(1) == [])
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
    for _ in 0..<3 {
      #expect(table.steps() == ["start 0"])
      #expect(table.board.workerEnded(0) == [])
    }
    #expect(table.steps() == ["give up [1, 2]"])
  }

  @Test func `workers that somebody kills as they start are replaced ten times as often`() {
    var table = Table(workers: 1)
    table.board.add(1)
    for _ in 0..<30 {
      #expect(table.steps() == ["start 0"])
      #expect(table.board.workerEnded(0, wasKilled: true) == [])
    }
    #expect(table.steps() == ["give up [1]"])
  }

  @Test func `failing starts do not matter as long as a worker works`() {
    var table = Table(workers: 2)
    for call in 1...9 { table.board.add(call) }
    #expect(table.steps() == ["start 0", "start 1"])
    table.board.workerIsReady(0)
    #expect(table.steps() == ["run 1 on 0"])
    for number in 1...3 {
      #expect(table.board.workerEnded(1) == [])
      #expect(table.steps() == (number < 3 ? ["start 1"] : []))
    }
    #expect(table.board.workerFinished(0) == 1)
    #expect(table.steps() == ["run 2 on 0", "start 1"])
  }

  // MARK: Calls handed ahead

  /// Two workers, each with a call that runs.
  private func busyTable(pace: Int) -> Table {
    var table = Table(workers: 2)
    for call in 1...2 { table.board.add(call) }
    _ = table.steps()
    for worker in 0..<2 {
      table.board.workerIsReady(worker)
      table.board.setPace(pace, of: worker)
    }
    _ = table.steps()
    table.begun = [1, 2]
    return table
  }

  @Test func `as many calls as its pace allows are handed to a busy worker, by turns`() {
    var table = busyTable(pace: 3)
    for call in 3...8 { table.board.add(call) }
    #expect(table.steps() == ["run 3 on 0", "run 4 on 1", "run 5 on 0", "run 6 on 1"])
    #expect(table.board.workerFinished(1) == 1)
    #expect(table.steps() == ["run 7 on 1"])
  }

  @Test func `half of what waits behind a call goes to a worker that has nothing to do, the oldest first`() {
    var table = busyTable(pace: 4)
    for call in 3...8 { table.board.add(call) }
    _ = table.steps()
    #expect(table.board.hand(of: 0) == [2, 3, 5, 7])
    for call in [1, 4, 6] {
      #expect(table.board.workerFinished(1) == call)
      #expect(table.steps() == [])
    }
    #expect(table.board.workerFinished(1) == 8)
    #expect(table.steps() == ["run 3 on 1", "run 5 on 1"])
    #expect(table.board.hand(of: 0) == [2, 7])
  }

  @Test func `what a worker has begun stays with it`() {
    var table = busyTable(pace: 2)
    table.board.add(3)
    #expect(table.steps() == ["run 3 on 0"])
    table.begun.insert(3)
    #expect(table.board.workerFinished(1) == 1)
    #expect(table.steps() == [])
    #expect(table.board.hand(of: 0) == [2, 3])
  }

  @Test func `what waits behind a long call goes first elsewhere, also when others are never idle`() {
    var table = busyTable(pace: 2)
    table.board.add(3)
    #expect(table.steps() == ["run 3 on 0"])
    for call in 4...200 { table.board.add(call) }
    _ = table.steps()
    var ran: [Int] = []
    while !ran.contains(3), ran.count < 50 {
      ran.append(table.board.workerFinished(1)!)
      _ = table.steps()
    }
    #expect(ran.last == 3)
    #expect(table.board.hand(of: 0) == [2])
  }

  @Test func `a call that is cancelled in a worker's hand leaves it, and the worker is idle when it was the only one`() {
    var table = busyTable(pace: 2)
    table.board.add(3)
    #expect(table.steps() == ["run 3 on 0"])
    table.board.remove(3, from: 0)
    #expect(table.board.workerFinished(0) == 2)
    #expect(table.board.idleSeats == [0])
  }

  @Test func `a worker gets no more calls ahead than it may run in its life`() {
    var table = Table(workers: 1, tasksPerChild: 2)
    for call in 1...5 { table.board.add(call) }
    _ = table.steps()
    table.board.workerIsReady(0)
    table.board.setPace(10, of: 0)
    #expect(table.steps() == ["run 1 on 0", "run 2 on 0"])
    #expect(table.board.workerFinished(0) == 1)
    #expect(table.steps() == [])
    #expect(table.board.workerFinished(0) == 2)
    #expect(table.steps() == ["dismiss 0", "start 1"])
  }

  @Test func `a worker that retires is replaced, and ends without what it had not begun`() {
    var table = busyTable(pace: 2)
    table.board.add(3)
    _ = table.steps()
    table.board.remove(3, from: 0)
    table.board.putBack([3])
    table.board.retire(0)
    #expect(table.steps() == ["dismiss 0", "start 2", "run 3 on 1"])
    #expect(table.board.workerEnded(0) == [2])
  }

  @Test func `an idle worker can be dismissed, and another starts when it is needed`() {
    var table = Table(workers: 1)
    table.board.add(1)
    _ = table.steps()
    table.board.workerIsReady(0)
    _ = table.steps()
    _ = table.board.workerFinished(0)
    table.board.dismissIdle(0)
    #expect(table.steps() == ["dismiss 0"])
    #expect(table.board.workerEnded(0) == [])
    #expect(table.steps() == [])
    table.board.add(2)
    #expect(table.steps() == ["start 0"])
  }

  // MARK: Whatever happens

  @Test(arguments: 0..<40) func `whatever happens, every call is finished, lost with its worker or in line`(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let workers = Int.random(in: 1...4, using: &random)
    var table = Table(workers: workers, tasksPerChild: Bool.random(using: &random) ? 3 : nil)
    var starting: [Int] = []
    var hands: [Int: [Int]] = [:]
    var leaving: [Int] = []
    var outcomes: [Int: Int] = [:]
    var added = 0
    var hasEnded = false
    func take() {
      while let step = table.board.next(
        claim: { _ in true },
        withdraw: { call, worker in
          guard hands[worker]!.first != call, Bool.random(using: &random) else { return false }
          hands[worker]!.removeAll { $0 == call }
          return true
        }, hasRoom: { _ in Bool.random(using: &random) })
      {
        switch step {
        case .start(let worker): starting.append(worker)
        case .run(let call, let worker): hands[worker]!.append(call)
        case .dismiss(let worker):
          #expect(hands.removeValue(forKey: worker) == [])
          leaving.append(worker)
        case .giveUp(let calls): for call in calls { outcomes[call, default: 0] += 1 }
        case .end: hasEnded = true
        }
        #expect(hands.count + starting.count <= workers)
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
          hands[worker] = []
        }
      case 2:
        if let (worker, hand) = hands.randomElement(using: &random), !hand.isEmpty {
          #expect(table.board.workerFinished(worker) == hand[0])
          hands[worker]!.removeFirst()
          outcomes[hand[0], default: 0] += 1
        }
      case 3:
        if let (worker, hand) = hands.randomElement(using: &random) {
          hands[worker] = nil
          #expect(table.board.workerEnded(worker) == hand)
          let lost = Bool.random(using: &random) ? 1 : 0
          table.board.putBack(Array(hand.dropFirst(lost)))
          for call in hand.prefix(lost) { outcomes[call, default: 0] += 1 }
        }
      case 4:
        if let (worker, _) = hands.randomElement(using: &random) {
          table.board.setPace(Int.random(in: 1...5, using: &random), of: worker)
        }
      case 5: if let worker = leaving.popLast() { #expect(table.board.workerEnded(worker) == []) }
      case 6: if let worker = starting.popLast() { #expect(table.board.workerEnded(worker) == []) }
      case 7:
        if let (worker, hand) = hands.randomElement(using: &random), hand.count > 1 {
          table.board.remove(hand[1], from: worker)
          hands[worker]!.remove(at: 1)
          outcomes[hand[1], default: 0] += 1
        }
      default: break
      }
      take()
      for (worker, hand) in hands { #expect(table.board.hand(of: worker) == hand) }
    }
    for _ in 0..<500 { happen([0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7].randomElement(using: &random)!) }
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
