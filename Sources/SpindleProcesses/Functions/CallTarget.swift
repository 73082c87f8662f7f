internal import Synchronization

/// The encoded header of calls of one function with arguments and a result of certain types, as it stands at their
/// front.
///
/// Naming a function and its types takes microseconds, so it is done once. The key is the type of the box, which says
/// how the function is called and with which types, and the function's code; where the compiler has wrapped the
/// function, the wrapper's context is a new object each time, and the key goes on with what it holds:
///
///     (box type, wrapper's code, kind of its context)  ->  link
///     (link, the function's code, nothing)             ->  header
@usableFromInline
@safe final class CallTarget: Sendable {
  /// A packed array of the header's bytes; empty for a link.
  let header: [UInt8]
  /// What it is called between this process and others that have been told: never used again; 0 when there are too
  /// many.
  let number: UInt32

  private static let count = Atomic<UInt32>(0)
  static let mostNumbers: UInt32 = 1 << 16

  private init(_ header: [UInt8]) {
    self.header = header
    let number = header.isEmpty ? 0 : Self.count.wrappingAdd(1, ordering: .relaxed).newValue
    self.number = number <= Self.mostNumbers ? number : 0
  }

  private static let known = WordTable<CallTarget>(slotCount: 4096)

  /// - Parameter types: of the result, if there is one, and the arguments.
  static func of<Box>(_ box: Box, _ shape: CallHeader.Shape, types: () throws -> [TypeName]) throws -> CallTarget {
    try ClosureWords.read(box) { words in
      if let target = found(for: words, of: Box.self) { return target }
      let header = try CallHeader(shape, FunctionName(of: words), types())
      let target = CallTarget(try Wire.encode(Wire.encode(header)))
      // The name was made, so every context on the way is that of a wrapper: links may lead through them.
      _ = follow(words, of: Box.self) { key in known.insert(key.c == 0 ? target : CallTarget([]), for: key) }
      return target
    }
  }

  /// The target of a function whose name was made before. Not generic, so that nothing is looked up at run time.
  static func found(for words: ClosureWords, of box: Any.Type) -> CallTarget? { follow(words, of: box) { known.find($0) } }

  static func ofJob<Work: Job>(_: Work.Type) throws -> CallTarget {
    let key = WordTable<CallTarget>.Key(a: UInt(bitPattern: ObjectIdentifier(Work.self)))
    if let target = known.find(key) { return target }
    let header = try CallHeader(.job, nil, [try TypeName(Work.self)])
    return known.insert(CallTarget(try Wire.encode(Wire.encode(header))), for: key)
  }

  // SAFETY: contexts are objects of the runtime; what one captured is read only when `step` knows its kind of context,
  // which is remembered only for those that hold exactly one function.
  private static func follow(
    _ first: ClosureWords, of box: Any.Type, _ step: (WordTable<CallTarget>.Key) -> CallTarget?
  ) -> CallTarget? {
    var words = first
    var scope = UInt(bitPattern: ObjectIdentifier(box))
    for _ in 0..<FunctionName.longestChain {
      let kind = unsafe words.context.map { unsafe $0.load(as: UInt.self) } ?? 0
      guard let target = unsafe step(.init(a: scope, b: UInt(bitPattern: words.code), c: kind)) else { return nil }
      guard let context = unsafe words.context else { return target }
      scope = UInt(bitPattern: ObjectIdentifier(target))
      let captured = unsafe context + ContextShape.headerSize
      unsafe words = ClosureWords(
        code: captured.load(as: UnsafeRawPointer.self),
        context: captured.load(fromByteOffset: 8, as: UnsafeRawPointer?.self))
    }
    return nil
  }
}
