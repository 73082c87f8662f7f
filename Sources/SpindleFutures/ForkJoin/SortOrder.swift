/// Which element comes first: a type, so that the comparison is specialised wherever it is made.
@usableFromInline
protocol SortOrder<Element>: Sendable {
  associatedtype Element: Sendable
  func precedes(_ a: Element, _ b: Element) -> Bool

  /// Whether elements are numbers whose order is that of their keys.
  static var hasKeys: Bool { get }
  static func key(_ element: Element) -> UInt64
}

extension SortOrder {
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

  @inlinable
  init(closure: @escaping @Sendable (Element, Element) -> Bool) { self.closure = closure }

  @inlinable @inline(__always)
  func precedes(_ a: Element, _ b: Element) -> Bool { closure(a, b) }
}
