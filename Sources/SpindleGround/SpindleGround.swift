import CSpindle
import Synchronization
@frozen @usableFromInline package struct Spot: ~Copyable {
  @usableFromInline package let word = Atomic<UInt32>(0)
  @inlinable package init() {}
  @inlinable package borrowing func bump() -> UInt32 { word.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue }
}
