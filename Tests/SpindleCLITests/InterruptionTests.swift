import Glibc
import SpindleTestSupport
import Testing

/// Ctrl-C while a file is counted that would take minutes.
@Suite(.watchdog(seconds: 120)) struct InterruptionTests {
  /// A program that counts a file of nothing but holes, so large that it does not come to its end.
  private func counting(_ mode: String, _ scratch: Scratch) throws -> SpindleProgram {
    let path = scratch.file("endless", "")
    #expect(unsafe truncate(path, 2 << 40) == 0)
    return try SpindleProgram(["wordcount", "--mode", mode, "--workers", "2", path])
  }

  /// Waits until the kernel shows what `isThere` looks for.
  private func wait(_ isThere: () -> Bool) {
    while !isThere() { usleep(1000) }
  }

  @Test(arguments: ["serial", "threads", "processes", "all"])
  func `Ctrl-C ends it with what was done, exit status 130, and no process left`(mode: String) throws {
    let scratch = Scratch()
    let program = try counting(mode, scratch)
    // It is in the midst of its work.
    wait { mode == "processes" ? program.childCount >= 1 : program.hasOpened(scratch.at("endless")) }
    // As the terminal does it: to all of the group.
    program.signal(SIGINT, group: true)
    let result = program.wait()
    #expect(result.status == 130 && result.output == "")
    #expect(result.errors.contains("interrupted: \(mode == "all" ? "reading" : mode): "))
    #expect(result.errors.contains(" MB in "))
    wait { program.groupIsGone }
  }

  @Test func `SIGTERM ends it as Ctrl-C does, with its own exit status`() throws {
    let scratch = Scratch()
    let program = try counting("threads", scratch)
    wait { program.hasOpened(scratch.at("endless")) }
    program.signal(SIGTERM)
    let result = program.wait()
    #expect(result.status == 128 + SIGTERM && result.errors.contains("interrupted: "))
  }

  @Test func `killed, it leaves no worker behind`() throws {
    let scratch = Scratch()
    let program = try counting("processes", scratch)
    wait { program.childCount >= 1 }
    program.signal(SIGKILL)
    #expect(program.wait().status == 128 + SIGKILL)
    wait { program.groupIsGone }
  }

  @Test func `a worker that is killed costs no count`() throws {
    let scratch = Scratch()
    // Holes of 64 MB take long enough for a worker to be met while it counts.
    let path = scratch.file("holes", "begin ")
    #expect(unsafe truncate(path, 64 << 20) == 0)
    let program = try SpindleProgram(["wordcount", "--mode", "processes", "--workers", "1", "--json", path])
    wait { program.childCount >= 1 }
    for child in program.children { _ = kill(child, SIGKILL) }
    let result = program.wait()
    #expect(result.status == 0)
    let json = try JSONValue(parsing: result.output)
    #expect(json["files"] == 1 && json["words"] == 1 && json["bytes"] == .number(Double(64 << 20)))
  }

  @Test func `workers that do nothing but die leave the main process to count`() throws {
    let scratch = Scratch()
    let path = scratch.file("holes", "begin ")
    #expect(unsafe truncate(path, 64 << 20) == 0)
    let program = try SpindleProgram(["wordcount", "--mode", "processes", "--workers", "2", "--json", path])
    while !program.hasEnded {
      for child in program.children { _ = kill(child, SIGKILL) }
    }
    let result = program.wait()
    #expect(result.status == 0 && result.errors.contains("its files are counted by the main process"))
    let json = try JSONValue(parsing: result.output)
    #expect(json["files"] == 1 && json["words"] == 1 && json["bytes"] == .number(Double(64 << 20)))
  }
}
