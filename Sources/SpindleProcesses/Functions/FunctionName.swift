internal import CSpindle

/// A function by a name that holds in every process of the same program.
///
/// The name is the place of the function's code. Where the compiler has wrapped the function to convert its calling
/// convention, the wrapper's context holds that one function, and the name is a chain: wrapper, wrapped.
struct FunctionName: Codable, Hashable, Sendable {
  private struct Link: Codable, Hashable, Sendable {
    var code: ImagePlace
    /// The metadata of the wrapper's context; nil for the function at the end of the chain.
    var context: ImagePlace?
  }
  static let longestChain = 8

  private var links: [Link] = []

  init(of words: ClosureWords) throws {
    try ClosureLayout.require()
    try self.init(unchecked: words)
  }

  init<Box>(unchecked box: Box) throws {
    self = try ClosureWords.read(box) { try FunctionName(unchecked: $0) }
  }

  private init(unchecked words: ClosureWords) throws {
    var words = words
    while true {
      guard links.count < Self.longestChain else { throw FunctionNameError("the function is wrapped too often") }
      guard let code = unsafe ImagePlace(of: words.code) else {
        throw FunctionNameError("the function's code is in no image of this program")
      }
      guard let context = unsafe words.context else {
        links.append(Link(code: code, context: nil))
        return
      }
      let metadata = unsafe context.load(as: UnsafeRawPointer.self)
      guard let shape = unsafe ContextShape(metadata: metadata) else {
        throw unsafe CapturedContextError(capturedTypes: [Self.name(of: context)], keepsTypeParameters: false)
      }
      guard shape.isThunk, let place = unsafe ImagePlace(of: metadata, in: .data) else {
        throw CapturedContextError(capturedTypes: shape.capturedTypes, keepsTypeParameters: shape.keepsTypeParameters)
      }
      links.append(Link(code: code, context: place))
      let captured = unsafe context + ContextShape.headerSize
      unsafe words = ClosureWords(
        code: captured.load(as: UnsafeRawPointer.self),
        context: captured.load(fromByteOffset: 8, as: UnsafeRawPointer?.self))
    }
  }

  /// The function in this process. The contexts of wrappers are made anew; `take(as:)` puts them into a function's hands.
  func resolve() throws -> ClosureWords {
    try ClosureLayout.require()
    return try resolveUnchecked()
  }

  func resolveUnchecked() throws -> ClosureWords {
    guard let last = links.last, last.context == nil, links.count <= Self.longestChain else {
      throw FunctionNameError("malformed function name")
    }
    var result: ClosureWords?
    for link in links.reversed() {
      guard let code = unsafe link.code.address(byteCount: 8) else {
        throw FunctionNameError("the function is not in this process: it is of another program, or its library is not loaded")
      }
      var context: UnsafeRawPointer?
      if let place = link.context {
        guard let inner = result, let metadata = unsafe place.address(in: .data, byteCount: 24),
          unsafe ContextShape(metadata: metadata)?.isThunk == true
        else { throw FunctionNameError("malformed function name") }
        // SAFETY: the metadata is that of a context with exactly one function, two words after the header.
        let object = unsafe spindle_swift_object(metadata, ContextShape.headerSize + MemoryLayout<(Int, Int)>.size)!
        unsafe object.storeBytes(of: inner.code, toByteOffset: ContextShape.headerSize, as: UnsafeRawPointer.self)
        unsafe object.storeBytes(
          of: inner.context, toByteOffset: ContextShape.headerSize + 8, as: UnsafeRawPointer?.self)
        unsafe context = UnsafeRawPointer(object)
      } else if result != nil {
        throw FunctionNameError("malformed function name")
      }
      unsafe result = ClosureWords(code: code, context: context)
    }
    return result!
  }

  /// Where the code of the function itself lies in this process, wrappers left out.
  var code: UnsafeRawPointer? { unsafe links.last?.code.address() }

  /// The type of the object that is a closure's whole context, because it is the only thing captured.
  private static func name(of context: UnsafeRawPointer) -> String {
    let metadata = unsafe context.load(as: UnsafePointer<Int>.self)
    guard unsafe metadata.pointee == ContextShape.classKind else { return "a value" }
    let name = unsafe _typeName(unsafeBitCast(metadata, to: Any.Type.self), qualified: false)
    // What an array, a dictionary or a set keeps its elements in says less to the reader than its own name.
    for (storage, collection) in [
      ("_ContiguousArrayStorage<", "Array<"), ("_DictionaryStorage<", "Dictionary<"), ("_SetStorage<", "Set<"),
    ] where name.hasPrefix(storage) { return collection + name.dropFirst(storage.count) }
    return name
  }
}
