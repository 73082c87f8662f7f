internal import CSpindle
internal import Synchronization

/// A file descriptor that is closed with its last reference, or belongs to somebody who is kept alive meanwhile.
package final class OwnedDescriptor: Sendable {
  private let word: Atomic<Int32>
  private let owner: (any AnyObject & Sendable)?

  /// Takes over a descriptor that nobody else will close.
  package init(owning number: Int32) {
    word = Atomic(number)
    owner = nil
  }

  /// Borrows a descriptor that `owner` keeps open as long as it lives.
  package init(_ number: Int32, keptBy owner: any AnyObject & Sendable) {
    word = Atomic(number)
    self.owner = owner
  }

  /// A close-on-exec copy of somebody else's descriptor; nil when there is no such descriptor or no room for a copy.
  package convenience init?(copying number: Int32) {
    let copy = spindle_duplicate(number)
    guard copy >= 0 else { return nil }
    self.init(owning: copy)
  }

  package var number: Int32 { word.load(ordering: .relaxed) }

  /// Hands the descriptor over to the caller, who closes it. Once; afterwards this object has none.
  package func take() -> Int32 { word.exchange(-1, ordering: .relaxed) }

  deinit {
    let number = number
    if owner == nil, number >= 0 { _ = spindle_close(number) }
  }
}
