import SpindleGround

/// What tests and reports look at.
extension BlockingQueue where Element: ~Copyable {
  /// How many threads and tasks wait for an element, for room, and for the tasks to be done.
  package final var waitingGetters: Int { unsafe state.pointee.elements.waiterCount }
  package final var waitingPutters: Int { unsafe state.pointee.room.waiterCount }
  package final var waitingJoiners: Int { unsafe state.pointee.allDone.waiterCount }

  /// Whether at least so many elements have been put in since the beginning.
  package final func hasReceived(_ count: Int) -> Bool { unsafe state.pointee.putCount >= count }

  /// A queue whose inside is a chain of blocks, which `Queue` takes only for large capacities or none.
  package static func chain(capacity: Int) -> BlockingQueue {
    BlockingQueue(kind: .blocks, capacity: capacity, store: nil)
  }
}
