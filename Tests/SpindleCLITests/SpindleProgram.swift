import CSpindle
import Glibc
import SpindleTestSupport

/// The built `spindle` command as a child of the test, in a process group of its own, killed and reaped when the handle
/// goes.
///
///     let program = try SpindleProgram("wordcount", path, "--json")
///     let result = program.wait()
///     #expect(result.status == 0)
final class SpindleProgram {
  struct Result {
    /// The exit status, or 128 and the signal as a shell says it.
    let status: Int32
    let output: String
    let errors: String
  }

  struct Problem: Error { let description: String }

  let pid: pid_t
  private let output: Int32
  private let errors: Int32
  private var status: Int32?

  /// Starts it. Output and messages go to files without a name unless `output` says another descriptor; -1 closes it.
  init(_ arguments: [String], output other: Int32? = nil, errors otherErrors: Int32? = nil, environment: [String] = [])
    throws
  {
    output = Self.temporaryFile()
    errors = Self.temporaryFile()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if other == -1 {
      unsafe posix_spawn_file_actions_addclose(&actions, 1)
    } else {
      unsafe posix_spawn_file_actions_adddup2(&actions, other ?? output, 1)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, otherErrors ?? errors, 2)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    pid = try spawn(Self.directory + "/spindle", arguments, environment: environment + ["PATH=/usr/bin:/bin"], &actions)
  }

  /// Runs it to its end.
  static func run(_ arguments: String..., environment: [String] = []) throws -> Result {
    try SpindleProgram(arguments, environment: environment).wait()
  }

  func signal(_ number: Int32, group: Bool = false) { _ = kill(group ? -pid : pid, number) }

  /// What it has written on standard error so far.
  var errorsSoFar: String { Self.contents(errors) }

  /// Waits for its end. The test's watchdog is the time limit.
  func wait() -> Result {
    if status == nil {
      var raw: Int32 = 0
      while unsafe waitpid(pid, &raw, 0) < 0, errno == EINTR {}
      status = raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + (raw & 0x7F)
    }
    return Result(status: status!, output: Self.contents(output), errors: Self.contents(errors))
  }

  /// Whether it has ended; it stays there for `wait`.
  var hasEnded: Bool {
    var info = unsafe siginfo_t()
    return unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo != 0
  }

  /// Whether it has a file open now.
  func hasOpened(_ path: String) -> Bool {
    entries("/proc/\(pid)/fd").contains { descriptor in
      var target = [UInt8](repeating: 0, count: 4096)
      let count = unsafe target.withUnsafeMutableBytes {
        unsafe readlink(
          "/proc/\(pid)/fd/\(descriptor)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
      }
      return String(decoding: target.prefix(max(0, count)), as: UTF8.self) == path
    }
  }

  /// The processes that any of its threads started.
  var children: [pid_t] {
    entries("/proc/\(pid)/task").flatMap { thread in
      contents("/proc/\(pid)/task/\(thread)/children").split(separator: " ").compactMap { pid_t($0) }
    }
  }

  var childCount: Int { children.count }

  private func entries(_ path: String) -> [String] {
    guard let stream = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }

  private func contents(_ path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  /// Whether no process of its group is left.
  var groupIsGone: Bool { kill(-pid, 0) != 0 && errno == ESRCH }

  deinit {
    if status == nil {
      signal(SIGKILL, group: true)
      _ = wait()
    }
    close(output)
    close(errors)
  }

  private static func temporaryFile() -> Int32 {
    var name = Array("/tmp/spindle-cli-XXXXXX".utf8CString)
    return unsafe name.withUnsafeMutableBufferPointer { name in
      let descriptor = unsafe mkstemp(name.baseAddress!)
      precondition(descriptor >= 0, "cannot make a temporary file: \(errno)")
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      unsafe unlink(name.baseAddress!)
      return descriptor
    }
  }

  private static func contents(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Not by the position, which the program shares.
      let count = unsafe pread(descriptor, &piece, piece.count, off_t(bytes.count))
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += piece.prefix(count)
    }
  }

  /// Where the package's programs are built: beside the tests.
  static let directory: String = {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }()
}
