/// An optional as such: the standard library's own coding would make one nil of `.none` and `.some(.none)`.
extension Optional: NestedCoded where Wrapped: Codable {
  // SAFETY: here and below, `value` and `memory` are of this very type, because the coder was found by it.
  static func put(_ value: UnsafeRawPointer, into node: WireEncoder, key: PathStep, restart: Int) throws {
    try unsafe node.encodeOptional(value.assumingMemoryBound(to: Wrapped?.self).pointee, key: key, restart: restart)
  }

  static func take(
    into memory: UnsafeMutableRawPointer, from state: DecodingState, at place: inout Int, _ pathCount: Int,
    _ extraPath: [PathStep], _ key: PathStep
  ) throws {
    let value = try state.decodeOptional(Wrapped.self, at: &place, pathCount, extraPath, key)
    unsafe memory.initializeMemory(as: Wrapped?.self, to: value)
  }
}

/// Arrays of what is not written in one piece: as the standard library's own coding, with the element's coder found once.
extension Array: NestedCoded where Element: Codable {
  static func put(_ value: UnsafeRawPointer, into node: WireEncoder, key: PathStep, restart: Int) throws {
    let array = unsafe value.assumingMemoryBound(to: [Element].self).pointee
    let coder = ValueCoder.of(Element.self)
    try node.state.encodeArray(under: node.index, restart: restart) {
      for index in array.indices {
        try node.encode(array[index], as: coder, key: .index(index), restart: node.state.count)
      }
    }
  }

  static func take(
    into memory: UnsafeMutableRawPointer, from state: DecodingState, at place: inout Int, _ pathCount: Int,
    _ extraPath: [PathStep], _ key: PathStep
  ) throws {
    let start = place
    var result: [Element] = []
    if state.byte(at: place) == WireTag.unkeyed {
      let coder = ValueCoder.of(Element.self)
      let frame = try state.enter(pathCount, extraPath, key)
      defer { state.leave(frame) }
      place += 1
      while state.byte(at: place) != WireTag.end {
        try result.append(
          state.decode(Element.self, as: coder, at: &place, frame.pathCount, [], .index(result.count)))
      }
      place += 1
      state.noteEnd(of: start, at: place)
    } else {
      // Packed, where the reader's elements are not of the kind that was written; or no array at all.
      result = try state.decodeFrame([Element].self, at: &place, pathCount, extraPath, key)
    }
    unsafe memory.initializeMemory(as: [Element].self, to: result)
  }
}
