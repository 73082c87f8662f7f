import CSpindle

/// A point on the monotonic clock at which a wait ends: the only place where time-outs are made.
///
/// A time-out becomes one absolute deadline when a call begins, so that early wake-ups, lost races and
/// several waits inside one call never stretch it.
@usableFromInline
package struct Deadline: Sendable, Equatable {
  /// Nanoseconds of the monotonic clock; `Int64.max` is never.
  package let nanoseconds: Int64

  @usableFromInline
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// A wait that ends only when what it waits for happens.
  @usableFromInline
  package static var never: Deadline { Deadline(nanoseconds: .max) }

  /// A wait that tries once and does not sleep. No clock is read.
  @usableFromInline
  package static var immediate: Deadline { Deadline(nanoseconds: .min) }

  /// The point `timeout` from now. Zero or less is `immediate`; what the clock cannot express is `never`.
  @usableFromInline
  package init(after timeout: Duration) {
    if timeout <= .zero {
      self = .immediate
      return
    }
    // Before it is taken apart: `components` traps on what is longer than 2^63 seconds.
    if timeout >= .seconds(Self.longest) {
      self = .never
      return
    }
    let (seconds, attoseconds) = timeout.components
    // Part of a nanosecond counts as one: a wait may end late, never early.
    let span = seconds * 1_000_000_000 + (attoseconds + 999_999_999) / 1_000_000_000
    let (end, overflow) = span.addingReportingOverflow(spindle_now())
    self.init(nanoseconds: overflow ? .max : end)
  }

  /// In seconds, 272 years: what is longer is longer than any program runs.
  private static var longest: Int64 { 1 << 33 }

  /// The point `timeout` from now, or `never` without a time-out.
  @usableFromInline
  package init(after timeout: Duration?) {
    if let timeout { self.init(after: timeout) } else { self = .never }
  }

  @usableFromInline
  package var isNever: Bool { nanoseconds == .max }

  /// Whether the point has passed. Reads the clock unless the answer is known without it.
  @usableFromInline
  package var hasPassed: Bool {
    nanoseconds == .min || (nanoseconds != .max && spindle_now() >= nanoseconds)
  }

  /// The time left, zero when none is; nil for `never`.
  package var remaining: Duration? {
    if isNever { return nil }
    return .nanoseconds(nanoseconds == .min ? 0 : max(0, nanoseconds - spindle_now()))
  }
}
