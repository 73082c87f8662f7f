import Spindle
import SpindleThreads
import Testing

@Suite struct ProcessorsTests {
  @Test func `at least one is available, and no more than are online`() {
    #expect(Processors.online >= 1)
    #expect(Processors.available >= 1)
    #expect(Processors.available <= Processors.online)
  }

  /// A tree of files that the kernel might show.
  private func quota(_ files: [String: String]) -> Double? { CPUQuota { files[$0] }.quota() }

  private let unified = "31 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
  private let legacy = """
    22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
    35 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
    36 25 0:31 / /sys/fs/cgroup/cpuset rw,nosuid shared:16 - cgroup cgroup rw,cpuset

    """

  @Test func `version 2 grants the quota of the process's own group`() {
    #expect(
      quota([
        "/proc/self/cgroup": "0::/user.slice/job\n", "/proc/self/mountinfo": unified,
        "/sys/fs/cgroup/user.slice/job/cpu.max": "150000 100000\n",
      ]) == 1.5)
  }

  @Test func `the smallest limit on the way up counts`() {
    #expect(
      quota([
        "/proc/self/cgroup": "0::/a/b/c\n", "/proc/self/mountinfo": unified,
        "/sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/a/b/cpu.max": "300000 100000\n",
        "/sys/fs/cgroup/a/cpu.max": "200000 100000\n",
      ]) == 2)
  }

  @Test func `a container that sees itself as the root has its own limit`() {
    #expect(
      quota([
        "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": unified, "/sys/fs/cgroup/cpu.max": "50000 100000\n",
      ]) == 0.5)
  }

  @Test func `no limit is no quota`() {
    #expect(
      quota([
        "/proc/self/cgroup": "0::/x\n", "/proc/self/mountinfo": unified, "/sys/fs/cgroup/x/cpu.max": "max 100000\n",
      ]) == nil)
    #expect(quota(["/proc/self/cgroup": "0::/x\n", "/proc/self/mountinfo": unified]) == nil)
    #expect(quota([:]) == nil)
  }

  @Test func `version 1 grants quota by period`() {
    #expect(
      quota([
        "/proc/self/cgroup": "5:cpuset:/other\n4:cpu,cpuacct:/docker/12ab\n", "/proc/self/mountinfo": legacy,
        "/sys/fs/cgroup/cpu,cpuacct/docker/12ab/cpu.cfs_quota_us": "250000\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/12ab/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      ]) == 2.5)
  }

  @Test func `version 1 in a container finds its group at the mount point`() {
    let mounts = "35 25 0:30 /docker/12ab /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
    #expect(
      quota([
        "/proc/self/cgroup": "4:cpu:/docker/12ab\n", "/proc/self/mountinfo": mounts,
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
      ]) == 2)
  }

  @Test func `a mount point with spaces is read`() {
    let mounts = "31 24 0:26 / /my\\040groups rw - cgroup2 none rw\n"
    #expect(
      quota(["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": mounts, "/my groups/cpu.max": "100000 100000"]) == 1
    )
  }

  @Test(arguments: ["", "max", "0 0", "-5 100000", "nan 1", "1e999 1", "a b", "100000", "1 2 3"])
  func `a limit that makes no sense is none`(text: String) {
    #expect(
      quota(["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": unified, "/sys/fs/cgroup/cpu.max": text]) == nil)
  }

  @Test(arguments: ["", "\n\n", "31 24 - cgroup2", "- - - - - - -", "a b c d e f g", "0::/../.."])
  func `broken lists of mounts and groups are no quota`(text: String) {
    #expect(quota(["/proc/self/cgroup": text, "/proc/self/mountinfo": text]) == nil)
    #expect(quota(["/proc/self/cgroup": "0::/../..\n", "/proc/self/mountinfo": unified]) == nil)
  }
}
