internal import SpindleGround

/// What a pool knows of one of its workers.
// SAFETY: `link`, `replies` and `name` are constant; everything else belongs to the pool's lock.
final class PoolMember: @unchecked Sendable {
  let name: String
  let link: CallLink
  let replies: ReplyArena
  /// Known since the worker has said that it is ready.
  var process: WorkerProcess?
  /// The slot of the next call.
  var next: UInt64 = 1
  /// By number: which functions the worker knows for sure, because it has answered a call of them.
  private var known: [Bool] = []
  /// Counts the messages with calls: a slot's number may be used again, its message's not.
  private var sent: UInt64 = 0
  /// Replies that came as messages, until their slots are looked at.
  var messages: [UInt64: ControlFrame] = [:]
  /// When it was handed a call while it had none, or last replied.
  var lastSign: Int64 = 0
  /// When it became idle.
  var idleSince: Int64 = 0

  init(name: String) throws(SharedMemoryError) {
    self.name = name
    link = try CallLink()
    replies = try ReplyArena()
  }

  func knows(_ target: CallTarget) -> Bool {
    let number = Int(target.number)
    return number < known.count && known[number]
  }

  func learned(_ target: CallTarget) {
    let number = Int(target.number)
    if number == 0 || knows(target) { return }
    while known.count <= number { known.append(false) }
    known[number] = true
  }

  /// Whether there is an empty slot for the next call. Slots of calls that were taken back last are used again (P5).
  func hasRoom() -> Bool {
    while next > 1, link.reclaim(next - 1) { next -= 1 }
    return link.stage(next) == CallLink.Stage.empty
  }

  /// P1, P2: puts a call into the next slot. What is to be sent beside it is returned.
  func hand(_ call: PoolCall, seat: Int) -> ControlFrame? {
    let number = next
    next += 1
    call.standing = .handed(seat, number)
    let headerCount = call.target.header.count
    var head = CallLink.Head(isBatch: call.row != nil, header: call.target.number, headerCount: headerCount)
    var message: ControlFrame?
    if let block = call.block {
      head.place = .arena
      head.offset = block.offset
      head.count = call.blockCount
    } else if call.attachments != nil || call.isTooLarge {
      head.place = .message
      let bytes = call.bytesWithHeader
      head.count = bytes.count
      sent += 1
      head.offset = sent
      message = ControlFrame(.call, number: sent, bytes: bytes, descriptors: call.attachments?.toSend ?? [])
    } else {
      let isNew = !knows(call.target)
      if !isNew { head.headerCount = 0 }
      head.count = call.byteCount(withHeader: isNew)
      unsafe call.write(intoSlot: link.bytes(number), withHeader: isNew)
    }
    link.write(head, number)
    link.offer(number, stopRequested: call.isStopRequested)
    return message
  }
}
