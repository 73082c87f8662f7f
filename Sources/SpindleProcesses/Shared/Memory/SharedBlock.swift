internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// The memory of a shared object: a file without a name, mapped.
///
/// When the system has no file for a new object (no descriptor is left), the object gets memory of this process alone: it
/// works here, and sending it to another process throws why that cannot be done.
final class SharedBlock: Sendable {
  /// The first word of every object: what it is, so that a descriptor of something else is refused.
  enum Kind: UInt64 {
    case lock = 0x3130_4B4C_4C44_4E53
    case rlock = 0x3130_4B52_4C44_4E53
    case semaphore = 0x3130_4D53_4C44_4E53
    case event = 0x3130_5645_4C44_4E53
    case condition = 0x3130_4443_4C44_4E53
    case barrier = 0x3130_5242_4C44_4E53
    case value = 0x3130_4C56_4C44_4E53
    case array = 0x3130_5241_4C44_4E53
    case memory = 0x3130_4D4D_4C44_4E53
  }

  /// Every object begins with a line: its kind, then three numbers that never change, whose meaning is the kind's.
  static let headSize = 64

  private let file: Result<SharedFile, SharedMemoryError>
  let mapping: SharedMapping

  /// A new object of `byteCount` bytes after its head, all zero.
  init(_ kind: Kind, label: String, byteCount: Int, _ numbers: [Int] = []) {
    let total = Self.total(byteCount, of: label)
    do throws(SharedMemoryError) {
      let file = try SharedFile(label: label, byteCount: total)
      mapping = try SharedMapping(file, 0..<total)
      self.file = .success(file)
    } catch {
      file = .failure(error)
      mapping = SharedMapping(ofThisProcess: total, for: label)
    }
    describe(kind, numbers)
  }

  /// The same, with its memory taken from the system at once, or not made at all.
  init(committing kind: Kind, label: String, byteCount: Int, _ numbers: [Int] = []) throws(SharedMemoryError) {
    let total = Self.total(byteCount, of: label)
    let file = try SharedFile(label: label, byteCount: total)
    try file.commit(0..<total)
    mapping = try SharedMapping(file, 0..<total)
    self.file = .success(file)
    describe(kind, numbers)
  }

  /// The object of that kind behind a descriptor that another process sent, which is ours from now on.
  convenience init(received descriptor: Int32, _ kind: Kind) throws(SharedMemoryError) {
    try self.init(received: descriptor)
    guard isAnyOf([kind]) else { throw Self.isOther(kind) }
  }

  /// The object of any kind behind a descriptor that another process sent, which is ours from now on.
  init(received descriptor: Int32) throws(SharedMemoryError) {
    let file = try SharedFile(received: descriptor)
    let count = try file.byteCount()
    guard count >= Self.headSize else {
      throw SharedMemoryError(
        operation: "opening a shared object that was received", reason: "\(count) bytes hold no shared object")
    }
    self.file = .success(file)
    mapping = try SharedMapping(file, 0..<count)
  }

  func isAnyOf(_ kinds: [Kind]) -> Bool {
    let word = unsafe mapping.word64(at: 0).pointee.load(ordering: .acquiring)
    return kinds.contains { $0.rawValue == word }
  }

  private static func total(_ byteCount: Int, of label: String) -> Int {
    let (total, overflow) = byteCount.addingReportingOverflow(headSize)
    if byteCount < 0 || overflow || total > 1 << 46 {
      mistake("\(label) of \(byteCount) bytes: the size must be 0 or more, and no more than an address space holds")
    }
    return total
  }

  private func describe(_ kind: Kind, _ numbers: [Int]) {
    precondition(numbers.count <= 6)
    for (index, number) in numbers.enumerated() {
      unsafe mapping.word64(at: 8 + 8 * index).pointee.store(UInt64(bitPattern: Int64(number)), ordering: .relaxed)
    }
    // Nobody else has it yet; it is sent to others by system calls.
    unsafe mapping.word64(at: 0).pointee.store(kind.rawValue, ordering: .releasing)
  }

  static func isOther(_ kind: Kind) -> SharedMemoryError {
    SharedMemoryError(
      operation: "opening a shared object that was received", reason: "the memory holds no \(kind) of this version")
  }

  /// One of the numbers that were given when it was made; `at least` and `at most` what the reader can use.
  func number(_ index: Int, in range: ClosedRange<Int>, _ kind: Kind) throws(SharedMemoryError) -> Int {
    let number = unsafe Int64(
      bitPattern: mapping.word64(at: 8 + 8 * index).pointee.load(ordering: .relaxed))
    guard let number = Int(exactly: number), range.contains(number) else { throw Self.isOther(kind) }
    return number
  }

  /// Throws unless so many bytes follow the head.
  func require(_ byteCount: Int, _ kind: Kind) throws(SharedMemoryError) {
    guard byteCount >= 0, byteCount <= mapping.count - Self.headSize else { throw Self.isOther(kind) }
  }

  /// What travels in place of the object.
  func attachment() throws(SharedMemoryError) -> AttachedDescriptor {
    let file = try file.get()
    return AttachedDescriptor(file.descriptor, owner: file)
  }
}

/// A shared object that lies alone in its block.
protocol InSharedBlock {
  var block: SharedBlock { get }
}

extension InSharedBlock {
  func encodeBlock(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(block.attachment())
  }

  static func decodeBlock(_ kind: SharedBlock.Kind, from decoder: any Decoder) throws -> SharedBlock {
    let received = try decoder.singleValueContainer().decode(AttachedDescriptor.self)
    return try SharedBlock(received: received.descriptor, kind)
  }
}
