import CSpindle

/// How many processors there are for this process.
///
///     let workers = Processors.available      // 2 in a container with `--cpus=1.5`
///
public enum Processors {
  /// The processors that this process may use at once, at least 1: Python's `os.process_cpu_count()` and more.
  ///
  /// The smaller of the calling thread's affinity mask (`taskset`, cpusets) and the CPU quota of the process's control
  /// groups, version 1 or 2, rounded up. Looks anew at each call, which reads a few files: some 0.1 ms.
  public static var available: Int {
    let allowed = max(1, Int(spindle_affinity_count()))
    guard let quota = CPUQuota.ofThisProcess() else { return allowed }
    return min(allowed, max(1, Int(quota.rounded(.up))))
  }

  /// The processors of the machine that are switched on, at least 1: Python's `os.cpu_count()`.
  public static var online: Int { max(1, Int(spindle_online_processors())) }
}
