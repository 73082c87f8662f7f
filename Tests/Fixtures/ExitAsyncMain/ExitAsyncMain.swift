// Ends in the way its first argument names, with an async `@main`.
import CSpindle
import Glibc
import Spindle

struct Failed: Error {}

func say(_ line: String) {
  var text = line + "\n"
  text.withUTF8 { unsafe spindle_write_error($0.baseAddress!, $0.count) }
}

@main
struct Program {
  static func main() async throws {
    OSThread.spawn {
      OSThread.sleep(for: .milliseconds(50))
      say("thread ends")
    }
    say("main ends \(OSThread.current.isMain)")
    switch CommandLine.arguments.last {
    case "exit": exit(7)
    case "throw": throw Failed()
    default: break
    }
  }
}
