internal import CSpindle

/// A file descriptor that is closed with its last reference.
package final class OwnedDescriptor: Sendable {
  package let number: Int32

  /// Takes over a descriptor that nobody else will close.
  package init(owning number: Int32) { self.number = number }

  /// A close-on-exec copy of somebody else's descriptor; nil when there is no such descriptor or no room for a copy.
  package init?(copying number: Int32) {
    let copy = spindle_duplicate(number)
    guard copy >= 0 else { return nil }
    self.number = copy
  }

  deinit { _ = spindle_close(number) }
}
