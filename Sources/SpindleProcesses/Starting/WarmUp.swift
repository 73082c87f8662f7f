internal import CSpindle
internal import SpindleGround

/// Called by fork_server.c before the fork server takes requests: a worker's life is gone through here once, so that its copies find done
/// what is slow the first time. The runtime makes generic types and looks up conformances, the loader binds functions.
///
/// It starts no thread and leaves nothing behind but caches; `fork_server.c` counts the threads afterwards.
@_cdecl("spindle_warm_up")
func spindleWarmUp() {
  // What fails here is slow in the worker, or fails there and is told.
  _ = try? Rehearsal.ofChild()
  _ = try? Rehearsal.ofPoolWorker()
  _ = ControlChannel.ofWorker
  Rehearsal.lookUpCommonTypes()
}

/// A worker's life, with its parent's side played beforehand: everything it will read is there when it begins.
package enum Rehearsal {
  private static let identity = ProcessIdentity(name: "", isDaemon: false, numbers: [0])

  private static func call() throws -> Call<Int> {
    try Call({ (number: Int, text: String) in text.utf8.count + number }, 1, "")
  }

  /// The exit code: 0.
  package static func ofChild() throws -> Int32 {
    let socket = try ControlChannel.pair(for: identity.name)
    defer { extendLifetime(socket) }
    let parent = ControlChannel(socket: socket.mine.number)
    parent.send(ControlFrame(kind: ProcessRecord.Message.identity, bytes: try Wire.encode(identity)))
    parent.send(ControlFrame(kind: ProcessRecord.Message.call, bytes: try call().bytes))
    return CallEntry.run(over: ControlChannel(socket: socket.theirs.number))
  }

  /// What the call returned: 1.
  package static func ofPoolWorker() throws -> Int {
    let link = try CallLink()
    let files = [link.file!, try PoolMemory().file, try ReplyArena().file]
    let configuration = PoolConfiguration(identity: identity, initializer: nil, maxResidentMemory: nil, sharers: 1)
    let socket = try ControlChannel.pair(for: identity.name)
    defer { extendLifetime(socket) }
    ControlChannel(socket: socket.mine.number).send(
      ControlFrame(
        kind: .configuration, bytes: try Wire.encode(configuration),
        descriptors: files.map { OwnedDescriptor($0.descriptor, keptBy: $0) }))
    let call = try call()
    unsafe link.bytes(1).copyBytes(from: call.bytes)
    link.write(
      CallLink.Head(header: call.target.number, headerCount: call.target.header.count, count: call.bytes.count), 1)
    link.offer(1, stopRequested: false)
    link.dismiss()
    _ = PoolWorkerMain.run(over: ControlChannel(socket: socket.theirs.number))
    return try unsafe call.result(of: UnsafeRawBufferPointer(rebasing: link.bytes(1).prefix(link.head(1)?.count ?? 0)))
  }

  /// For each type that has not been met, the runtime goes through all conformances of the program.
  fileprivate static func lookUpCommonTypes() {
    let types: [Any.Type] = [
      Bool.self, Int.self, Int8.self, Int16.self, Int32.self, Int64.self, UInt.self, UInt8.self, UInt16.self, UInt32.self, UInt64.self,
      Double.self, Float.self, String.self, [Int].self, [UInt8].self, [Double].self, [String].self, [String: Int].self,
      [String: String].self, Int?.self, Double?.self, String?.self,
    ]
    for type in types where type is any Codable.Type { _ = ValueCoder.of(type) }
  }
}
