internal import SpindleFutures
internal import SpindleGround

/// What a process pool hands to one worker at a time, without the type of its result.
// SAFETY: `isClaimed` and `losses` belong to the pool's lock; everything else is constant.
class PoolCall: @unchecked Sendable {
  let frame: ControlFrame
  let stopLine: StopLine
  /// It was handed to a worker before, which died without having begun it.
  private var isClaimed = false
  private(set) var losses = 0

  init(frame: ControlFrame, stopLine: StopLine) {
    self.frame = frame
    self.stopLine = stopLine
  }

  /// Takes the right to run it; false when it was cancelled. Under the pool's lock.
  final func claim() -> Bool {
    if !isClaimed { isClaimed = begin() }
    return isClaimed
  }

  /// Counts a worker that died before it began this call. Under the pool's lock.
  final func countLoss() { losses += 1 }

  /// What runs, for a message: the function's name or the job's type.
  var name: String { "a call" }

  func begin() -> Bool { false }
  func finish(_ reply: ControlFrame) {}
  func fail(_ error: any Error) {}
  func cancel() {}
}

/// One call, and the promise of its result.
final class SingleCall<Output: Sendable>: PoolCall, @unchecked Sendable {
  private let call: Call<Output>
  private let promise: Promise<Output>

  init(_ call: Call<Output>, attachments: AttachmentList, promise: Promise<Output>, stopLine: StopLine) {
    self.call = call
    self.promise = promise
    super.init(frame: ControlFrame(kind: .call, bytes: call.bytes, descriptors: attachments.toSend), stopLine: stopLine)
  }

  override var name: String { describeCall(call.bytes) }
  override func begin() -> Bool { promise.begin() }
  override func fail(_ error: any Error) { promise.fail(error) }
  override func cancel() { promise.future.cancel() }

  override func finish(_ reply: ControlFrame) {
    let attachments = AttachmentList(receivedWith: reply)
    defer { attachments.closeRest() }
    promise.resolve(
      Result {
        guard reply.kind == .reply else { throw FunctionNameError("malformed reply") }
        return try call.result(of: reply.bytes, attachments: attachments)
      })
  }
}

/// The values of calls in a row, up to the first that failed.
struct Chunk<Value: Sendable>: Sendable {
  var values: [Value] = []
  var error: (any Error)?
}

/// Several calls of a map that travel together.
final class ChunkCall<Value: Sendable>: PoolCall, @unchecked Sendable {
  private let calls: [Call<Value>]
  /// The call after the last could not be encoded.
  private let error: (any Error)?
  private let promise: Promise<Chunk<Value>>

  init(
    _ calls: [Call<Value>], attachments: AttachmentList, error: (any Error)?, promise: Promise<Chunk<Value>>,
    stopLine: StopLine
  ) {
    self.calls = calls
    self.error = error
    self.promise = promise
    var batch = ByteBatch()
    for call in calls { batch.append(call.bytes) }
    super.init(frame: ControlFrame(kind: .batch, bytes: batch.bytes, descriptors: attachments.toSend), stopLine: stopLine)
  }

  override var name: String { calls.first.map { describeCall($0.bytes) } ?? "a call" }
  override func begin() -> Bool { promise.begin() }
  override func fail(_ error: any Error) { promise.fail(error) }
  override func cancel() { promise.future.cancel() }

  override func finish(_ reply: ControlFrame) {
    let attachments = AttachmentList(receivedWith: reply)
    defer { attachments.closeRest() }
    guard reply.kind == .batchReply, let replies = ByteBatch.parts(of: reply.bytes), replies.count <= calls.count else {
      promise.fail(FunctionNameError("malformed reply"))
      return
    }
    var chunk = Chunk<Value>(error: error)
    do {
      for (call, reply) in zip(calls, replies) {
        chunk.values.append(try call.result(of: reply, attachments: attachments))
      }
      if replies.count < calls.count { throw FunctionNameError("malformed reply") }
    } catch {
      chunk.error = error
    }
    promise.fulfil(chunk)
  }
}
