import CSpindle
import Glibc

/// The open descriptors of this process, as far as they are of a kind that Spindle opens. Exit tests come and go with pipes, Swift's own
/// timers with event descriptors.
package func openDescriptors() -> [String: String] {
  var found: [String: String] = [:]
  for name in entries(of: "/proc/self/fd") {
    var target = [UInt8](repeating: 0, count: 256)
    let length = unsafe target.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/fd/" + name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let text = String(decoding: target.prefix(max(0, length)), as: UTF8.self)
    if ["socket:", "anon_inode:[pidfd]", "pidfd:", "/memfd:"].contains(where: text.hasPrefix) { found[name] = text }
  }
  return found
}

/// Those that were not open before. (One of an earlier test may be closed meanwhile, when its last reference goes.)
package func newDescriptors(since before: [String: String]) -> [String: String] {
  openDescriptors().filter { before[$0.key] != $0.value }
}

/// The same as text, once there is nothing and `others` holds, or after many looks: a thread that has said that it ends may need a
/// moment for it.
package func descriptorsLeft(since before: [String: String], others: () -> Bool = { true }) async -> [String] {
  for _ in 0..<10_000 {
    if newDescriptors(since: before).isEmpty, others() { break }
    await Task.yield()
  }
  return newDescriptors(since: before).map { "\($0.key) -> \($0.value)" }
}

/// The children that this process has started and not reaped: those whose names begin so.
///
/// Those of all tests that run in it: whoever makes a process pool there is `.oneAtATime`, and waits for the end of its workers.
package func children(named prefix: String = "ProcessPool-") -> [pid_t] {
  children { $0.name.hasPrefix(prefix) }
}

/// The children of this process that ended and that nobody reaps.
///
/// Children of tests that run beside this one are reaped a moment after their end: only those count that are found in a thousand looks.
package func zombies() -> [pid_t] {
  // A child with the name of this very program belongs to an exit test, which reaps it; ours have names of their own.
  let own = ProcessStatus(getpid())!.name
  func look() -> [pid_t] { children { $0.state == "Z" && $0.name != own } }
  var found = look()
  for _ in 0..<1000 where !found.isEmpty {
    spindle_yield()
    let now = look()
    found.removeAll { !now.contains($0) }
  }
  return found
}

/// Whether the process has ended and nobody has reaped it.
package func isZombie(_ process: pid_t) -> Bool { ProcessStatus(process)?.state == "Z" }

/// What /proc says of a process: its number, its name in parentheses, its state, its parent, and more.
package func statusLine(_ process: pid_t) -> String { kernelFile("/proc/\(process)/stat") ?? "" }

private func children(where isMeant: (ProcessStatus) -> Bool) -> [pid_t] {
  entries(of: "/proc").compactMap { pid_t($0) }.filter { process in
    guard let status = ProcessStatus(process) else { return false }
    return status.parent == getpid() && isMeant(status)
  }
}

private struct ProcessStatus {
  let name: String
  let state: String
  let parent: pid_t

  init?(_ process: pid_t) {
    let line = statusLine(process)
    // The name in parentheses may hold anything; state and parent follow it.
    guard let begin = line.firstIndex(of: "("), let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 1, let parent = pid_t(fields[1]) else { return nil }
    name = String(line[line.index(after: begin)..<end])
    state = String(fields[0])
    self.parent = parent
  }
}

private func entries(of path: String) -> [String] {
  var found: [String] = []
  guard let directory = unsafe opendir(path) else { return [] }
  defer { unsafe closedir(directory) }
  while let entry = unsafe readdir(directory) {
    found.append(
      unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      })
  }
  return found
}

/// How many pieces of memory this process shares with others, or did.
package func sharedMappings(named label: String = "/memfd:spindle") -> Int {
  var count = 0
  guard let file = unsafe fopen("/proc/self/maps", "r") else { return -1 }
  defer { unsafe fclose(file) }
  var line = [CChar](repeating: 0, count: 4096)
  while unsafe fgets(&line, Int32(line.count), file) != nil {
    if unsafe strstr(line, label) != nil { count += 1 }
  }
  return count
}
