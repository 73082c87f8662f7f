/// Eight small numbers in one word, for the local variables of a model's threads: `state.seen[me]`.
///
/// One word, because the explorer hashes and compares states a million times.
package struct Cells: Hashable, Sendable, CustomStringConvertible {
  private var bits: UInt64 = 0

  package init() {}

  package init(_ values: UInt8...) {
    for (index, value) in values.enumerated() { self[index] = value }
  }

  package subscript(index: Int) -> UInt8 {
    get { UInt8(truncatingIfNeeded: bits >> UInt64(index * 8)) }
    set {
      precondition(index >= 0 && index < 8, "Cells holds eight numbers")
      bits = bits & ~(0xFF << UInt64(index * 8)) | UInt64(newValue) << UInt64(index * 8)
    }
  }

  /// How many of the numbers equal `value`, of the first `count`.
  package func count(of value: UInt8, among count: Int = 8) -> Int {
    var found = 0
    for index in 0..<count where self[index] == value { found += 1 }
    return found
  }

  package var description: String {
    "\((0..<8).map { self[$0] })"
  }
}

/// A list of up to eight small numbers in order, for the queues inside a model.
package struct Line: Hashable, Sendable, CustomStringConvertible {
  private var bits: UInt64 = 0
  private var length: UInt8 = 0

  package init() {}

  package var count: Int { Int(length) }
  package var isEmpty: Bool { length == 0 }
  package var first: UInt8? { length == 0 ? nil : self[0] }

  package subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < length, "outside the line")
    return UInt8(truncatingIfNeeded: bits >> UInt64(index * 8))
  }

  package mutating func append(_ value: UInt8) {
    precondition(length < 8, "Line holds eight numbers")
    bits |= UInt64(value) << (UInt64(length) * 8)
    length += 1
  }

  package mutating func prepend(_ value: UInt8) {
    precondition(length < 8, "Line holds eight numbers")
    bits = bits << 8 | UInt64(value)
    length += 1
  }

  package mutating func removeFirst() -> UInt8 {
    let value = self[0]
    bits >>= 8
    length -= 1
    return value
  }

  /// Takes the first number that equals `value` out of the line; false if there is none.
  @discardableResult
  package mutating func remove(_ value: UInt8) -> Bool {
    guard let index = firstIndex(of: value) else { return false }
    let below: UInt64 = (1 << UInt64(index * 8)) - 1
    bits = bits & below | (bits >> UInt64(index * 8 + 8)) << UInt64(index * 8)
    length -= 1
    return true
  }

  package func contains(_ value: UInt8) -> Bool { firstIndex(of: value) != nil }

  private func firstIndex(of value: UInt8) -> Int? {
    for index in 0..<count where self[index] == value { return index }
    return nil
  }

  package var description: String {
    "\((0..<count).map { self[$0] })"
  }
}
