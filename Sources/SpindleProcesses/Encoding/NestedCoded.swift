/// An optional as such: the standard library's own coding would make one nil of `.none` and `.some(.none)`.
extension Optional: NestedCoded where Wrapped: Codable {
  // SAFETY: here and below, `value` and `memory` are of this very type, because the coder was found by it.
  static func put(_ value: UnsafeRawPointer, into node: WireEncoder, key: PathStep, restart: Int) throws {
    try unsafe node.encodeOptional(value.assumingMemoryBound(to: Wrapped?.self).pointee, key: key, restart: restart)
  }

  static func take(
    into memory: UnsafeMutableRawPointer, from state: DecodingState, at place: inout Int, _ pathCount: Int,
    _ extraPath: PathLink?, _ key: PathStep
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
    try unsafe array.withUnsafeBufferPointer { elements in
      try node.state.encodeArray(under: node.index, restart: restart) {
        for index in 0..<elements.count {
          try unsafe node.encode(elements[index], as: coder, key: .index(index), restart: node.state.count)
        }
      }
    }
  }

  static func take(
    into memory: UnsafeMutableRawPointer, from state: DecodingState, at place: inout Int, _ pathCount: Int,
    _ extraPath: PathLink?, _ key: PathStep
  ) throws {
    let start = place
    guard state.byte(at: place) == WireTag.unkeyed else {
      // Packed, where the reader's elements are not of the kind that was written; or no array at all.
      let result = try state.decodeFrame([Element].self, at: &place, pathCount, extraPath, key)
      unsafe memory.initializeMemory(as: [Element].self, to: result)
      return
    }
    let coder = ValueCoder.of(Element.self)
    let frame = try state.enter(pathCount, extraPath, key)
    defer { state.leave(frame) }
    place += 1
    // No array yet: to append to it would look its type up for each element, for this code is not specialised.
    var (count, capacity) = (0, 0)
    var elements = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    defer {
      unsafe elements.deinitialize(count: count)
      unsafe elements.deallocate()
    }
    while state.byte(at: place) != WireTag.end {
      let element = try state.decode(Element.self, as: coder, at: &place, frame.pathCount, nil, .index(count))
      if count == capacity {
        capacity = capacity == 0 ? 8 : capacity * 2
        let more = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        unsafe more.moveInitialize(from: elements, count: count)
        unsafe elements.deallocate()
        unsafe elements = more
      }
      unsafe (elements + count).initialize(to: element)
      count += 1
    }
    place += 1
    state.noteEnd(of: start, at: place)
    // The standard library would write its count into the one empty array that all share.
    let result: [Element] = unsafe count == 0 ? [] : [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe buffer.baseAddress!.moveInitialize(from: elements, count: count)
      initialized = count
      count = 0
    }
    unsafe memory.initializeMemory(as: [Element].self, to: result)
  }
}
