internal import SpindleGround
import SpindleQueues
internal import SpindleThreads

/// The life of a process in which actors live.
enum ActorHostMain {
  static func run() -> Int32 {
    let channel = ControlChannel.ofWorker
    guard let first = channel.receive(), first.kind == .actorConfiguration,
      let configuration = try? Wire.decode(ActorConfiguration.self, from: first.bytes)
    else { return 127 }
    ProcessIdentity.current = configuration.identity
    // Tasks send, and must not wait for room in the socket: a thread does that for them. A daemon, so that a method that
    // calls exit() ends the process.
    let outgoing = Queue<ControlFrame>()
    let sender = OSThread(name: "spindle-actors", isDaemon: true) {
      while let frame = try? outgoing.get() {
        channel.send(frame)
        FaultPoint.actorMessageSent.reach()
      }
    }
    sender.start()
    let system = ProcessActorSystem(
      name: configuration.identity.name, node: configuration.node, uplink: { try? outgoing.put($0) },
      endsWhenUnused: configuration.endsWhenUnused)
    while let frame = channel.receive(), frame.kind != .actorDismissal { system.receive(frame, from: nil) }
    // What has been answered arrives; what still runs ends with the process.
    outgoing.shutdown()
    sender.join()
    return 0
  }
}
