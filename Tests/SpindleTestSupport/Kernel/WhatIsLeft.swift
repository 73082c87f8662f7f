import Glibc

/// The open descriptors of this process, but for the one that looks.
package func openDescriptors() -> [String: String] {
  var found: [String: String] = [:]
  guard let directory = unsafe opendir("/proc/self/fd") else { return [:] }
  let own = unsafe "\(dirfd(directory))"
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    if name == "." || name == ".." || name == own { continue }
    var target = [UInt8](repeating: 0, count: 256)
    let length = unsafe target.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/fd/" + name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let text = String(decoding: target.prefix(max(0, length)), as: UTF8.self)
    // The kinds that Spindle opens. Exit tests come and go with pipes, Swift's own timers with event descriptors.
    if ["socket:", "anon_inode:[pidfd]", "pidfd:", "/memfd:"].contains(where: text.hasPrefix) { found[name] = text }
  }
  unsafe closedir(directory)
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

/// The children that this process has started and not reaped: the pools' workers, or all.
package func children(named name: String = "(ProcessPool-") -> [Int32] {
  var found: [Int32] = []
  guard let directory = unsafe opendir("/proc") else { return [] }
  defer { unsafe closedir(directory) }
  while let entry = unsafe readdir(directory) {
    let text = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    guard let pid = Int32(text) else { continue }
    let line = statusLine(pid)
    let fields = line[(line.lastIndex(of: ")") ?? line.startIndex)...].split(separator: " ")
    if fields.count > 2, Int32(fields[2]) == getpid(), line.contains(name) { found.append(pid) }
  }
  return found
}

/// What /proc says of a process: its number, its name in parentheses, its state, its parent, and more.
package func statusLine(_ process: Int32) -> String {
  guard let status = unsafe fopen("/proc/\(process)/stat", "r") else { return "" }
  defer { unsafe fclose(status) }
  var line = [CChar](repeating: 0, count: 512)
  guard unsafe fgets(&line, 512, status) != nil else { return "" }
  return String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
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

/// The children of this process that ended and were not reaped.
package func zombies() -> [pid_t] {
  var found: [pid_t] = []
  guard let directory = unsafe opendir("/proc") else { return [] }
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    guard let pid = pid_t(name), let file = unsafe fopen("/proc/\(pid)/stat", "r") else { continue }
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = unsafe fread(&bytes, 1, 511, file)
    unsafe fclose(file)
    // The name in parentheses may hold anything; state and parent follow it.
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { continue }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // A child with the name of this very program belongs to an exit test, which reaps it; ours have names of their own.
    if text[..<end].hasSuffix("(" + ownName()) { continue }
    if fields.count > 1, fields[0] == "Z", fields[1] == "\(getpid())" { found.append(pid) }
  }
  unsafe closedir(directory)
  return found
}

/// What the kernel calls this process.
private func ownName() -> String {
  var name = [UInt8](repeating: 0, count: 64)
  guard let file = unsafe fopen("/proc/self/comm", "r") else { return "" }
  defer { unsafe fclose(file) }
  let count = unsafe fread(&name, 1, 64, file)
  return String(decoding: name.prefix(count).filter { $0 != 10 }, as: UTF8.self)
}
