internal import SpindleThreads

/// A type by a name that holds in every process of the same program.
///
/// Most types are found by their mangled name. Private and local types are not (a release build keeps no names for
/// them), so those go by the place of their descriptor in the image, with their type arguments.
enum TypeName: Codable, Hashable, Sendable {
  /// The check keeps a name that was damaged on its way from Swift's demangler, which trusts names.
  case mangled(String, check: UInt32)
  case nominal(ImagePlace, arguments: [TypeName])

  private static let known = Guarded<[ObjectIdentifier: TypeName]>([:])
  private static let found = Guarded(Found())

  /// Types that were found by their places, so that each is looked for once: the runtime may keep references into a name that it has
  /// seen, which so can never be freed.
  private struct Found {
    var types: [TypeName: Any.Type] = [:]
    /// The addresses of the names.
    var names: [UInt] = []
  }

  fileprivate static var keptNameCount: Int { found.withLock { $0.names.count } }

  init(_ type: Any.Type) throws {
    if let name = Self.known.withLock({ $0[ObjectIdentifier(type)] }) {
      self = name
      return
    }
    let name: TypeName
    if let mangled = _mangledTypeName(type), let found = _typeByName(mangled), found == type {
      name = .mangled(mangled, check: Self.check(of: mangled))
    } else {
      name = try Self.structural(type)
      guard try name.resolve() == type else { throw Self.unnameable(type) }
    }
    Self.known.withLock { known in
      // Types can be made without end at run time; what was forgotten is named again.
      if known.count >= 4096 { known = [:] }
      known[ObjectIdentifier(type)] = name
    }
    self = name
  }

  private static func unnameable(_ type: Any.Type) -> FunctionNameError {
    FunctionNameError("the type \(_typeName(type)) cannot be named in another process; declare it at file scope and not private")
  }

  // SAFETY: what is read below is laid down by Swift's ABI for metadata and context descriptors. A result counts only
  // if it leads back to the type it was made from.
  private static func structural(_ type: Any.Type) throws -> TypeName {
    let metadata = unsafe unsafeBitCast(type, to: UnsafeRawPointer.self)
    let kind = unsafe metadata.load(as: Int.self)
    let isValueType = kind >= 0x200 && kind <= 0x202
    guard isValueType || kind == 0,
      let descriptor = unsafe metadata.load(fromByteOffset: isValueType ? 8 : 40, as: UnsafeRawPointer?.self),
      let place = unsafe ImagePlace(of: descriptor, in: .data) ?? ImagePlace(of: descriptor)
    else { throw unnameable(type) }
    let flags = unsafe descriptor.load(as: UInt32.self)
    guard flags & 0x80 != 0 else { return .nominal(place, arguments: []) }
    // Parameters of the type itself only, each a type with an argument of its own.
    let (header, first) = try unsafe isValueType ? (28, 16) : classLayout(descriptor, flags, type)
    let parameterCount = unsafe Int(descriptor.load(fromByteOffset: header + 8, as: UInt16.self))
    guard parameterCount <= 8,
      (0..<parameterCount).allSatisfy({ unsafe descriptor.load(fromByteOffset: header + 16 + $0, as: UInt8.self) == 0x80 })
    else { throw unnameable(type) }
    let arguments = try (0..<parameterCount).map {
      try unsafe structural(metadata.load(fromByteOffset: first + $0 * 8, as: Any.Type.self))
    }
    return .nominal(place, arguments: arguments)
  }

  /// Where a class's descriptor describes its parameters, and where its metadata has the arguments: first of what the class adds to the
  /// metadata of its superclass. A superclass in a library that may change makes that a matter of run time, and is refused.
  private static func classLayout(
    _ descriptor: UnsafeRawPointer, _ flags: UInt32, _ type: Any.Type
  ) throws -> (header: Int, first: Int) {
    let hasResilientSuperclass = flags & 1 << 29 != 0, addsInFront = flags & 1 << 28 != 0
    guard !hasResilientSuperclass, !addsInFront else { throw unnameable(type) }
    let words = unsafe Int(descriptor.load(fromByteOffset: 28, as: UInt32.self))
    let added = unsafe Int(descriptor.load(fromByteOffset: 32, as: UInt32.self))
    guard words < 1 << 20, added <= words else { throw unnameable(type) }
    return (44, (words - added) * 8)
  }

  private static func check(of name: String) -> UInt32 {
    name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }  // FNV-1a
  }

  func resolve() throws -> Any.Type {
    switch self {
    case .mangled(let name, let check):
      guard check == Self.check(of: name) else { throw FunctionNameError("malformed type name") }
      guard let type = _typeByName(name) else {
        throw FunctionNameError("the type \(name) is not in this process: it is of another program, or its library is not loaded")
      }
      return type
    case .nominal:
      if let type = Self.found.withLock({ $0.types[self] }) { return type }
      // A mangled name in which each type is a reference to a cell, and each cell holds a descriptor's address.
      var places: [ImagePlace] = []
      var text: [UInt8] = []
      try write(into: &text, &places, depth: 0)
      let cellBytes = places.count * 8
      let memory = UnsafeMutableRawPointer.allocate(byteCount: cellBytes + text.count + 1, alignment: 8)
      for (index, place) in places.enumerated() {
        guard let descriptor = unsafe place.address(byteCount: 44) else {
          unsafe memory.deallocate()
          throw FunctionNameError("a type is not in this process: it is of another program, or its library is not loaded")
        }
        unsafe memory.storeBytes(of: descriptor, toByteOffset: index * 8, as: UnsafeRawPointer.self)
      }
      let name = unsafe memory + cellBytes
      unsafe name.copyMemory(from: text, byteCount: text.count)
      unsafe name.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
      var next = 0
      var cell = 0
      while next < text.count {
        if text[next] == Self.reference {
          let offset = Int32(cell * 8 - (cellBytes + next + 1))
          unsafe name.storeBytes(of: offset, toByteOffset: next + 1, as: Int32.self)
          cell += 1
          next += 5
        } else {
          next += 1
        }
      }
      let type = unsafe _getTypeByMangledNameInContext(
        UnsafePointer(name.assumingMemoryBound(to: UInt8.self)), UInt(text.count), genericContext: nil,
        genericArguments: nil)
      Self.found.withLock { found in
        found.names.append(UInt(bitPattern: memory))
        if let type { found.types[self] = type }
      }
      guard let type else { throw FunctionNameError("malformed type name") }
      return type
    }
  }

  /// A reference, four bytes long, to a place that holds the address of a descriptor.
  private static let reference: UInt8 = 2

  private func write(into text: inout [UInt8], _ places: inout [ImagePlace], depth: Int) throws {
    guard case .nominal(let place, let arguments) = self, depth < 32 else {
      throw FunctionNameError("malformed type name")
    }
    places.append(place)
    text += [Self.reference, 0xFF, 0xFF, 0xFF, 0xFF]
    guard !arguments.isEmpty else { return }
    text.append(UInt8(ascii: "y"))
    for argument in arguments { try argument.write(into: &text, &places, depth: depth + 1) }
    text.append(UInt8(ascii: "G"))
  }
}

/// How many names the runtime has seen that cannot be freed. For tests.
package func keptTypeNameCount() -> Int { TypeName.keptNameCount }
