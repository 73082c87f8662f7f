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
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      close(stdin[0])
      close(stdout[1])
    }
    // One each: of two, the runtime takes the last and the C library the first.
    let backtrace = environment.contains { $0.hasPrefix("SWIFT_BACKTRACE=") } ? [] : ["SWIFT_BACKTRACE=enable=no"]
    // What a sanitizer was told goes for all that the tests start.
    let options = ["ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { (name: String) -> String? in
      unsafe spindle_test_setting(name).map { unsafe "\(name)=\(String(cString: $0))" }
    }
    let variables = environment + ["PATH=/usr/bin:/bin"] + backtrace + options
    pid = try spawn(Program.directory + "/" + name, arguments, environment: variables, &actions)
    input = stdin[1]
    output = stdout[0]
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
