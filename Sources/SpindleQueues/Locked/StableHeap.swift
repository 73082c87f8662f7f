/// Smallest first, and among equals the one that came first. Knows the order and no threads.
///
/// Insert and remove take O(log n) comparisons. Each element carries the number of its arrival, which decides between
/// equals; that is one word more, and no comparison more for elements that differ.
@usableFromInline
package struct StableHeap<Element>: ~Copyable {
  @usableFromInline
  struct Entry {
    @usableFromInline var element: Element
    @usableFromInline var arrival: UInt64

    @inlinable
    init(_ element: Element, _ arrival: UInt64) {
      self.element = element
      self.arrival = arrival
    }
  }

  @usableFromInline var entries: [Entry] = []
  @usableFromInline var arrivals: UInt64 = 0
  @usableFromInline let precedes: (Element, Element) -> Bool

  @inlinable
  package init(by precedes: @escaping (Element, Element) -> Bool) { self.precedes = precedes }

  @inlinable
  func isBefore(_ a: Int, _ b: Entry) -> Bool {
    entries[a].arrival < b.arrival
      ? !precedes(b.element, entries[a].element) : precedes(entries[a].element, b.element)
  }

  @inlinable
  package mutating func insert(_ element: Element) {
    arrivals += 1
    let entry = Entry(element, arrivals)
    entries.append(entry)
    var hole = entries.count - 1
    while hole > 0 {
      let parent = (hole - 1) / 2
      // A newcomer goes before its parent only if it is smaller: all others came earlier.
      guard precedes(element, entries[parent].element) else { break }
      entries.swapAt(hole, parent)
      hole = parent
    }
  }

  /// There must be one.
  @inlinable
  package mutating func remove() -> Element {
    let last = entries.removeLast()
    if entries.isEmpty { return last.element }
    let first = entries[0].element
    entries[0] = last
    var hole = 0
    while true {
      var child = 2 * hole + 1
      guard child < entries.count else { break }
      if child + 1 < entries.count, isBefore(child + 1, entries[child]) { child += 1 }
      guard isBefore(child, last) else { break }
      entries.swapAt(hole, child)
      hole = child
    }
    return first
  }
}
