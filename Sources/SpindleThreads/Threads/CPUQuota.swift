import CSpindle

/// How much processor time the control groups of a process grant it: 1.5 is one and a half processors.
///
/// Version 2 has one tree of groups, whose `cpu.max` says "150000 100000" (microseconds of each period) or
/// "max 100000"; version 1 one tree for each controller, with `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
/// A group's limit holds for all below it, so the smallest on the way up to the root counts.
///
/// Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst` and `scheduler/sched-bwc.rst`.
package struct CPUQuota {
  /// The text of a file, nil when it cannot be read.
  private let read: (String) -> String?

  package init(read: @escaping (String) -> String?) { self.read = read }

  package static func ofThisProcess() -> Double? { CPUQuota(read: readSmallFile).quota() }

  /// The smallest limit; nil when there is none.
  package func quota() -> Double? {
    guard let groups = read("/proc/self/cgroup"), let mounts = read("/proc/self/mountinfo") else { return nil }
    var smallest: Double?
    for tree in trees(mounts) {
      guard let path = group(in: groups, of: tree) else { continue }
      // Nearest first, up to the mount point.
      var directory = tree.mountPoint + relative(path, to: tree.root)
      while true {
        if let limit = tree.isUnified ? unifiedLimit(directory) : legacyLimit(directory) {
          smallest = min(smallest ?? limit, limit)
        }
        guard directory.utf8.count > tree.mountPoint.utf8.count, let slash = directory.lastIndex(of: "/") else { break }
        directory = String(directory[..<slash])
      }
    }
    return smallest
  }

  /// A mounted tree of groups: its place in the file system, and which group is at that place.
  private struct Tree {
    let mountPoint: String
    let root: String
    let isUnified: Bool
  }

  /// Lines such as `31 24 0:26 /root /mount/point rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate`.
  private func trees(_ mounts: String) -> [Tree] {
    mounts.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 5, fields.count > dash + 3 else { return nil }
      let isUnified = fields[dash + 1] == "cgroup2"
      let hasCPU = fields[dash + 1] == "cgroup" && fields[dash + 3].split(separator: ",").contains("cpu")
      guard isUnified || hasCPU else { return nil }
      let mountPoint = Self.unescaped(fields[4])
      return Tree(
        mountPoint: mountPoint == "/" ? "" : mountPoint, root: Self.unescaped(fields[3]), isUnified: isUnified)
    }
  }

  /// Lines such as `0::/user.slice` (version 2) or `4:cpu,cpuacct:/docker/12ab` (version 1).
  private func group(in groups: String, of tree: Tree) -> String? {
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isIts =
        tree.isUnified ? fields[0] == "0" && fields[1].isEmpty : fields[1].split(separator: ",").contains("cpu")
      if isIts { return String(fields[2]) }
    }
    return nil
  }

  /// The group's path below the mount point: "" for the mounted group itself, or when the mount shows another part.
  private func relative(_ path: String, to root: String) -> String {
    // A container may see the host's path of its group, with only its own group mounted; or paths out of its namespace.
    if path.split(separator: "/").contains("..") { return "" }
    let below =
      root == "/" ? path[...] : path == root ? "" : path.hasPrefix(root + "/") ? path.dropFirst(root.count) : ""
    return below == "/" ? "" : String(below)
  }

  private func unifiedLimit(_ directory: String) -> Double? {
    guard let fields = read(directory + "/cpu.max")?.split(whereSeparator: \.isWhitespace), fields.count == 2
    else { return nil }
    return Self.ratio(fields[0], fields[1])
  }

  private func legacyLimit(_ directory: String) -> Double? {
    guard let quota = read(directory + "/cpu.cfs_quota_us")?.split(whereSeparator: \.isWhitespace).first,
      let period = read(directory + "/cpu.cfs_period_us")?.split(whereSeparator: \.isWhitespace).first
    else { return nil }
    return Self.ratio(quota, period)
  }

  /// nil for "max", for -1, and for what makes no sense.
  private static func ratio(_ quota: Substring, _ period: Substring) -> Double? {
    guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0, quota.isFinite, period.isFinite
    else { return nil }
    return quota / period
  }

  /// mountinfo writes space, tab, newline and backslash as three octal digits: `\040`.
  private static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The text of a file of the kernel's, nil when it cannot be read.
private func readSmallFile(_ path: String) -> String? {
  var bytes = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = unsafe path.withCString { path in
      unsafe bytes.withUnsafeMutableBytes { unsafe spindle_read_file(path, $0.baseAddress!, $0.count) }
    }
    if count < 0 { return nil }
    if count < bytes.count { return String(decoding: bytes.prefix(Int(count)), as: UTF8.self) }
    bytes = [UInt8](repeating: 0, count: 2 * bytes.count)
  }
}
