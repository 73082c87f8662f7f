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

/// A list of up to fifteen numbers below sixteen in order, in one word, for the queues inside a model.
package struct Line: Hashable, Sendable, CustomStringConvertible {
  /// Four bits for each number, the first lowest; the count in the highest four.
  private var bits: UInt64 = 0
  private static var one: UInt64 { 1 << 60 }
  private static var numbers: UInt64 { one - 1 }

  package init() {}

  package var count: Int { Int(bits >> 60) }
  package var isEmpty: Bool { bits >> 60 == 0 }
  package var first: UInt8? { isEmpty ? nil : self[0] }

  package subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < count, "outside the line")
    return UInt8(truncatingIfNeeded: bits >> UInt64(index * 4) & 0xF)
  }

  package mutating func append(_ value: UInt8) {
    precondition(count < 15 && value < 16, "Line holds fifteen numbers below sixteen")
    bits |= UInt64(value) << UInt64(count * 4)
    bits += Self.one
  }

  package mutating func prepend(_ value: UInt8) {
    precondition(count < 15 && value < 16, "Line holds fifteen numbers below sixteen")
    bits = bits & ~Self.numbers | (bits & Self.numbers) << 4 | UInt64(value)
    bits += Self.one
  }

  package mutating func removeFirst() -> UInt8 {
    let value = self[0]
    remove(at: 0)
    return value
  }

  /// Takes the first number that equals `value` out of the line; false if there is none.
  @discardableResult
  package mutating func remove(_ value: UInt8) -> Bool {
    guard let index = firstIndex(of: value) else { return false }
    remove(at: index)
    return true
  }

  package func contains(_ value: UInt8) -> Bool { firstIndex(of: value) != nil }

  private mutating func remove(at index: Int) {
    let values = bits & Self.numbers
    let below: UInt64 = (1 << UInt64(index * 4)) - 1
    bits = (bits & ~Self.numbers) - Self.one | values & below | (values >> 4) & ~below
  }

  private func firstIndex(of value: UInt8) -> Int? {
    for index in 0..<count where self[index] == value { return index }
    return nil
  }

  package var description: String {
    "\((0..<count).map { self[$0] })"
  }
}
