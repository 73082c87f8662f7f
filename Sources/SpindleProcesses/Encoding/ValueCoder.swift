internal import SpindleGround
internal import Synchronization

/// How the values of one type are written and read.
@safe enum ValueCoder: Sendable {
  typealias Put = @Sendable (UnsafeRawPointer, EncodingState) -> Void
  typealias Size = @Sendable (UnsafeRawPointer) -> Int
  typealias Take = @Sendable (DecodingState, inout Int, UnsafeMutableRawPointer) -> Bool

  /// By the type's own `encode(to:)` and `init(from:)`.
  case codable
  /// By the encoding itself; reading initialises the memory and says whether there was such a value.
  case direct(put: Put, take: Take, size: Size)
  /// By the encoding itself, from values that may be of any kind.
  case nested(any NestedCoded.Type)
}

/// A type that the encoding takes apart itself, down to values that have a coder of their own.
protocol NestedCoded: SendableMetatype {
  /// - Parameter value: points to a value of this type.
  static func put(_ value: UnsafeRawPointer, into node: WireEncoder, key: PathStep, restart: Int) throws
  /// - Parameter memory: room for a value of this type, which is initialised unless an error is thrown.
  static func take(
    into memory: UnsafeMutableRawPointer, from state: DecodingState, at place: inout Int, _ pathCount: Int,
    _ extraPath: PathLink?, _ key: PathStep
  ) throws
}

extension ValueCoder {
  /// Whether values of the type are coded without any code of the user, and no descriptor can be among them.
  static func isPlain(_ type: Any.Type) -> Bool {
    if case .direct = of(type) { return true }
    return false
  }

  /// The coder of a type, found by the address of its metadata.
  ///
  /// A table that is only added to, so that reading needs no lock: a slot's coder is stored before its type. It has an
  /// upper bound: types beyond it are looked into anew each time, which costs time and no memory.
  // SAFETY: a slot is written once, under the lock, before its type is published; the memory is never freed.
  @inline(__always)
  static func of(_ type: Any.Type) -> ValueCoder {
    let wanted = UInt(bitPattern: ObjectIdentifier(type))
    var index = place(of: wanted)
    while true {
      let slot = unsafe slots + index
      let found = unsafe slot.pointee.type.load(ordering: .acquiring)  // Pairs with the release in `insert`.
      if found == wanted { return unsafe slot.pointee.coder }
      if found == 0 { return make(type, wanted) }
      index = (index + 1) & (slotCount - 1)
    }
  }

  private struct Slot: ~Copyable {
    let type = Atomic<UInt>(0)
    var coder = ValueCoder.codable
  }

  private static let slotCount = 1024
  private static let mostTypes = 768
  private static let typeCount = RawGuarded(0)

  @inline(__always)
  private static func place(of type: UInt) -> Int {
    Int(truncatingIfNeeded: (UInt64(type) &* 0x9E37_79B9_7F4A_7C15) >> 54)
  }

  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Slot> = {
    let slots = UnsafeMutablePointer<Slot>.allocate(capacity: slotCount)
    for index in 0..<slotCount { unsafe (slots + index).initialize(to: Slot()) }
    for (type, coder) in DirectTypes.all { unsafe insert(coder, UInt(bitPattern: ObjectIdentifier(type)), into: slots) }
    return unsafe slots
  }()

  private static func insert(_ coder: ValueCoder, _ type: UInt, into slots: UnsafeMutablePointer<Slot>) {
    typeCount.withLock { count in
      guard count < mostTypes else { return }
      var index = place(of: type)
      while true {
        let found = unsafe slots[index].type.load(ordering: .relaxed)
        if found == type { return }
        if found == 0 { break }
        index = (index + 1) & (slotCount - 1)
      }
      unsafe slots[index].coder = coder
      unsafe slots[index].type.store(type, ordering: .releasing)
      count += 1
    }
  }

  @inline(never)
  private static func make(_ type: Any.Type, _ key: UInt) -> ValueCoder {
    let coder = inspected(type)
    unsafe insert(coder, key, into: slots)
    return coder
  }

  /// Whether a type conforms is a look at all conformances of the program for Swift's runtime, a tenth of a millisecond each time the
  /// answer is no; so it is asked for those types only that may conform. The others are what the first call of a process meets.
  private static func inspected(_ type: Any.Type) -> ValueCoder {
    let name = _typeName(type)
    if name.hasPrefix("Foundation") { return FoundationData.coder(type, name) ?? .codable }
    guard name.hasPrefix("Swift.") else { return .codable }
    // The order matters: an array of numbers is both.
    if !name.hasPrefix("Swift.Optional<"), let direct = type as? any DirectlyCoded.Type { return DirectTypes.coder(direct) }
    if let nested = type as? any NestedCoded.Type { return .nested(nested) }
    return .codable
  }
}
