/// The types that are coded directly.
enum DirectTypes {
  /// Those with code of their own, made for them by the compiler because they are named here.
  static let all: [(Any.Type, ValueCoder)] =
    family(Int.self) + family(Int8.self) + family(Int16.self) + family(Int32.self) + family(Int64.self)
    + family(Int128.self) + family(UInt.self) + family(UInt8.self) + family(UInt16.self) + family(UInt32.self)
    + family(UInt64.self) + family(UInt128.self) + family(Float.self) + family(Double.self) + family(Bool.self)
    + family(Float16.self) + family(String.self)
    + [
      entry([String: Int].self), entry([String: Double].self), entry([String: Bool].self), entry([String: String].self),
      entry([Int: Int].self), entry([Int: Double].self), entry([Int: String].self), entry(Set<Int>.self),
      entry(Set<String>.self), entry(ReplyKind.self), entry(ActorMessageHead.self),
    ]

  @inline(__always)
  private static func family<E: DirectElement>(_: E.Type) -> [(Any.Type, ValueCoder)] { [entry(E.self), entry([E].self)] }

  @inline(__always)
  private static func entry<D: DirectlyCoded>(_: D.Type) -> (Any.Type, ValueCoder) { (D.self, coder(D.self)) }

  @inline(__always)
  static func coder<D: DirectlyCoded>(_: D.Type) -> ValueCoder {
    // SAFETY: whoever calls these has found them by the type D.
    unsafe .direct(
      put: { value, state in unsafe value.assumingMemoryBound(to: D.self).pointee.put(into: state) },
      take: { state, place, memory in
        guard let value = D.take(from: state, at: &place) else { return false }
        unsafe memory.initializeMemory(as: D.self, to: value)
        return true
      },
      size: { unsafe $0.assumingMemoryBound(to: D.self).pointee.sizeHint })
  }
}
