internal import SpindleFutures
internal import SpindleGround

/// What a process pool hands to a worker, without the type of its result.
///
///     inLine ──► handed ──► over         the worker's reply, or its death
///        │         │ ▲
///        │         ▼ │
///        └──► takenBack · inLine         cancelled; or the worker died before it began the call
// SAFETY: `standing`, `stopRequested`, `losses`, `attempts` and `deadline` belong to the pool's lock. The bytes and
// the future belong to it until the call is over, then to whoever ended the call.
class PoolCall: RemoteWork, Equatable, @unchecked Sendable {
  enum Standing {
    case inLine
    /// By seat of the worker and number of the slot.
    case handed(Int, UInt64)
    case takenBack, over
  }

  enum ReasonOfKill { case deadline, request }

  let core: ProcessPoolCore
  let target: CallTarget
  let isBatch: Bool
  /// The target's header, then the arguments.
  fileprivate(set) var bytes: [UInt8]
  fileprivate(set) var attachments: AttachmentList?
  let options: CallOptions
  var standing = Standing.inLine
  var isStopRequested = false
  /// So many workers died without having begun it when it was the next for them.
  var losses = 0
  /// So many workers died while they ran it.
  var attempts = 0
  /// When it has run too long. Known while it runs, or is the next to run.
  var deadline = Deadline.never
  /// Why its worker was killed, if the pool did so.
  var reasonOfKill: ReasonOfKill?
  /// Where header and arguments are when they are too large for a slot, and there was memory for them.
  private(set) var block: PoolMemory.Block?
  private(set) var blockCount = 0
  let isTooLarge: Bool

  fileprivate init(
    core: ProcessPoolCore, target: CallTarget, bytes: [UInt8], isBatch: Bool, attachments: AttachmentList?,
    options: CallOptions
  ) {
    self.core = core
    self.target = target
    self.bytes = bytes
    self.isBatch = isBatch
    self.attachments = attachments.flatMap { $0.count > 0 ? $0 : nil }
    self.options = options
    isTooLarge = bytes.count > CallLink.room
    if isTooLarge, self.attachments == nil, let block = try? core.memory?.take(bytes.count) {
      unsafe bytes.withUnsafeBytes { unsafe block.bytes($0.count).copyMemory(from: $0) }
      self.block = block
      blockCount = bytes.count
      self.bytes = []
    }
  }

  static func == (a: PoolCall, b: PoolCall) -> Bool { a === b }

  /// What runs, for a message: the function's name or the job's type.
  final var name: String { describeCall(target.header) }

  /// No code of the user runs in `finish`.
  var isPlain: Bool { false }
  /// Ends the future. True when its callbacks are still to be called, by `callBack`.
  func finish(_ reply: UnsafeRawBufferPointer, isBatch: Bool, attachments: AttachmentList?) -> Bool { false }
  func fail(_ error: any Error) {}
  func callBack() {}
  func cancel() {}
  func isAwaited(by future: AnyFuture) -> Bool { false }
  /// How long its worker has had it, at most. Under the pool's lock.
  func took(nanoseconds: Int64) {}

  /// The call is over: nothing of it is needed any more.
  func drop() { dropArguments() }

  /// Gives back the memory of header and arguments.
  fileprivate final func dropArguments() {
    bytes = []
    attachments = nil
    if let block {
      core.memory?.giveBack(block)
      self.block = nil
    }
  }

  /// The error of a call that was lost with its worker. Reads the program's symbols.
  final func loss(_ worker: (name: String, pid: Int32), _ end: WorkerProcess.End) -> any Error {
    var detail: String?
    switch reasonOfKill {
    case .deadline:
      let limit = options.deadline.map { "\($0)" } ?? "it may"
      return TimeoutError(operation: "\(name), which ran longer than \(limit); its worker was killed")
    case .request: detail = "killed by ProcessPool.kill"
    case nil:
      if losses >= ProcessPoolCore.patience { detail = "\(losses) workers died as they were to begin this call" }
    }
    return WorkerDiedError(worker: worker.name, pid: worker.pid, end: end, call: name, detail: detail)
  }

  // MARK: What the future asks

  final func takeBack() -> Bool { core.takeBack(self) }
  final var hasBegun: Bool { core.hasBegun(self) }
  final func requestStop() { core.requestStop(of: self) }
  final func attend(_ future: AnyFuture) { core.attend(future) }
}

/// A call with the future of what its reply holds.
class FutureCall<Value: Sendable>: PoolCall, @unchecked Sendable {
  /// Nil when it is over.
  private var future: Future<Value>?

  /// The future of this call; once.
  final func makeFuture() -> Future<Value> {
    let future = Future<Value>.remote(self)
    self.future = future
    return future
  }

  /// What a reply holds; throws the error that it holds, or says that it is malformed.
  func decode(_ reply: UnsafeRawBufferPointer, isBatch: Bool, attachments: AttachmentList?) throws -> Value {
    throw FunctionNameError("malformed reply")
  }

  final override func cancel() { _ = future?.cancel() }
  final override func isAwaited(by future: AnyFuture) -> Bool { self.future === future }
  final override func callBack() {
    future?.callBack()
    future = nil
  }

  final override func drop() {
    future = nil
    dropArguments()
  }

  final override func finish(_ reply: UnsafeRawBufferPointer, isBatch: Bool, attachments: AttachmentList?) -> Bool {
    dropArguments()
    guard let future else { return false }
    let hasCallbacks: Bool
    do {
      hasCallbacks = future.endRemotely(try unsafe decode(reply, isBatch: isBatch, attachments: attachments))
    } catch {
      hasCallbacks = future.failRemotely(error)
    }
    if !hasCallbacks { self.future = nil }
    return hasCallbacks
  }

  final override func fail(_ error: any Error) {
    dropArguments()
    guard let future else { return }
    if future.failRemotely(error) { future.callBack() }
    self.future = nil
  }
}

/// One call.
final class SingleCall<Output: Sendable>: FutureCall<Output>, @unchecked Sendable {
  private let call: Call<Output>

  init(_ call: Call<Output>, attachments: AttachmentList?, core: ProcessPoolCore, options: CallOptions) {
    self.call = call.withoutArguments
    super.init(
      core: core, target: call.target, bytes: call.bytes, isBatch: false, attachments: attachments,
      options: options)
  }

  override var isPlain: Bool { call.givesPlainValue }

  override func decode(_ reply: UnsafeRawBufferPointer, isBatch: Bool, attachments: AttachmentList?) throws -> Output {
    guard !isBatch else { throw FunctionNameError("malformed reply") }
    return try unsafe call.result(of: reply, attachments: attachments)
  }
}

/// The values of calls in a row, up to the first that failed.
struct Chunk<Value: Sendable>: Sendable {
  var values: [Value] = []
  var error: (any Error)?
}

/// Several calls of a map that travel together.
final class ChunkCall<Value: Sendable>: FutureCall<Chunk<Value>>, @unchecked Sendable {
  private let call: Call<Value>
  private let count: Int
  private let sizes: ChunkSizes?
  /// The call after the last could not be encoded.
  private let error: (any Error)?

  /// - Parameters:
  ///   - call: any one of the calls: they differ in their arguments only.
  ///   - batch: the arguments of all.
  init(
    _ call: Call<Value>, batch: ByteBatch, count: Int, attachments: AttachmentList?, error: (any Error)?,
    core: ProcessPoolCore, options: CallOptions, sizes: ChunkSizes?
  ) {
    self.sizes = sizes
    self.call = call.withoutArguments
    self.count = count
    self.error = error
    super.init(
      core: core, target: call.target, bytes: call.target.header + batch.bytes, isBatch: true, attachments: attachments, options: options)
  }

  override func took(nanoseconds: Int64) { sizes?.note(count, nanoseconds: nanoseconds) }

  override var isPlain: Bool { call.givesPlainValue }

  override func decode(
    _ reply: UnsafeRawBufferPointer, isBatch: Bool, attachments: AttachmentList?
  ) throws -> Chunk<Value> {
    var chunk = Chunk<Value>(error: error)
    do {
      guard isBatch else {
        // An error of the whole, as that the function is not known there.
        _ = try unsafe call.result(of: reply)
        throw FunctionNameError("malformed reply")
      }
      chunk.values.reserveCapacity(count)
      let replies = try unsafe ByteBatch.forEach(of: reply) { part in
        guard chunk.values.count < count else { throw FunctionNameError("malformed reply") }
        chunk.values.append(try unsafe call.result(of: part, attachments: attachments))
      }
      if !replies || chunk.values.count < count { throw FunctionNameError("malformed reply") }
    } catch {
      chunk.error = error
    }
    return chunk
  }
}
