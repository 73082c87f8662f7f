internal import SpindleThreads

/// The file descriptors that travel beside the bytes of a message.
///
/// The sender makes an empty list, encodes with it, and sends `descriptors` along with the bytes; what owns them is kept
/// alive by the list, so it must be kept until they are sent. The receiver makes a list of the descriptors that came and
/// decodes with it; each is taken by exactly one value. `takeRest()` gives those nobody took, to be closed.
package final class AttachmentList: Sendable {
  private struct State {
    var descriptors: [Int32?] = []
    var owners: [(any AnyObject & Sendable)?] = []
  }
  private let state: Guarded<State>

  package init(received descriptors: [Int32] = []) {
    state = Guarded(State(descriptors: descriptors.map { Optional($0) }))
  }

  package var count: Int { state.withLock { $0.descriptors.count } }
  package var descriptors: [Int32] { state.withLock { $0.descriptors.compactMap { $0 } } }

  func append(_ descriptor: Int32, owner: (any AnyObject & Sendable)?) -> Int {
    state.withLock {
      $0.descriptors.append(descriptor)
      $0.owners.append(owner)
      return $0.descriptors.count - 1
    }
  }

  func take(_ index: Int) -> Int32? {
    state.withLock { state in
      guard state.descriptors.indices.contains(index) else { return nil }
      let descriptor = state.descriptors[index]
      state.descriptors[index] = nil
      return descriptor
    }
  }

  func truncate(to count: Int) {
    // Owners run arbitrary code as they go, so they go outside the lock.
    _ = state.withLock { state in
      let rest = Array(state.owners.dropFirst(count))
      state.descriptors.removeLast(max(state.descriptors.count - count, 0))
      state.owners.removeLast(min(rest.count, state.owners.count))
      return rest
    }
  }

  package func takeRest() -> [Int32] {
    state.withLock { state in
      let rest = state.descriptors.compactMap { $0 }
      state.descriptors = state.descriptors.map { _ in nil }
      return rest
    }
  }
}

/// A file descriptor inside a Codable value.
///
///     func encode(to encoder: any Encoder) throws {
///       var container = encoder.unkeyedContainer()
///       try container.encode(AttachedDescriptor(memory.descriptor, owner: memory))
///     }
///
/// The bytes hold only its place in the `AttachmentList`. Encoding or decoding it where there is none (with a JSON
/// encoder, or in a message that cannot carry descriptors) throws. Whoever decodes it owns the descriptor.
package struct AttachedDescriptor: Codable, Sendable {
  package let descriptor: Int32
  private let owner: (any AnyObject & Sendable)?

  package init(_ descriptor: Int32, owner: (any AnyObject & Sendable)? = nil) {
    self.descriptor = descriptor
    self.owner = owner
  }

  package func encode(to encoder: any Encoder) throws {
    guard let node = encoder as? WireEncoder, let list = node.state.attachmentsToAddTo() else {
      throw EncodingError.invalidValue(
        self,
        .init(
          codingPath: encoder.codingPath,
          debugDescription: "a shared object can only be encoded as part of what is sent to another process"))
    }
    let single = node.opened(.single)
    try single.prepare()
    let index = list.append(descriptor, owner: owner)
    node.state.put(WireTag.attachment)
    node.state.putVarint(index)
    node.state.nodes[single.index].kind = .written
  }

  package init(from decoder: any Decoder) throws {
    guard let decoder = decoder as? WireDecoder, let list = decoder.state.attachments else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "a shared object can only be decoded from what another process sent"))
    }
    var place = decoder.place + 1
    guard decoder.state.byte(at: decoder.place) == WireTag.attachment,
      let index = decoder.state.takeVarint(at: &place)
    else { throw decoder.state.mismatch(AttachedDescriptor.self, at: decoder.place, decoder.path) }
    guard let descriptor = list.take(index) else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "file descriptor \(index) did not come with the message, or was taken already"))
    }
    self.descriptor = descriptor
    owner = nil
  }
}
