import CSpindle
import CSpindleTesting
import Glibc
import SpindleTestSupport

/// A fixture program under the test's control, with pipes for its stdin and stdout, in a process group of its own.
///
/// It is killed and reaped when the handle goes.
final class Program {
  let pid: pid_t
  private let input: Int32
  private let output: Int32
  private var buffer: [UInt8] = []
  private var status: Int32?

  /// An executable that the package built beside the tests.
  init(_ name: String, _ arguments: String..., environment: [String] = []) throws {
    var stdin: [Int32] = [0, 0]
    var stdout: [Int32] = [0, 0]
    guard unsafe pipe(&stdin) == 0, unsafe pipe(&stdout) == 0 else { throw Problem("pipe") }
    for end in stdin + stdout { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawn_file_actions_adddup2(&actions, stdin[0], 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, stdout[1], 1)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
      close(stdin[0])
      close(stdout[1])
    }
    let path = Program.directory + "/" + name
    var argv = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
    // One each: of two, the runtime takes the last and the C library the first.
    let backtrace = environment.contains { $0.hasPrefix("SWIFT_BACKTRACE=") } ? [] : ["SWIFT_BACKTRACE=enable=no"]
    // What a sanitizer was told goes for all that the tests start.
    let options = ["ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { (name: String) -> String? in
      unsafe spindle_test_setting(name).map { unsafe "\(name)=\(String(cString: $0))" }
    }
    let variables = environment + ["PATH=/usr/bin:/bin"] + backtrace + options
    var envp = unsafe variables.map { unsafe strdup($0) } + [nil]
    defer { unsafe (argv + envp).forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let error = unsafe posix_spawn(&pid, path, &actions, &attributes, &argv, &envp)
    input = stdin[1]
    output = stdout[0]
    self.pid = pid
    guard error == 0 else { throw Problem("posix_spawn \(path): \(error)") }
  }

  struct Problem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  /// A second name for a fixture, which it may delete.
  static func link(_ name: String, as other: String) throws {
    let (old, new) = (directory + "/" + name, directory + "/" + other)
    _ = unsafe unlink(new)
    guard unsafe Glibc.link(old, new) == 0 else { throw Problem("link \(new)") }
  }

  private static var directory: String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }

  /// The next line of its stdout; nil at the end. A program that says nothing for long is a failure.
  func line() throws -> String? {
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeSubrange(...end) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      guard isReadable(output, within: 30) else { throw Problem("the program said nothing for 30 s or more") }
      var piece = [UInt8](repeating: 0, count: 4096)
      let count = unsafe read(output, &piece, piece.count)
      if count <= 0 { return nil }
      buffer += piece.prefix(count)
    }
  }

  func lines() throws -> [String] {
    var all: [String] = []
    while let line = try line() { all.append(line) }
    return all
  }

  func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe write(input, bytes, bytes.count)
  }

  /// Signals the program alone, or its whole group as Ctrl-C at a terminal does.
  func signal(_ number: Int32, group: Bool = false) { _ = kill(group ? -pid : pid, number) }

  /// Its wait status.
  func wait() -> Int32 {
    if let status { return status }
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
    self.status = status
    return status
  }

  deinit {
    if status == nil {
      signal(SIGKILL)
      _ = wait()
    }
    close(input)
    close(output)
  }
}

/// The time is an upper bound; it is stretched as the watchdogs' are.
func isReadable(_ descriptor: Int32, within seconds: Int32) -> Bool {
  let seconds = Int32(Double(seconds) * max(1, slownessOfTests))
  var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  while true {
    let count = unsafe poll(&entry, 1, seconds * 1000)
    if count >= 0 || errno != EINTR { return count > 0 }
  }
}

/// Somebody else's process, watched until it is gone.
final class WatchedProcess {
  private let pidfd: Int32
  init?(_ pid: pid_t) {
    pidfd = spindle_open_process(pid)
    if pidfd < 0 { return nil }
  }
  func ends(within seconds: Int32 = 20) -> Bool { isReadable(pidfd, within: seconds) }
  deinit { close(pidfd) }
}

/// The open descriptors of this process, but for the one that looks.
func openDescriptors() -> [String: String] {
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
func newDescriptors(since before: [String: String]) -> [String: String] {
  openDescriptors().filter { before[$0.key] != $0.value }
}

/// The same as text, once there is nothing and `others` holds, or after many looks: a thread that has said that it ends may need a
/// moment for it.
func descriptorsLeft(since before: [String: String], others: () -> Bool = { true }) async -> [String] {
  for _ in 0..<10_000 {
    if newDescriptors(since: before).isEmpty, others() { break }
    await Task.yield()
  }
  return newDescriptors(since: before).map { "\($0.key) -> \($0.value)" }
}

/// The children of this process that ended and were not reaped.
func zombies() -> [pid_t] {
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
