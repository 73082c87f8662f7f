/// A binary heap, smallest first: alarms by time, the elements of a priority queue.
///
/// Insert and remove are O(log n), `first` is O(1). Not stable: equal elements leave in any order.
@usableFromInline
package struct Heap<Element> {
  @usableFromInline package private(set) var elements: [Element] = []
  @usableFromInline let precedes: (Element, Element) -> Bool

  @usableFromInline
  package init(by precedes: @escaping (Element, Element) -> Bool) { self.precedes = precedes }

  @usableFromInline package var count: Int { elements.count }
  @usableFromInline package var first: Element? { elements.first }

  @usableFromInline
  package mutating func insert(_ element: Element) {
    elements.append(element)
    var child = elements.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard precedes(elements[child], elements[parent]) else { break }
      elements.swapAt(child, parent)
      child = parent
    }
  }

  @usableFromInline
  @discardableResult
  package mutating func removeFirst() -> Element {
    let last = elements.count - 1
    elements.swapAt(0, last)
    let first = elements.removeLast()
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < last else { break }
      if child + 1 < last, precedes(elements[child + 1], elements[child]) { child += 1 }
      guard precedes(elements[child], elements[parent]) else { break }
      elements.swapAt(child, parent)
      parent = child
    }
    return first
  }
}

extension Heap where Element: Comparable {
  package init(_ elements: [Element] = []) {
    self.init(by: <)
    for element in elements { insert(element) }
  }
}
