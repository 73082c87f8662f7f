import Glibc
import Testing
import SpindleTestSupport

@Suite(.watchdog(seconds: 120)) struct WordCountTests {
  /// One run in a mode, as JSON.
  private func count(_ arguments: String..., status: Int32 = 0) throws -> JSONValue {
    let result = try SpindleProgram(["wordcount", "--json"] + arguments).wait()
    #expect(result.status == status, "\(result.errors)")
    return try JSONValue(parsing: result.output)
  }

  /// A small tree with every kind of thing in it: 5 files, 12 words.
  private func tree() -> Scratch {
    let scratch = Scratch()
    scratch.file("a", "The cat and THE dog.")
    scratch.file("b", "it's 1 don't")
    scratch.directory("d")
    scratch.directory("d/e")
    scratch.file("d/e/c", "cat-\ncat")
    scratch.file("d/empty", "")
    scratch.file("d/binary", [0, 0x80, 0xC3, 0xA9, 0x41, 0xFF])
    return scratch
  }

  @Test(arguments: ["serial", "threads", "processes", "all"])
  func `every mode counts the words of a tree`(mode: String) throws {
    let scratch = tree()
    let json = try count("--mode", mode, scratch.path)
    #expect(json["files"] == 5 && json["bytes"] == 46 && json["skipped"] == [])
    #expect(json["words"] == 12 && json["unique"] == 9)
    #expect(json["top"]?[0] == ["word": "cat", "count": 3])
    #expect(json["top"]?[1] == ["word": "the", "count": 2])
    #expect(json["top"]?[2] == ["word": "a", "count": 1])
    #expect(json["top"]?[3] == ["word": "and", "count": 1])
  }

  @Test func `the JSON has exactly the documented keys, and seconds and workers for each run`() throws {
    let scratch = tree()
    let json = try count("--mode", "all", "--workers", "3", "--top", "2", scratch.path)
    #expect(json.keys == ["files", "bytes", "words", "unique", "skipped", "runs", "top"])
    guard case .array(let runs)? = json["runs"] else { return #expect(Bool(false), "runs is no array") }
    #expect(runs.first?["mode"] == "serial" && runs.first?["workers"] == 1)
    for run in runs {
      #expect(run.keys == ["mode", "workers", "seconds"])
      guard case .number(let seconds)? = run["seconds"] else { return #expect(Bool(false), "seconds is no number") }
      #expect(seconds >= 0)
      #expect(run["mode"] == "serial" || run["workers"] == 3)
    }
    guard case .array(let top)? = json["top"] else { return #expect(Bool(false), "top is no array") }
    #expect(top.count == 2)
  }

  @Test func `for people there is a table and the top words, most frequent first`() throws {
    let scratch = tree()
    let result = try SpindleProgram.run("wordcount", "--mode", "all", "--top", "1", scratch.path)
    #expect(result.status == 0 && result.errors == "")
    let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.first == ["mode", "workers", "seconds", "files/s", "MB/s", "speed-up"])
    #expect(lines[1].first == "serial" && lines[1].last == "1.00x")
    #expect(lines[2].first == "threads" && lines[3].first == "processes")
    #expect(result.output.contains("equal"))
    #expect(result.output.contains("5 files, 46 bytes, 12 words, 9 different"))
    #expect(lines.last == ["3", "cat"])
  }

  @Test func `a large file is counted in pieces, by all modes alike`() throws {
    let scratch = Scratch()
    // Words of seven letters and one space: every eighth byte ends one, so the pieces' ends cut many.
    var random = SplitMix64(seed: 1)
    var text: [UInt8] = []
    while text.count < 21_000_000 {
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        text.append(UInt8(ascii: "a") + UInt8.random(in: 0...1, using: &random))
      }
      text.append(32)
    }
    scratch.file("large", text)
    let json = try count("--mode", "all", "--workers", "2", scratch.path)
    #expect(json["bytes"] == .number(Double(text.count)) && json["files"] == 1)
    #expect(json["words"] == .number(Double(text.count { $0 == 32 })))
  }

  // MARK: Links and other things that are no plain files

  @Test func `links are followed once, loops end, and every file is counted once`() throws {
    let scratch = Scratch()
    let outside = Scratch()
    outside.file("far", "far away")
    scratch.directory("d")
    scratch.file("d/near", "near")
    scratch.symbolicLink("d/loop", to: "..")
    scratch.symbolicLink("d/self", to: ".")
    scratch.symbolicLink("again", to: "d")
    scratch.symbolicLink("name", to: "d/near")
    scratch.symbolicLink("out", to: outside.path)
    scratch.symbolicLink("outfile", to: outside.at("far"))
    scratch.hardLink("second", to: "d/near")
    let json = try count(scratch.path, scratch.path, scratch.at("d"), scratch.at("again"))
    #expect(json["files"] == 2 && json["words"] == 3 && json["skipped"] == [])
  }

  @Test func `pipes and other special files are passed over and never waited for`() throws {
    let scratch = Scratch()
    scratch.pipe("pipe")
    scratch.symbolicLink("null", to: "/dev/zero")
    scratch.file("file", "word")
    let json = try count(scratch.path)
    #expect(json["files"] == 1 && json["words"] == 1 && json["skipped"] == [])
  }

  @Test func `a special file named on the command line is said to be skipped`() throws {
    let scratch = Scratch()
    scratch.pipe("pipe")
    let json = try count(scratch.at("pipe"), status: 1)
    #expect(json["skipped"] == [.text(scratch.at("pipe"))] && json["files"] == 0)
  }

  @Test func `a path longer than the system takes at once is counted`() throws {
    let scratch = Scratch()
    var path = scratch.path
    let name = String(repeating: "n", count: 200)
    let start = unsafe open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(start) }
    var directory = unsafe open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // Beyond 4096 bytes, and beyond the levels that stay open.
    for _ in 0..<80 {
      #expect(unsafe mkdirat(directory, name, 0o755) == 0)
      let next = unsafe openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      close(directory)
      directory = next
      path += "/" + name
    }
    let file = unsafe openat(directory, "deep", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    #expect(unsafe write(file, "deep words", 10) == 10)
    close(file)
    let json = try count(scratch.path)
    #expect(json["files"] == 1 && json["words"] == 2 && json["skipped"] == [])
    // The scratch directory's own removal works with whole paths.
    _ = unsafe unlinkat(directory, "deep", 0)
    for _ in 0..<80 {
      let parent = unsafe openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      close(directory)
      directory = parent
      #expect(unsafe unlinkat(directory, name, AT_REMOVEDIR) == 0)
    }
    close(directory)
  }

  // MARK: What goes wrong

  @Test(arguments: ["serial", "threads", "processes", "all"])
  func `what cannot be read is reported, counted and skipped, with exit status 1`(mode: String) throws {
    let scratch = tree()
    scratch.symbolicLink("nowhere", to: "gone")
    scratch.symbolicLink("circle", to: "circle")
    // Opens, and cannot be read.
    scratch.symbolicLink("memory", to: "/proc/self/mem")
    let program = try SpindleProgram(["wordcount", "--json", "--mode", mode, scratch.path])
    let result = program.wait()
    #expect(result.status == 1)
    let json = try JSONValue(parsing: result.output)
    #expect(json["skipped"] == .array(["circle", "memory", "nowhere"].map { .text(scratch.at($0)) }))
    #expect(json["files"] == 5 && json["words"] == 12)
    for name in ["circle", "memory", "nowhere"] { #expect(result.errors.contains(scratch.at(name))) }
    #expect(result.errors.split(separator: "\n").count == 3)
  }

  @Test func `a path that does not exist is named, nothing is counted, and the exit status is 2`() throws {
    let scratch = tree()
    let result = try SpindleProgram.run("wordcount", scratch.path, scratch.at("none"), "--json")
    #expect(result.status == 2 && result.output == "")
    #expect(result.errors.contains(scratch.at("none")) && result.errors.contains("no such file or directory"))
  }

  @Test(arguments: [
    ["wordcount"], ["wordcount", "--workers", "0", "."], ["wordcount", "--mode", "magic", "."], ["dance"],
  ])
  func `wrong usage gives a message and the exit status 2`(arguments: [String]) throws {
    let result = try SpindleProgram(arguments).wait()
    #expect(result.status == 2 && result.output == "" && result.errors.contains("Usage"))
  }

  @Test func `output that cannot be written makes the exit status 1`() throws {
    let scratch = tree()
    let full = unsafe open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { close(full) }
    let result = try SpindleProgram(["wordcount", scratch.path], output: full).wait()
    #expect(result.status == 1 && result.errors.contains("standard output"))
    let closed = try SpindleProgram(["wordcount", scratch.path], output: -1).wait()
    #expect(closed.status == 1 && closed.errors.contains("standard output"))
  }

  @Test func `a reader that went away ends it silently`() throws {
    let scratch = tree()
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    close(ends[0])
    let result = try SpindleProgram(["wordcount", scratch.path], output: ends[1]).wait()
    close(ends[1])
    #expect(result.status == 128 + SIGPIPE && result.errors == "")
  }

  @Test func `without a terminal there is no progress bar`() throws {
    let scratch = tree()
    #expect(try SpindleProgram.run("wordcount", scratch.path).errors == "")
  }
}
