import Distributed
import Glibc
import Spindle

/// The scenarios with actors in processes. False when it is none of these.
func runActors(scenario: String) -> Bool {
  guard scenario == "actors" || scenario == "actors.leave" else { return false }
  let end = Event()
  Task {
    do {
      let system = ProcessActorSystem()
      let process = try system.startProcess(startMethod: startMethod)
      let tally = try await process.spawn(Tally.init(actorSystem:from:), 40)
      say("tally \(try await tally.add(2))")
      say("words \(try await tally.twice("x"))")
      do { try await tally.fail() } catch let error as TallyFailure { say("failure \(error.code)") }
      say("child \(process.pid!)")
      if scenario == "actors" {
        process.kill()
        do { _ = try await tally.add(1) } catch let error as WorkerDiedError { say("died \(error.exitStatus)") }
        await system.shutdown()
      } else {
        unsafe leftTally = tally
      }
    } catch {
      say("error \(error)")
    }
    end.set()
  }
  end.wait()
  say("main returns")
  return true
}

/// Not shut down: the end of the program is the end of its process.
nonisolated(unsafe) private var leftTally: Tally?

struct TallyFailure: Error, Codable { var code = 7 }

distributed actor Tally {
  typealias ActorSystem = ProcessActorSystem
  private var value: Int

  init(actorSystem: ProcessActorSystem, from start: Int) {
    self.actorSystem = actorSystem
    value = start
  }
  distributed func add(_ step: Int) -> Int {
    value += step
    return value
  }
  distributed func twice<T: Codable & Sendable>(_ item: T) -> [T] { [item, item] }
  distributed func fail() throws { throw TallyFailure() }
}
