internal import SpindleGround
internal import SpindleThreads
internal import Synchronization

/// The pools that are in use: at the end of the process they are closed, their calls are done, and their workers end.
enum OpenProcessPools {
  private static let all = RawGuarded<[ObjectIdentifier: ProcessPoolCore]>([:])
  private static let isArmed = Atomic<Bool>(false)

  static func add(_ pool: ProcessPoolCore) {
    all.withLock { $0[ObjectIdentifier(pool)] = pool }
    // Closed meanwhile: whoever did so may have looked before it was in the list.
    if pool.isClosed { remove(pool) }
    if isArmed.exchange(true, ordering: .acquiringAndReleasing) { return }
    ProcessExit.register(.pools) {
      isArmed.store(false, ordering: .releasing)
      for pool in all.withLock({ Array($0.values) }) { pool.close() }
    }
  }

  static func remove(_ pool: ProcessPoolCore) {
    let removed = all.withLock { $0.removeValue(forKey: ObjectIdentifier(pool)) }
    _ = consume removed
  }
}
