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
    return Self.function(in: String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)) ?? type
  }

  /// The user's function in the name of what the optimiser made of it, such as
  /// "function signature specialization <Arg[0] = Dead> of count(Swift.String) -> Swift.Int". Nil when there is none.
  package static func function(in symbol: String) -> String? {
    var name = Substring(symbol)
    while let wrapper = wrappers.first(where: { name.hasPrefix($0) }) {
      name = name.dropFirst(wrapper.count)
      guard name.first == "<" else { continue }
      guard let end = endOfBrackets(in: name), name[end...].hasPrefix("> of ") else { return nil }
      name = name[end...].dropFirst("> of ".count)
    }
    return name.isEmpty ? nil : String(name)
  }

  private static let wrappers = [
    "function signature specialization ", "generic specialization ", "generic not re-abstracted specialization ",
    "async function pointer to ", "merged ",
  ]

  /// Where the bracket closes that `name` begins with; the arrows of function types are no brackets.
  private static func endOfBrackets(in name: Substring) -> Substring.Index? {
    var depth = 0
    var previous: Character?
    for index in name.indices {
      let character = name[index]
      if character == "<" { depth += 1 }
      if character == ">", previous != "-" {
        depth -= 1
        if depth == 0 { return index }
      }
      previous = character
    }
    return nil
  }
}
