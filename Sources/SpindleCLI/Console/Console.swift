import Glibc
import Spindle

/// Standard error, shared by messages and the progress bar.
///
///     Console.shared.say("cannot read \(path)")      // "spindle: cannot read ..."
///
/// A message first takes the bar off the screen; the bar comes back with its next update.
final class Console: Sendable {
  static let shared = Console()

  /// Whether somebody sees it as it is written.
  let isTerminal = isatty(STDERR_FILENO) == 1

  /// Whether the bar is on the screen.
  private let barIsShown = Guarded(false)

  /// Writes a line with the command's name.
  func say(_ message: String) { write("spindle: \(message)\n") }

  func write(_ text: String) {
    barIsShown.withLock { isShown in
      _ = writeAll(STDERR_FILENO, (isShown ? Self.clearLine : "") + text)
      isShown = false
    }
  }

  /// Shows the bar in place of the one before, cut to the terminal's width; nothing when it is no terminal.
  func show(bar: String) {
    guard isTerminal else { return }
    let line = String(bar.prefix(Self.width - 1))
    barIsShown.withLock { isShown in
      _ = writeAll(STDERR_FILENO, Self.clearLine + line)
      isShown = true
    }
  }

  func clearBar() {
    barIsShown.withLock { isShown in
      if isShown { _ = writeAll(STDERR_FILENO, Self.clearLine) }
      isShown = false
    }
  }

  private static let clearLine = "\r\u{1B}[K"

  private static var width: Int {
    var size = winsize()
    let result = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
    return result == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
  }
}

/// Standard output: results, and nothing else.
enum Output {
  static let isTerminal = isatty(STDOUT_FILENO) == 1

  /// Writes all of `text`, or ends the command with a message: half a result is none.
  ///
  /// A reader that went away ends it by SIGPIPE, silently, as is usual; where that signal is ignored, just as silently.
  static func write(_ text: String) {
    let code = writeAll(STDOUT_FILENO, text)
    if code == 0 { return }
    if code == EPIPE { exit(128 + SIGPIPE) }
    Console.shared.say("\(FileProblem(path: FilePath("standard output"), operation: "write", code: code))")
    exit(ExitStatus.incomplete.code)
  }
}

/// The three descriptors that a program is given.
enum StandardDescriptors {
  /// Occupies those that are closed, so that no file of ours becomes the place that results are written to.
  /// What is written there fails, as it would have.
  static func repair() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free one is taken: this one, since those below are there.
      _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}

/// Writes all bytes, waiting where the descriptor does not. Returns an error number or 0.
private func writeAll(_ descriptor: Int32, _ text: String) -> Int32 {
  var text = text
  return text.withUTF8 { bytes in
    var rest = unsafe bytes[...]
    while unsafe !rest.isEmpty {
      let count = unsafe Glibc.write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count > 0 {
        unsafe rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}
