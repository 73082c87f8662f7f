/// Sorts a range of some elements, with others as room, into these or those: `SharedElements.sortRun`.
@usableFromInline
typealias SortLoop<Element> = @Sendable (SharedElements<Element>, SharedElements<Element>, Range<Int>, Bool) -> Void
/// Merges two ranges into a third: `SharedElements.merge`.
@usableFromInline
typealias MergeLoop<Element> =
  @Sendable (SharedElements<Element>, Range<Int>, Range<Int>, SharedElements<Element>, Int) -> Void

/// Which element comes first: a type, so that the comparison is specialised wherever it is made.
@usableFromInline
protocol SortOrder<Element>: Sendable {
  associatedtype Element: Sendable
  func precedes(_ a: Element, _ b: Element) -> Bool
  func sortRun(_ elements: SharedElements<Element>, _ other: SharedElements<Element>, _ range: Range<Int>, into: Bool)
  func merge(
    _ source: SharedElements<Element>, _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements<Element>, _ place: Int)

  /// Whether elements are numbers whose order is that of their keys.
  static var hasKeys: Bool { get }
  static func key(_ element: Element) -> UInt64
}

extension SortOrder {
  @inlinable
  func sortRun(_ elements: SharedElements<Element>, _ other: SharedElements<Element>, _ range: Range<Int>, into: Bool) {
    elements.sortRun(other, range, into: into) { precedes($0, $1) }
  }

  @inlinable
  func merge(
    _ source: SharedElements<Element>, _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements<Element>, _ place: Int
  ) {
    source.merge(first, second, target, place) { precedes($0, $1) }
  }

  @inlinable @inline(__always)
  static var hasKeys: Bool { false }

  @inlinable @inline(__always)
  static func key(_ element: Element) -> UInt64 { 0 }
}

@usableFromInline
struct NaturalOrder<Element: Comparable & Sendable>: SortOrder {
  @inlinable
  init() {}

  @inlinable @inline(__always)
  func precedes(_ a: Element, _ b: Element) -> Bool { a < b }

  // Each is a constant as soon as the element's type is known.

  @inlinable @inline(__always)
  static var hasKeys: Bool {
    Element.self == Int.self || Element.self == UInt.self || Element.self == Int64.self || Element.self == UInt64.self
      || Element.self == Int32.self || Element.self == UInt32.self
  }

  @inlinable @inline(__always)
  static func key(_ element: Element) -> UInt64 {
    // SAFETY: the element is of the type that is asked for.
    func number<Number: FixedWidthInteger>(_: Number.Type) -> Number { unsafe unsafeBitCast(element, to: Number.self) }
    if Element.self == Int.self { return UInt64(bitPattern: Int64(number(Int.self))) ^ 1 << 63 }
    if Element.self == UInt.self { return UInt64(number(UInt.self)) }
    if Element.self == Int64.self { return UInt64(bitPattern: number(Int64.self)) ^ 1 << 63 }
    if Element.self == UInt64.self { return number(UInt64.self) }
    if Element.self == Int32.self { return UInt64(bitPattern: Int64(number(Int32.self))) ^ 1 << 63 }
    if Element.self == UInt32.self { return UInt64(number(UInt32.self)) }
    return 0
  }
}

@usableFromInline
struct OrderByClosure<Element: Sendable>: SortOrder {
  @usableFromInline let closure: @Sendable (Element, Element) -> Bool
  @usableFromInline let sortLoop: SortLoop<Element>
  @usableFromInline let mergeLoop: MergeLoop<Element>

  @inlinable
  init(
    closure: @escaping @Sendable (Element, Element) -> Bool, sortLoop: @escaping SortLoop<Element>,
    mergeLoop: @escaping MergeLoop<Element>
  ) {
    self.closure = closure
    self.sortLoop = sortLoop
    self.mergeLoop = mergeLoop
  }

  @inlinable @inline(__always)
  func precedes(_ a: Element, _ b: Element) -> Bool { closure(a, b) }

  @inlinable
  func sortRun(_ elements: SharedElements<Element>, _ other: SharedElements<Element>, _ range: Range<Int>, into: Bool) {
    sortLoop(elements, other, range, into)
  }

  @inlinable
  func merge(
    _ source: SharedElements<Element>, _ first: Range<Int>, _ second: Range<Int>, _ target: SharedElements<Element>, _ place: Int
  ) {
    mergeLoop(source, first, second, target, place)
  }
}
