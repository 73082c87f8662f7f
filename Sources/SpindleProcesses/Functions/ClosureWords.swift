internal import CSpindle

/// A function value taken apart: the address of its code (for an async function, of the record that leads to it) and
/// the object with what it captured.
///
/// This is how Swift lays out a function value, a context and a context's description. None of it is promised by the
/// language, so nothing is used before `ClosureLayout.check` has taken known closures apart and put them together again.
// SAFETY: a context is an object of Swift's runtime; only its metadata is read, and the captures of contexts whose
// metadata says that they hold exactly one function.
@usableFromInline
@safe struct ClosureWords: Equatable {
  @usableFromInline var code: UnsafeRawPointer
  @usableFromInline var context: UnsafeRawPointer?

  // Written out: the compiler's own would not say that it compares pointers.
  @usableFromInline
  static func == (a: ClosureWords, b: ClosureWords) -> Bool {
    unsafe a.code == b.code && a.context == b.context
  }

  init(code: UnsafeRawPointer, context: UnsafeRawPointer?) {
    unsafe self.code = code
    unsafe self.context = context
  }

  /// Lends the words of the function in `box`, a struct with one function as its only field, while the box holds it.
  @inlinable
  static func read<Box, R>(_ box: Box, _ body: (ClosureWords) throws -> R) rethrows -> R {
    precondition(MemoryLayout<Box>.size == MemoryLayout<(Int, Int)>.size)
    return try withExtendedLifetime(box) {
      try body(unsafe unsafeBitCast(box, to: ClosureWords.self))
    }
  }

  /// The function of these words, which takes over the reference to the context.
  func take<Box>(as type: Box.Type) -> Box {
    precondition(MemoryLayout<Box>.size == MemoryLayout<(Int, Int)>.size)
    let box = unsafe unsafeBitCast(self, to: Box.self)  // Retains.
    if let context = unsafe context { unsafe Unmanaged<AnyObject>.fromOpaque(context).release() }
    return box
  }
}

/// What the metadata of a context says about its contents.
@safe struct ContextShape {
  /// The first word of the metadata of a context that holds captured values.
  static let localVariableKind = Int(SPINDLE_CAPTURES_KIND)
  static let classKind = 0
  static let headerSize = 16

  let capturedTypes: [String]
  let keepsTypeParameters: Bool
  /// It holds one function and nothing else: what converts that function to another calling convention.
  let isThunk: Bool

  /// The shape of contexts with this metadata; nil when it is not the kind that describes its captures.
  init?(metadata: UnsafeRawPointer) {
    guard unsafe metadata.load(as: Int.self) == Self.localVariableKind else { return nil }
    guard let descriptor = unsafe metadata.load(fromByteOffset: 16, as: UnsafeRawPointer?.self) else {
      // The module was compiled without reflection metadata.
      capturedTypes = ["a value"]
      keepsTypeParameters = false
      isThunk = false
      return
    }
    let typeCount = unsafe Int(descriptor.load(as: UInt32.self))
    let sourceCount = unsafe descriptor.load(fromByteOffset: 4, as: UInt32.self)
    let bindingCount = unsafe descriptor.load(fromByteOffset: 8, as: UInt32.self)
    var names: [String] = []
    var functions = 0
    for index in 0..<min(typeCount, 64) {
      let record = unsafe descriptor + 12 + index * 4
      let name = unsafe MangledTypeText(at: record + Int(record.load(as: Int32.self)))
      if name.isFunction { functions += 1 }
      names.append(name.readable)
    }
    capturedTypes = names
    keepsTypeParameters = sourceCount > 0 || bindingCount > 0
    let firstCapture = unsafe metadata.load(fromByteOffset: 8, as: UInt32.self)
    isThunk =
      typeCount == 1 && functions == 1 && !keepsTypeParameters && Int(firstCapture) == Self.headerSize
  }
}

/// A type's name as the compiler writes it into the binary: ASCII with references to other places in between.
@safe struct MangledTypeText {
  private let start: UnsafeRawPointer
  private let count: Int
  /// Where the plain text after the last reference begins.
  private let tail: Int

  init(at start: UnsafeRawPointer) {
    var count = 0
    var tail = 0
    while true {
      let byte = unsafe start.load(fromByteOffset: count, as: UInt8.self)
      if byte == 0 { break }
      if byte < 0x20 {
        count += byte < 0x18 ? 5 : 9
        tail = count
      } else {
        count += 1
      }
    }
    unsafe self.start = start
    self.count = count
    self.tail = tail
  }

  /// An escaping function with a context: lowered (`...Ieg..._`), or as written in source (`...c`).
  var isFunction: Bool {
    let text = unsafe UnsafeRawBufferPointer(start: start + tail, count: count - tail)
    guard let last = unsafe text.last else { return false }
    if last == UInt8(ascii: "c") { return true }
    guard last == UInt8(ascii: "_"), let mark = unsafe text.lastIndex(of: UInt8(ascii: "I")), mark + 2 < text.count else {
      return false
    }
    return unsafe text[mark + 1] == UInt8(ascii: "e") && text[mark + 2] == UInt8(ascii: "g")
  }

  var readable: String {
    if isFunction { return "a function" }
    let bytes = unsafe start.assumingMemoryBound(to: UInt8.self)
    guard
      let type = unsafe _getTypeByMangledNameInContext(
        bytes, UInt(count), genericContext: nil, genericArguments: nil)
    else { return "a value" }
    return _typeName(type, qualified: false)
  }
}
