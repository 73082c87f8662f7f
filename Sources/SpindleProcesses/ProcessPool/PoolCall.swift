public import SpindleFutures
internal import SpindleGround

/// What a process pool hands to a worker: the bytes, and the future that gets the result.
///
///     inLine ──► handed ──► over         the worker's reply, or its death
///        │         │ ▲
///        │         ▼ │
///        └──► takenBack · inLine         cancelled; or the worker died before it began the call
///
/// Not generic, so that nothing that is done for each call has to look for types at run time: only `end` knows the
/// type of the result.
// SAFETY: `standing`, `stopRequested`, `losses`, `attempts` and `deadline` belong to the pool's lock. The bytes and
// the future belong to it until the call is over, then to whoever ended the call. `@exclusivity(unchecked)`: so no two
// accesses overlap.
@usableFromInline
final class PoolCall: RemoteWork, Equatable, @unchecked Sendable {
  enum Standing {
    case inLine
    /// By seat of the worker and number of the slot.
    case handed(Int, UInt64)
    case takenBack, over
  }

  enum ReasonOfKill { case deadline, request }

  /// Ends the future with what a reply holds. True when its callbacks are still to be called.
  @usableFromInline typealias End = @Sendable (AnyFuture, PoolReply) -> Bool

  let core: ProcessPoolCore
  let target: CallTarget
  /// Several calls in a row.
  let row: Row?
  /// The arguments; with the target's header before them, or without.
  private(set) var bytes: [UInt8]
  private let hasHeader: Bool
  private(set) var attachments: AttachmentList?
  let options: CallOptions
  /// No code of the user runs in `finish`.
  let isPlain: Bool
  private let end: End
  /// Nil when it is over.
  private var future: AnyFuture?
  @exclusivity(unchecked) private var storedStanding = Standing.inLine
  var standing: Standing {
    @inline(__always) get { unsafe storedStanding }
    @inline(__always) _modify { yield unsafe &storedStanding }
  }
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

  /// How many calls there are in a row.
  struct Row: Sendable {
    var count: Int
    /// To be told how long they took.
    var sizes: ChunkSizes?
  }

  init(
    core: ProcessPoolCore, target: CallTarget, bytes: [UInt8], hasHeader: Bool, row: Row? = nil,
    attachments: AttachmentList? = nil, options: CallOptions, isPlain: Bool, end: @escaping End
  ) {
    self.core = core
    self.target = target
    self.bytes = bytes
    self.hasHeader = hasHeader
    self.row = row
    self.attachments = attachments.flatMap { $0.count > 0 ? $0 : nil }
    self.options = options
    self.isPlain = isPlain
    self.end = end
    let count = bytes.count + (hasHeader ? 0 : target.header.count)
    isTooLarge = count > CallLink.room
    if isTooLarge, self.attachments == nil, let block = try? core.memory?.take(count) {
      unsafe write(into: block.bytes(count))
      self.block = block
      blockCount = count
      self.bytes = []
    }
  }

  /// Header and arguments lie in the block already.
  init(
    core: ProcessPoolCore, target: CallTarget, block: PoolMemory.Block, count: Int, options: CallOptions, isPlain: Bool,
    end: @escaping End
  ) {
    self.core = core
    self.target = target
    bytes = []
    hasHeader = true
    row = nil
    self.options = options
    self.isPlain = isPlain
    self.end = end
    isTooLarge = true
    self.block = block
    blockCount = count
  }

  // MARK: The bytes

  /// The header, if it is to be written, and the arguments.
  private func write(into memory: UnsafeMutableRawBufferPointer, withHeader: Bool = true) {
    var memory = unsafe memory
    if withHeader, !hasHeader {
      unsafe memory.copyBytes(from: target.header)
      unsafe memory = UnsafeMutableRawBufferPointer(rebasing: memory[target.header.count...])
    }
    let skipped = hasHeader && !withHeader ? target.header.count : 0
    unsafe bytes.withUnsafeBytes { unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[skipped...])) }
  }

  func byteCount(withHeader: Bool) -> Int {
    bytes.count + (hasHeader ? 0 : target.header.count) - (withHeader ? 0 : target.header.count)
  }

  /// Writes a call that is not too large into a slot.
  func write(intoSlot slot: UnsafeMutableRawBufferPointer, withHeader: Bool) {
    unsafe write(into: slot, withHeader: withHeader)
  }

  /// For a message.
  var bytesWithHeader: [UInt8] { hasHeader ? bytes : target.header + bytes }

  @usableFromInline
  static func == (a: PoolCall, b: PoolCall) -> Bool { a === b }

  /// What runs, for a message: the function's name or the job's type.
  var name: String { describeCall(target.header) }

  /// How long its worker has had it, at most. Under the pool's lock.
  func took(nanoseconds: Int64) {
    if let row { row.sizes?.note(row.count, nanoseconds: nanoseconds) }
  }

  /// Gives back the memory of header and arguments.
  private func dropArguments() {
    bytes = []
    if attachments != nil { attachments = nil }
    if let block {
      core.memory?.giveBack(block)
      self.block = nil
    }
  }

  /// The error of a call that was lost with its worker. Reads the program's symbols.
  func loss(_ worker: (name: String, pid: Int32), _ end: WorkerProcess.End) -> any Error {
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

  @usableFromInline func takeBack() -> Bool { core.takeBack(self) }
  @usableFromInline var hasBegun: Bool { core.hasBegun(self) }
  @usableFromInline func requestStop() { core.requestStop(of: self) }
  @usableFromInline func attend(_ future: AnyFuture) { core.attend(future) }

  // MARK: The end

  /// A call has one future, which has it.
  @usableFromInline
  func ends(_ future: AnyFuture) { self.future = future }

  func cancel() { _ = future?.cancel() }
  func isAwaited(by future: AnyFuture) -> Bool { self.future === future }

  /// Ends the future. True when its callbacks are still to be called, by `callBack`.
  func finish(_ reply: PoolReply) -> Bool {
    dropArguments()
    guard let future else { return false }
    let hasCallbacks = end(future, reply)
    if !hasCallbacks { self.future = nil }
    return hasCallbacks
  }

  func fail(_ error: any Error) {
    dropArguments()
    guard let future else { return }
    if future.failRemotely(error) { future.callBack() }
    self.future = nil
  }

  func callBack() {
    future?.callBack()
    future = nil
  }

  /// The call is over: nothing of it is needed any more.
  func drop() {
    future = nil
    dropArguments()
  }
}

/// A reply as whoever delivers it reads it.
// SAFETY: whoever makes one has the bytes for as long as it is used, which is within `finish`.
@usableFromInline
@safe struct PoolReply {
  let bytes: UnsafeRawBufferPointer
  let isBatch: Bool
  let attachments: AttachmentList?
  /// For one reply after the other.
  let spare: SpareReader

  /// The value, or the error that the reply holds, or what is wrong with it.
  func value<Output>(of call: Call<Output>) throws -> Output {
    if isBatch { throw Self.malformed }
    return try unsafe call.result(of: bytes, attachments: attachments)
  }

  static var malformed: FunctionNameError { FunctionNameError("malformed reply") }
}

/// The values of calls in a row, up to the first that failed.
struct Chunk<Value: Sendable>: Sendable {
  var values: [Value] = []
  var error: (any Error)?

  /// - Parameter failure: of the argument after the last, which could not be encoded.
  init<Argument: Codable & Sendable>(
    _ reply: PoolReply, of _: CallRow<Argument, Value>, count: Int, failure: (any Error)?
  ) where Value: Codable {
    error = failure
    do {
      var reader = unsafe WireReader(reply.bytes, attachments: reply.attachments)
      // An error of the whole, as that the function is not known there.
      if !reply.isBatch { throw try reader.decode(ReplyKind.self).error(&reader) }
      try CallRow<Argument, Value>.read(&reader, count: count, into: &values)
    } catch {
      self.error = error
    }
  }

  init() {}
}
