#if DEBUG
  import Glibc
  import Spindle
  import SpindleProcesses
  import SpindleTestSupport
  import Testing

  private func takeAndDie(_ queue: SharedQueue<Int>, _ count: Int) throws {
    for _ in 0..<count { _ = try queue.get() }
    kill(getpid(), SIGKILL)
  }
  /// Takes until it dies there.
  private func takeAndDieAt(_ queue: SharedQueue<Int>, _ point: UInt8) throws {
    FaultPoint(rawValue: point)?.arm()
    while true {
      _ = try queue.get()
      queue.taskDone()
    }
  }
  private func buryAndDieAt(_ queue: SharedQueue<Int>, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    _ = queue.lostCount
  }
  private func closeAndDieAt(_ queue: SharedQueue<Int>, _ point: UInt8) {
    FaultPoint(rawValue: point)?.arm()
    queue.shutdown(immediate: true)
  }

  private func die<each Argument: Codable & Sendable>(
    _ body: @escaping @Sendable (repeat each Argument) throws -> Void, _ argument: repeat each Argument
  ) {
    let child = ChildProcess(target: body, repeat each argument)
    child.start()
    let error = #expect(throws: WorkerDiedError.self) { try child.join() }
    #expect(error?.exitStatus == .signalled(SIGKILL))
  }

  /// Who sees to what the dead have left may die in the middle of it.
  @Suite(.watchdog(seconds: 120)) struct SharedQueueDoubleDeathTests {
    /// Takes and counts are right: join waits for what is in somebody's hands, and for nothing else.
    private func check(_ queue: SharedQueue<Int>, lost: Int) throws {
      #expect(queue.lostCount == lost)
      // One who dies between taking and noting it is seen only if all else adds up.
      try queue.put(1)
      die(takeAndDieAt, queue, FaultPoint.ringCommitted.rawValue)
      queue.join()
      #expect(queue.lostCount == lost + 1)
      for _ in 0..<3 {
        try queue.put(2)
        #expect(try queue.get() == 2)
        #expect(!queue.join(timeout: .zero))
        queue.taskDone()
        #expect(queue.join(timeout: .zero))
      }
      // And so are the hands of the next to die.
      try queue.put(3)
      try queue.put(4)
      die(takeAndDie, queue, 2)
      queue.join()
      #expect(queue.lostCount == lost + 3)
    }

    @Test(arguments: [FaultPoint.queueLossNoted, .queueUserBuried])
    func `a process that dies while it buries another leaves the counts right`(_ point: FaultPoint) throws {
      let queue = SharedQueue<Int>()
      for number in 0..<3 { try queue.put(number) }
      _ = try queue.get()
      queue.taskDone()
      die(takeAndDie, queue, 2)
      die(buryAndDieAt, queue, point.rawValue)
      // As long as the line is not free the next one is where this one was.
      if point == .queueLossNoted { die(buryAndDieAt, queue, point.rawValue) }
      queue.join()
      try check(queue, lost: 2)
    }

    @Test func `a process that dies while it counts what another has lost leaves the counts right`() throws {
      let queue = SharedQueue<Int>()
      try queue.put(1)
      try queue.put(2)
      die(takeAndDieAt, queue, FaultPoint.ringCommitted.rawValue)
      die(takeAndDieAt, queue, FaultPoint.queueLossNoted.rawValue)
      #expect(try queue.get() == 2)
      #expect(!queue.join(timeout: .zero))
      queue.taskDone()
      queue.join()
      try check(queue, lost: 1)
    }

    @Test(arguments: [FaultPoint.ringClosed, .ringStateWritten, .ringCommitted, .ringDropped])
    func `a process that dies while it finishes another's emptying leaves it to the next`(_ second: FaultPoint) throws {
      for first in [FaultPoint.ringClosed, .ringDropped] {
        let queue = SharedQueue<Int>()
        for number in 0..<3 { try queue.put(number) }
        #expect(try queue.get() == 0)
        die(closeAndDieAt, queue, first.rawValue)
        die(closeAndDieAt, queue, second.rawValue)
        #expect(queue.isShutDown && queue.isEmpty)
        // What was in it is done; what is in our hands is not.
        #expect(!queue.join(timeout: .zero))
        queue.taskDone()
        queue.join()
        #expect(queue.lostCount == 0)
        #expect(throws: QueueError.shutDown) { try queue.get() }
      }
    }
  }
#endif
