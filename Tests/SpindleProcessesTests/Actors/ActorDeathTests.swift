import Distributed
import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Synchronization
import Testing

/// What the end of a process means to all the others of a tree of actors.
@Suite(.watchdog(seconds: 180)) struct ActorDeathTests {
  @Test func `the death of a process further down is an error for who called from further up`() async throws {
    try await withSystem { system in
      let relay = try await system.spawn(Relay.init(actorSystem:))
      let below = try await relay.makeBelow(0)
      let process = try await below.process()
      let waiting = Task { try await below.waitForCancellation() }
      while try await below.current != 1 {}
      kill(process, SIGKILL)
      let error = await #expect(throws: WorkerDiedError.self) { try await waiting.value }
      #expect(error?.exitStatus == .signalled(SIGKILL))
      await #expect(throws: WorkerDiedError.self) { try await below.add(1) }
      let next = try await relay.makeBelow(5)
      #expect(try await next.current == 5)
    }
  }

  @Test func `what a process further down kept is released when it dies`() async throws {
    try await withSystem { system in
      var counter: Counter? = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let home = try #require(system.processes.last)
      let relay = try await system.spawn(Relay.init(actorSystem:))
      let below = try await relay.makeRelayBelow()
      let process = try await below.process()
      try await below.keep(counter!)
      counter = nil
      #expect(try await below.addToKept(1) == 1)
      #expect(home.isAlive)
      kill(process, SIGKILL)
      await home.awaitEnd()
      #expect(home.exitStatus == .exited(0))
    }
  }

  @Test func `what a process was told that has been shut down is released`() async throws {
    try await withSystem { system in
      let process = try system.startProcess()
      let relay = try await process.spawn(Relay.init(actorSystem:))
      await process.shutdown()
      var counter: Counter? = Counter(actorSystem: system, from: 0)
      weak let trace = counter
      await #expect(throws: ProcessActorError.self) { try await relay.add(1, to: [counter!]) }
      counter = nil
      while trace != nil { await Task.yield() }
    }
  }

  @Test func `a cancellation that comes before its call has been sent is not lost`() async throws {
    let cancels = Atomic<Bool>(false)
    let systems = ProcessActorSystem.loopback { frame in
      // As the call is about to be sent, the caller is cancelled: the cancellation goes ahead.
      guard frame.kind == .message(2), cancels.exchange(false, ordering: .relaxed) else { return }
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
    }
    let counter = try await systems.process.spawn(Counter.init(actorSystem:from:), 0)
    cancels.store(true, ordering: .relaxed)
    let task = Task { try await counter.waitForCancellation() }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await counter.add(0) == 1)
  }

  @Test func `after hundreds of ends it is still known who has ended, and nothing is kept for them`() async throws {
    try await withSystem { system in
      let relay = try await system.spawn(Relay.init(actorSystem:))
      let below = try await relay.makeRelayBelow()
      kill(try await below.process(), SIGKILL)
      await #expect(throws: WorkerDiedError.self) { while true { _ = try await below.process() } }
      for _ in 0..<30 {
        let others = try (0..<20).map { _ in try system.startProcess(startMethod: .forkServer) }
        for other in others { other.kill() }
        for other in others { await other.awaitEnd() }
      }
      // How it ended is forgotten by now, and not that it did.
      var counter: Counter? = Counter(actorSystem: system, from: 0)
      weak let trace = counter
      let error = await #expect(throws: ProcessActorError.self) { try await below.add(1, to: [counter!]) }
      #expect(error?.description == "the process of the actor has ended")
      counter = nil
      while trace != nil { await Task.yield() }
      // The one between lives.
      #expect(try await relay.makeHere(3).current == 3)
    }
  }

  #if DEBUG
    static let steps: [FaultPoint] = [
      .actorCallPosted, .actorCallTaken, .actorCallDone, .actorReplyPosted, .actorReplyTaken, .actorMessageSent,
      .actorMessagePassedOn, .actorNameCounted, .actorNameReleased,
    ]

    private func end(_ body: () async throws -> Void) async -> Bool {
      do {
        try await body()
        return false
      } catch {
        #expect(error is WorkerDiedError || error is ProcessActorError, "\(error)")
        return true
      }
    }

    /// Calls of all kinds between the root, an actor, one who calls and keeps it, and one further down.
    private func useAll(_ relay: Relay, _ counter: Counter, _ below: Relay) async -> Bool {
      var isOver = false
      if await end({ _ = try await relay.add(1, to: [counter]) }) { isOver = true }
      if await end({ try await relay.keep(counter) }) { isOver = true }
      if await end({ _ = try await relay.addToKept(1) }) { isOver = true }
      if await end({ _ = try await relay.giveBack() }) { isOver = true }
      if await end({ try await below.keep(counter) }) { isOver = true }
      if await end({ _ = try await below.addToKept(1) }) { isOver = true }
      if await end({ try await below.forget() }) { isOver = true }
      if await end({ try await relay.forget() }) { isOver = true }
      if await end({ _ = try await counter.current }) { isOver = true }
      return isOver
    }

    @Test func `a name that its teller had announced when it died keeps nothing`() async throws {
      try await withSystem { system in
        var counter: Counter? = try await system.spawn(Counter.init(actorSystem:from:), 0)
        let home = try #require(system.processes.last)
        let relay = try await system.spawn(Relay.init(actorSystem:))
        // Its replies to this and to `keep`, and then that it is about to name the counter.
        try await relay.arm(FaultPoint.actorMessageSent.rawValue, 3)
        try await relay.keep(counter!)
        await #expect(throws: WorkerDiedError.self) { try await relay.giveBack() }
        #expect(try await counter!.add(1) == 1)
        counter = nil
        await home.awaitEnd()
        #expect(home.exitStatus == .exited(0))
      }
    }

    enum Victim: CaseIterable { case actor, caller, below }

    @Test(arguments: steps, Victim.allCases)
    func `whoever dies at whichever step, every call ends and nothing is kept for the dead`(
      _ step: FaultPoint, _ victim: Victim
    ) async throws {
      for after in [1, 2, 3, 4, 5, 8] {
        try await withSystem { system in
          var counter: Counter? = try await system.spawn(Counter.init(actorSystem:from:), 0)
          let home = try #require(system.processes.last)
          let relay = try await system.spawn(Relay.init(actorSystem:))
          let below = try await relay.makeRelayBelow()
          switch victim {
          case .actor: _ = await end { try await counter!.arm(step.rawValue, after) }
          case .caller: _ = await end { try await relay.arm(step.rawValue, after) }
          case .below: _ = await end { try await below.arm(step.rawValue, after) }
          }
          // Some steps are never reached in some processes.
          for _ in 0..<4 where await useAll(relay, counter!, below) { break }
          // Whoever is left goes on.
          if home.isAlive, victim != .actor { #expect(try await counter!.add(1) > 0) }
          let fresh = try await system.spawn(Relay.init(actorSystem:))
          let other = try await system.spawn(Counter.init(actorSystem:from:), 1)
          #expect(try await fresh.add(1, to: [other]) == [2])
          // Nobody keeps the actor for the dead.
          counter = nil
          await home.awaitEnd()
          if victim != .actor { #expect(home.exitStatus == .exited(0)) }
        }
      }
    }
  #endif
}
