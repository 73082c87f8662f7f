internal import CSpindle

/// A function's name for messages: "count(Swift.String) throws -> Swift.Int" as the executable's symbols have it, or its
/// type where there are none (stripped).
///
/// Making one costs nothing; the symbols are read when the text is asked for, which is when something went wrong.
package struct FunctionTitle: Sendable {
  private let code: UInt
  private let type: String

  /// `Box` is a struct with one function as its only field.
  init<Box>(of box: Box, type: Any.Type) {
    code = ClosureWords.read(box) { words in
      var words = words
      // What converts a calling convention says nothing to a reader; what it wraps does.
      // SAFETY: the context is an object of the runtime, and one with this shape holds exactly one function.
      while let context = unsafe words.context,
        let shape = unsafe ContextShape(metadata: context.load(as: UnsafeRawPointer.self)), shape.isThunk
      {
        let captured = unsafe context + ContextShape.headerSize
        words = unsafe ClosureWords(
          code: captured.load(as: UnsafeRawPointer.self),
          context: captured.load(fromByteOffset: 8, as: UnsafeRawPointer?.self))
      }
      return unsafe UInt(bitPattern: words.code)
    }
    self.type = "\(type)"
  }

  init(code: UInt, type: String) {
    self.code = code
    self.type = type
  }

  package var text: String {
    // SAFETY: the call writes a terminated string of at most the buffer's size.
    let bytes = unsafe [CChar](unsafeUninitializedCapacity: 1024) { buffer, count in
      count = unsafe spindle_symbol_name(code, buffer.baseAddress!, buffer.count)
    }
    return bytes.isEmpty
      ? type : ReadableSymbol.name(String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}
