import Distributed
import Spindle

/// Actors in processes of their own.
let actorStops: [Stop] = [
  Stop(
    "manager = mp.Manager(): an object that lives in a process of its own",
    swift: #"""
      distributed actor Counter {
        typealias ActorSystem = ProcessActorSystem
        var value = 0
        init(actorSystem: ProcessActorSystem) { self.actorSystem = actorSystem }
        distributed func add(_ n: Int) -> Int { value += n; return value }
      }
      let end = Event()
      Task {
        defer { end.set() }
        let system = ProcessActorSystem()
        let counter = try await system.spawn(Counter.init(actorSystem:))
        _ = try await counter.add(40)
        print(try await counter.add(2))
        system.processes[0].kill()
        do { _ = try await counter.add(1) } catch is WorkerDiedError { print("died") }
        await system.shutdown()
      }
      end.wait()
      """#,
    prints: ["42", "died"]
  ) { print in
    distributed actor Counter {
      typealias ActorSystem = ProcessActorSystem
      var value = 0
      init(actorSystem: ProcessActorSystem) { self.actorSystem = actorSystem }
      distributed func add(_ n: Int) -> Int { value += n; return value }
    }
    let end = Event()
    Task {
      defer { end.set() }
      let system = ProcessActorSystem()
      let counter = try await system.spawn(Counter.init(actorSystem:))
      _ = try await counter.add(40)
      print(try await counter.add(2))
      system.processes[0].kill()
      do { _ = try await counter.add(1) } catch is WorkerDiedError { print("died") }
      await system.shutdown()
    }
    end.wait()
  },
]
