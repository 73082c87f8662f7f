/// First in, first out, and back to the front.
struct CallLine<Call> {
  private var calls: [Call?] = []
  private var first = 0

  var count: Int { calls.count - first }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ call: Call) { calls.append(call) }

  /// Puts calls in front, in their order.
  mutating func prepend(_ more: [Call]) {
    if more.count <= first {
      first -= more.count
      for (index, call) in more.enumerated() { calls[first + index] = call }
    } else {
      calls.replaceSubrange(0..<first, with: more.map { Optional($0) })
      first = 0
    }
  }

  mutating func popFirst() -> Call? {
    guard first < calls.count else { return nil }
    let call = calls[first].take()
    first += 1
    // Amortised O(1): what is moved is at most what was taken.
    if first == calls.count {
      calls.removeAll(keepingCapacity: first <= 4096)
      first = 0
    } else if first >= 64, first * 2 >= calls.count {
      calls.removeFirst(first)
      first = 0
    }
    return call
  }

  mutating func removeAll() -> [Call] {
    defer { self = CallLine() }
    return calls[first...].compactMap { $0 }
  }
}
