import CSpindle
import Synchronization

extension Processors {
  /// How many of the available processors a pool that is made here may count on, at least 1.
  ///
  /// That is all of them, except in a pool's worker, thread or process: there it is the worker's part of what its pool may
  /// count on. A pool that is told no number of workers takes so many. So pools inside of pools, to any depth, have about as many
  /// threads at work as there are processors, not their square.
  public static var share: Int { max(1, available / ProcessorShare.sharers) }
}

/// Among how many the processors are divided: the one place that keeps pools inside of pools from having more threads at
/// work than there are processors.
///
/// A pool notes the number where it is made, and its workers carry that number times how many they are.
package enum ProcessorShare {
  /// For threads that carry no number of their own: 1, and in a worker process what its pool has told it.
  private static let ofProcess = Atomic<Int>(1)

  /// Among how many, the calling thread one of them.
  package static var sharers: Int {
    let own = Int(spindle_sharers())
    return own > 0 ? own : ofProcess.load(ordering: .relaxed)
  }

  /// The number for each of `workers` in a pool that is made by one of `sharers`.
  package static func divided(among workers: Int, by sharers: Int = sharers) -> Int {
    let (product, overflow) = sharers.multipliedReportingOverflow(by: workers)
    return overflow ? .max : product
  }

  /// What was set for the calling thread; 0 when nothing was.
  package static var ofThread: Int { Int(spindle_sharers()) }

  /// From now on the calling thread is one of so many.
  package static func setForThread(_ sharers: Int) { spindle_set_sharers(Int64(sharers)) }

  /// This process is one of so many.
  package static func setForProcess(_ sharers: Int) { ofProcess.store(max(1, sharers), ordering: .relaxed) }
}
