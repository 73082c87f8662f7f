/// A symbol as the demangler writes it, without what the compiler put around the function's name.
///
///     function signature specialization <Arg[0] = Dead> of App.(count in _8B17F2B27EC77F03D8B77C54FB4B7BA6)(Swift.Int) -> Swift.Int
///     App.count(Swift.Int) -> Swift.Int
package enum ReadableSymbol {
  /// What stands before a name, and after it the function that is meant.
  private static let wrappers = [
    "merged ", "@objc ", "async function pointer to ", "dispatch thunk of ", "partial apply forwarder for ", "partial apply for ",
    "await resume partial function for ", "suspend resume partial function for ",
  ]
  /// The same with something in angle brackets and an "of".
  private static let specialisations = [
    "function signature specialization <", "generic specialization <", "generic not re-abstracted specialization <",
    "generic partial specialization <", "specialization <",
  ]

  package static func name(_ symbol: String) -> String {
    var text = symbol[...]
    while let inner = unwrapped(text) { text = inner }
    return withoutFileMarks(text)
  }

  private static func unwrapped(_ text: Substring) -> Substring? {
    for wrapper in wrappers where text.hasPrefix(wrapper) { return text.dropFirst(wrapper.count) }
    for prefix in specialisations where text.hasPrefix(prefix) {
      let arguments = text.dropFirst(prefix.count)
      guard let end = endOfBrackets(arguments), text[end...].hasPrefix(" of ") else { return nil }
      let inner = text[end...].dropFirst(4)
      // What converts a calling convention says nothing to a reader; the function that was put into it does.
      if inner.hasPrefix("reabstraction thunk helper"), let function = propagated(arguments[..<end]) { return function }
      return inner
    }
    // "(3) suspend resume partial function for ..."
    if text.hasPrefix("("), let end = text.firstIndex(of: ")"), text[..<end].dropFirst().allSatisfy(\.isNumber) {
      let rest = text[end...].dropFirst(2)
      if unwrapped(rest) != nil { return rest }
    }
    let witness = "protocol witness for "
    if text.hasPrefix(witness), let end = text.firstRange(of: " in conformance ") {
      return text[..<end.lowerBound].dropFirst(witness.count)
    }
    return nil
  }

  /// The function in "Arg[2] = [Constant Propagated Function : App.count(Swift.Int) -> Swift.Int]".
  private static func propagated(_ arguments: Substring) -> Substring? {
    for mark in ["[Constant Propagated Function : ", "[Closure Propagated : "] {
      guard let start = arguments.firstRange(of: mark)?.upperBound else { continue }
      var depth = 1
      for index in arguments[start...].indices {
        if arguments[index] == "[" { depth += 1 }
        if arguments[index] == "]" { depth -= 1 }
        if depth == 0 || arguments[index...].hasPrefix(", Argument Types : ") { return arguments[start..<index] }
      }
    }
    return nil
  }

  /// Behind the bracket that closes the one before `text`; arrows do not count.
  private static func endOfBrackets(_ text: Substring) -> Substring.Index? {
    var depth = 1
    var last: Character = " "
    for index in text.indices {
      if text[index] == "<" { depth += 1 }
      if text[index] == ">", last != "-" {
        depth -= 1
        if depth == 0 { return text.index(after: index) }
      }
      last = text[index]
    }
    return nil
  }

  /// "(count in _8B17F2B27EC77F03D8B77C54FB4B7BA6)" is how a private name is told from those of other files: just "count".
  private static func withoutFileMarks(_ text: Substring) -> String {
    var result = ""
    var rest = text
    while let mark = rest.firstRange(of: " in _") {
      let digits = rest[mark.upperBound...].prefix { $0.isHexDigit }
      let end = digits.endIndex
      guard digits.count == 32, end < rest.endIndex, rest[end] == ")",
        let open = rest[..<mark.lowerBound].lastIndex(of: "(")
      else {
        result += rest[..<mark.upperBound]
        rest = rest[mark.upperBound...]
        continue
      }
      result += rest[..<open]
      result += rest[rest.index(after: open)..<mark.lowerBound]
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }
}
