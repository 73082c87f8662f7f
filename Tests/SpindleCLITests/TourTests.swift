import Glibc
import SpindleCLI
import SpindleTestSupport
import Testing

@Suite(.watchdog(seconds: 240)) struct TourTests {
  @Test(arguments: Tour.sections.map(\.name))
  func `every stop of a section does what is documented`(name: String) throws {
    let result = try SpindleProgram.run("tour", name)
    #expect(result.status == 0 && result.errors == "", "\(result.output)")
    let stops = Tour.sections.first { $0.name == name }!.stops
    #expect(result.output.contains("✓ \(stops.count) of \(stops.count) as documented"))
    for stop in stops { #expect(result.output.contains("✓ \(stop.python)\n")) }
  }

  @Test func `no escape sequences are written where no terminal is`() throws {
    #expect(try !SpindleProgram.run("tour", "queue").output.contains("\u{1B}"))
  }

  @Test func `an unknown section is named, with those there are, and exit status 2`() throws {
    let result = try SpindleProgram.run("tour", "opera")
    #expect(result.status == 2 && result.output == "")
    #expect(result.errors.contains("opera") && result.errors.contains("threading, queue, futures, processes"))
  }

  @Test func `a stop that prints something else, throws, or prints nothing is not as documented`() {
    let stop = Tour.sections[0].stops[0]
    #expect(stop.isAsDocumented(.init(printed: stop.prints, failure: nil)))
    #expect(!stop.isAsDocumented(.init(printed: stop.prints, failure: "threw")))
    #expect(!stop.isAsDocumented(.init(printed: stop.prints + ["more"], failure: nil)))
    #expect(!stop.isAsDocumented(.init(printed: [], failure: nil)))
  }

  @Test func `the lines that are shown are the lines that are run`() throws {
    let stops = Tour.sections.flatMap(\.stops)
    let sources = try sourceFiles().map(SourceStop.all).flatMap { $0 }
    #expect(sources.count == stops.count)
    for source in sources {
      #expect(source.shown == source.run, "\(source.title)")
      // And what the program holds is what this file says.
      #expect(stops.contains { $0.swift == source.shown }, "\(source.title)")
    }
  }

  @Test func `the documentation's cheat sheet is the tour's`() throws {
    let page = try contents(root + "/Sources/Spindle/Spindle.docc/CheatSheet.md")
    #expect(page == Tour.article, "write it anew: spindle tour --article > Sources/Spindle/Spindle.docc/CheatSheet.md")
  }

  @Test func `the first lines of the README are the example that is built and run`() throws {
    let example = try contents(root + "/Examples/Sources/readme/main.swift")
    #expect(try contents(root + "/README.md").contains("```swift\n\(example)```\n"))
  }

  /// The package's folder.
  private var root: String {
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
  }

  /// The texts of the files with stops, beside this one in the package.
  private func sourceFiles() throws -> [String] {
    let directory = root + "/Sources/SpindleCLI/Tour/Stops"
    guard let stream = unsafe opendir(directory) else { throw SpindleProgram.Problem(description: directory) }
    defer { unsafe closedir(stream) }
    var texts: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name.hasSuffix("Stops.swift") { texts.append(try contents(directory + "/" + name)) }
    }
    return texts
  }

  private func contents(_ path: String) throws -> String {
    guard let file = unsafe fopen(path, "r") else { throw SpindleProgram.Problem(description: path) }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe fread(&piece, 1, piece.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += piece.prefix(count)
    }
  }
}

/// A stop as its source file has it: the text that is shown, and the body that is run.
private struct SourceStop {
  var title = ""
  var shown = ""
  var run = ""

  static func all(in text: String) -> [SourceStop] {
    var stops: [SourceStop] = []
    var stop = SourceStop()
    var lines: [Substring]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      switch line {
      case "  Stop(": stop = SourceStop()
      case "    swift: #\"\"\"", "  ) { print in": lines = []
      case "      \"\"\"#,":
        stop.shown = dedented(lines ?? [], by: 6)
        lines = nil
      case "  },":
        stop.run = dedented(lines ?? [], by: 4)
        lines = nil
        stops.append(stop)
      default:
        if lines == nil, line.hasPrefix("    \"") { stop.title = String(line) }
        lines?.append(line)
      }
      // The prints of a stop come between its text and its body and belong to neither.
    }
    return stops
  }

  private static func dedented(_ lines: [Substring], by count: Int) -> String {
    lines.map { $0.isEmpty ? "" : String($0.dropFirst(count)) }.joined(separator: "\n")
  }
}
