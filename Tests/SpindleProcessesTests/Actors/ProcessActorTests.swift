import CSpindle
import Distributed
import Glibc
import Spindle
import SpindleTestSupport
import Testing

private func makeCounter(_ system: ProcessActorSystem, _ start: Int) -> Counter {
  Counter(actorSystem: system, from: start)
}

private distributed actor Hidden {
  typealias ActorSystem = ProcessActorSystem
  init(actorSystem: ProcessActorSystem) { self.actorSystem = actorSystem }
  distributed func answer() -> Int { 43 }
}

@Suite struct ProcessActorTests {
  @Test("an actor lives in another process and keeps its state there")
  func state() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 40)
      #expect(try await counter.add(1) == 41)
      #expect(try await counter.add(1) == 42)
      #expect(try await counter.current == 42)
      try await counter.reset()
      #expect(try await counter.current == 0)
      let process = try await counter.process()
      #expect(process != getpid())
      #expect(system.processes.map(\.pid) == [process])
    }
  }

  @Test("what makes an actor may be an initialiser, a function or a literal, and needs no arguments")
  func makers() async throws {
    try await withSystem { system in
      let process = try system.startProcess(name: "makers")
      #expect(process.name == "makers")
      let first = try await process.spawn(makeCounter, 1)
      let second = try await process.spawn({ system, start in Counter(actorSystem: system, from: start * 2) }, 1)
      let third = try await process.spawn({ system in Counter(actorSystem: system, from: 3) })
      let fourth = try await process.spawn(Relay.init(actorSystem:))
      #expect(try await [first.current, second.current, third.current] == [1, 2, 3])
      let here = try await first.process()
      #expect(try await [second.process(), third.process(), fourth.process()] == [here, here, here])
      #expect(process.pid == here)
      let captured = Int.random(in: 0...9)
      await #expect(throws: CapturedContextError.self) {
        try await process.spawn({ system in Counter(actorSystem: system, from: captured) })
      }
    }
  }

  @Test("private and local actors live in other processes too")
  func privateActors() async throws {
    distributed actor Local {
      typealias ActorSystem = ProcessActorSystem
      init(actorSystem: ProcessActorSystem) { self.actorSystem = actorSystem }
      distributed func answer() -> Int { 42 }
    }
    try await withSystem { system in
      let local = try await system.spawn(Local.init(actorSystem:))
      #expect(try await local.answer() == 42)
      let hidden = try await system.spawn(Hidden.init(actorSystem:))
      #expect(try await hidden.answer() == 43)
    }
  }

  @Test("errors of methods come back as themselves, typed where the method is; others as RemoteError")
  func errors() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 5)
      #expect(try await counter.check(5) == 5)
      await #expect(throws: CounterFailure.tooMuch(5)) { try await counter.check(4) }
      await #expect(throws: CounterFailure.tooMuch(5)) { try await counter.checkTyped(4) }
      let error = await #expect(throws: RemoteError.self) { try await counter.hide() }
      #expect(error?.typeName == "SpindleProcessesTests.Secret")
      #expect(error?.worker == "actors-1")
      #expect(try await counter.add(0) == 5)
    }
  }

  @Test("generic methods run with their type arguments")
  func generics() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 0)
      #expect(try await counter.twice("x") == ["x", "x"])
      #expect(try await counter.twice([1.5: Optional(3)]) == [[1.5: 3], [1.5: 3]])
      #expect(try await counter.pair(1, "b") == ["b": 1])
    }
  }

  @Test("an error while it is made is thrown, and a process made for it alone ends")
  func failedMaking() async throws {
    try await withSystem { system in
      await #expect(throws: CounterFailure.tooMuch(0)) {
        try await system.spawn(Counter.init(actorSystem:failing:), 0)
      }
      let death = await #expect(throws: WorkerDiedError.self) {
        try await system.spawn(Counter.init(actorSystem:failing:), 1)
      }
      #expect(death?.exitStatus == .signalled(SIGKILL))
      for process in system.processes { await process.shutdown() }
      #expect(system.processes.isEmpty)
    }
  }

  @Test("calls of several tasks run one at a time, those of one task in order")
  func isolation() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 0)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            var last = 0
            for _ in 0..<50 {
              let now = try await counter.add(1)
              #expect(now > last)
              last = now
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await counter.current == 400)
    }
  }

  @Test("large arguments and results arrive whole")
  func large() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let numbers = (0..<500_000).map { Double($0) }
      #expect(try await counter.sum(numbers) == numbers.reduce(0, +))
      #expect(try await counter.echo(numbers) == numbers)
    }
  }

  @Test("the death of a process is an error of its calls, also of later ones, and harms no other")
  func death() async throws {
    try await withSystem { system in
      let victim = try system.startProcess(name: "victim")
      let first = try await victim.spawn(Counter.init(actorSystem:from:), 1)
      let second = try await victim.spawn(Counter.init(actorSystem:from:), 2)
      let other = try await system.spawn(Counter.init(actorSystem:from:), 3)
      let waiting = Task { try await second.waitForCancellation() }
      while try await second.current != 1 {}
      victim.kill()
      let error = await #expect(throws: WorkerDiedError.self) { try await waiting.value }
      #expect(error?.worker == "victim")
      #expect(error?.exitStatus == .signalled(SIGKILL))
      #expect(error?.call?.contains("waitForCancellation") == true)
      let later = await #expect(throws: WorkerDiedError.self) { try await first.add(1) }
      #expect(later?.exitStatus == .signalled(SIGKILL))
      #expect(try await other.add(1) == 4)
      let code = try await system.spawn(Counter.init(actorSystem:from:), 1)
      let exit = await #expect(throws: WorkerDiedError.self) { try await code.exit(7) }
      #expect(exit?.exitStatus == .exited(7))
    }
  }

  @Test("cancelling the caller's task cancels the method's")
  func cancellation() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let task = Task { try await counter.waitForCancellation() }
      while try await counter.current != 1 {}
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(try await counter.add(1) == 2)
    }
  }

  @Test("after shutdown every call is an error, and no process is left")
  func shutdown() async throws {
    let system = ProcessActorSystem(name: "short")
    let counter = try await system.spawn(Counter.init(actorSystem:from:), 0)
    let process = try #require(system.processes.first)
    #expect(process.name == "short-1")
    let waiting = Task { try await counter.waitForCancellation() }
    while try await counter.current != 1 {}
    await system.shutdown()
    await #expect(throws: ProcessActorError.self) { try await waiting.value }
    #expect(process.exitStatus == .exited(0))
    #expect(system.processes.isEmpty)
    await #expect(throws: ProcessActorError.self) { try await counter.add(1) }
    await #expect(throws: ProcessActorError.self) { try await system.spawn(Counter.init(actorSystem:from:), 0) }
    await system.shutdown()
  }

  @Test("under the fork server it is the same")
  func forkServer() async throws {
    try await withSystem { system in
      let process = try system.startProcess(name: "forked", startMethod: .forkServer)
      let counter = try await process.spawn(Counter.init(actorSystem:from:), 1)
      #expect(try await counter.add(1) == 2)
      await #expect(throws: CounterFailure.tooMuch(2)) { try await counter.check(0) }
    }
  }
}
