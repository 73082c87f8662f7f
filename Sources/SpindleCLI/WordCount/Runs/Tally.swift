import Synchronization

/// What a count has come to so far, for those who watch it.
///
/// Every figure is exact once the count has ended; meanwhile each is, but not all at the same instant.
package final class Tally: Sendable {
  private let fileCount = Atomic<Int>(0)
  private let byteCount = Atomic<Int>(0)

  /// Files whose first piece is done.
  var files: Int { fileCount.load(ordering: .relaxed) }
  var bytes: Int { byteCount.load(ordering: .relaxed) }

  package init() {}

  func add(files: Int, bytes: Int) {
    fileCount.wrappingAdd(files, ordering: .relaxed)
    byteCount.wrappingAdd(bytes, ordering: .relaxed)
  }

  func set(files: Int, bytes: Int) {
    fileCount.store(files, ordering: .relaxed)
    byteCount.store(bytes, ordering: .relaxed)
  }
}
