public import SpindleGround
public final class Probe: Sendable {
  @usableFromInline let spot = Spot()
  @inlinable public init() {}
  @inlinable public func bump() -> UInt32 { spot.bump() }
}
