/// Which processes of a tree of actors have ended: all of them, in little memory.
///
/// A process numbers those it starts, so of each one's children only the borders between the ended and the living are kept; and of
/// what was below an ended one, nothing.
package struct EndedNodes: Sendable {
  package init() {}

  /// By their parent's way from the root: ranges of numbers, in ascending order, that do not touch.
  private var children: [[UInt32]: [ClosedRange<UInt32>]] = [:]

  /// How many ranges are kept.
  package var rangeCount: Int { children.values.reduce(0) { $0 + $1.count } }

  /// Whether that process or one above it has ended.
  package func contains(_ path: [UInt32]) -> Bool {
    if children.isEmpty { return false }
    var parent: [UInt32] = []
    for number in path {
      if let ranges = children[parent] {
        let place = Self.place(of: number, in: ranges)
        if place < ranges.count, ranges[place].contains(number) { return true }
      }
      parent.append(number)
    }
    return false
  }

  package mutating func insert(_ path: [UInt32]) {
    guard let number = path.last, !contains(path) else { return }
    children = children.filter { !$0.key.starts(with: path) }
    var ranges = children[Array(path.dropLast()), default: []]
    let place = Self.place(of: number, in: ranges)
    var (first, last) = (number, number)
    var (from, to) = (place, place)
    if place > 0, number - ranges[place - 1].upperBound == 1 {
      first = ranges[place - 1].lowerBound
      from = place - 1
    }
    if place < ranges.count, ranges[place].lowerBound - number == 1 {
      last = ranges[place].upperBound
      to = place + 1
    }
    ranges.replaceSubrange(from..<to, with: CollectionOfOne(first...last))
    children[Array(path.dropLast())] = ranges
  }

  /// The first range that does not lie before `number`.
  private static func place(of number: UInt32, in ranges: [ClosedRange<UInt32>]) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
