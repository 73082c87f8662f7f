import Distributed
import Glibc
import Spindle
import SpindleTestSupport
import Testing

@Suite(.watchdog(seconds: 120)) struct ActorReferenceTests {
  @Test("a reference can be passed to an actor in the same process, in another, and back")
  func passing() async throws {
    try await withSystem { system in
      let home = try system.startProcess()
      let counter = try await home.spawn(Counter.init(actorSystem:from:), 0)
      let neighbour = try await home.spawn(Relay.init(actorSystem:))
      let stranger = try await system.spawn(Relay.init(actorSystem:))
      #expect(try await neighbour.add(1, to: [counter]) == [1])
      #expect(try await stranger.add(1, to: [counter, counter]) == [2, 3])
      try await stranger.keep(counter)
      #expect(try await stranger.addToKept(10) == 13)
      let back = try #require(try await stranger.giveBack())
      #expect(back == counter)
      #expect(try await back.add(0) == 13)
    }
  }

  @Test("an actor of this process can be called from the others")
  func callback() async throws {
    try await withSystem { system in
      let local = Counter(actorSystem: system, from: 100)
      let relay = try await system.spawn(Relay.init(actorSystem:))
      #expect(try await relay.add(1, to: [local]) == [101])
      #expect(try await local.current == 101)
      try await relay.keep(local)
      #expect(try await relay.addToKept(1) == 102)
    }
  }

  @Test("an actor can be made by an actor, in its own process or in a new one below it")
  func nested() async throws {
    try await withSystem { system in
      let relay = try await system.spawn(Relay.init(actorSystem:))
      let beside = try await relay.makeHere(1)
      let below = try await relay.makeBelow(2)
      #expect(try await beside.add(1) == 2)
      #expect(try await below.add(1) == 3)
      let processes = try await [relay.process(), beside.process(), below.process()]
      #expect(processes[0] == processes[1] && processes[1] != processes[2])
      #expect(try await relay.add(1, to: [beside, below]) == [3, 4])
    }
  }

  @Test("a name finds its actor again, of the right type only, in its own system only")
  func resolve() async throws {
    try await withSystem { system in
      let counter = try await system.spawn(Counter.init(actorSystem:from:), 7)
      let again = try Counter.resolve(id: counter.id, using: system)
      #expect(try await again.add(1) == 8)
      let local = Counter(actorSystem: system, from: 1)
      #expect(try Counter.resolve(id: local.id, using: system) === local)
      #expect(throws: ProcessActorError.self) { try Relay.resolve(id: local.id, using: system) }
      let wrong = try Relay.resolve(id: counter.id, using: system)
      await #expect(throws: ProcessActorError.self) { try await wrong.forget() }
      let other = ProcessActorSystem()
      #expect(throws: ProcessActorError.self) { try Counter.resolve(id: counter.id, using: other) }
      await #expect(throws: (any Error).self) {
        let stray = Counter(actorSystem: other, from: 1)
        let relay = try await system.spawn(Relay.init(actorSystem:))
        try await relay.keep(stray)
      }
    }
  }

  @Test("an actor ends with the last reference to it, wherever that was, and then the process made for it")
  func release() async throws {
    try await withSystem { system in
      let queue = SharedQueue<String>(capacity: 10)
      var mortal: Mortal? = try await system.spawn(Mortal.init(actorSystem:telling:), queue)
      let process = try #require(system.processes.first)
      #expect(try await mortal?.hello() == "hello")
      mortal = nil
      #expect(try await queue.get(timeout: .seconds(20)) == "gone")
      await process.awaitEnd()
      #expect(process.exitStatus == .exited(0))
    }
  }

  @Test("a reference that another process keeps keeps the actor, until it forgets it or dies")
  func keptElsewhere() async throws {
    try await withSystem { system in
      var counter: Counter? = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let home = try #require(system.processes.first)
      let relay = try await system.spawn(Relay.init(actorSystem:))
      try await relay.keep(counter!)
      counter = nil
      #expect(try await relay.addToKept(1) == 1)
      #expect(home.isAlive)
      try await relay.forget()
      await home.awaitEnd()
      #expect(home.exitStatus == .exited(0))

      // The same with the end of who keeps it.
      var second: Counter? = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let secondHome = try #require(system.processes.last)
      try await relay.keep(second!)
      second = nil
      #expect(try await relay.addToKept(1) == 1)
      let keeper = try #require(system.processes.first)
      keeper.kill()
      await secondHome.awaitEnd()
      #expect(secondHome.exitStatus == .exited(0))
    }
  }

  @Test("names in a message that is refused unread keep nothing")
  func refused() async throws {
    try await withSystem { system in
      let remote = try await system.spawn(Counter.init(actorSystem:from:), 0)
      let relay = try Relay.resolve(id: remote.id, using: system)
      var local: Counter? = Counter(actorSystem: system, from: 0)
      weak let trace = local
      await #expect(throws: ProcessActorError.self) { try await relay.keep(local!) }
      local = nil
      while trace != nil { await Task.yield() }
    }
  }

  @Test("an actor of a third process that dies is an error for those who call it from the second")
  func deathElsewhere() async throws {
    try await withSystem { system in
      let home = try system.startProcess(name: "home")
      let counter = try await home.spawn(Counter.init(actorSystem:from:), 0)
      let relay = try await system.spawn(Relay.init(actorSystem:))
      #expect(try await relay.add(1, to: [counter]) == [1])
      home.kill()
      let error = await #expect(throws: WorkerDiedError.self) { try await relay.add(1, to: [counter]) }
      #expect(error?.worker == "home")
      #expect(error?.exitStatus == .signalled(SIGKILL))
    }
  }

  @Test("a system that nobody refers to any more ends its processes")
  func abandonedSystem() async throws {
    var system: ProcessActorSystem? = ProcessActorSystem()
    let process = try #require(try system?.startProcess())
    let counter = try await process.spawn(Counter.init(actorSystem:from:), 0)
    _ = try await counter.add(1)
    system = nil
    #expect(try await counter.add(1) == 2)  // The reference keeps the system.
    await process.shutdown()
    await #expect(throws: (any Error).self) { try await process.spawn(Counter.init(actorSystem:from:), 0) }
  }
}
