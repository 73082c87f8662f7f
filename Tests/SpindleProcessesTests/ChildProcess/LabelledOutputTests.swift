import Glibc
import Spindle
import SpindleProcesses
import SpindleTestSupport
import Testing

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct LabelledOutputTests {
  @Test(arguments: NoChildLeftTests.methods)
  func `lines of many children arrive whole, in order and labelled, before their joins return`(method: [String]) throws
  {
    let lines = try Program("FixturePlainMain", "labelled", environment: method).lines()
    #expect(lines.first == "main")
    #expect(lines.last == "end")
    for number in 0..<3 {
      let own = lines.filter { $0.hasPrefix("talker \(number): ") }.map { $0.dropFirst("talker 0: ".count) }
      #expect(own.count == 2002)
      for (line, text) in own.prefix(2000).enumerated() {
        #expect(text == "line \(line) \(String(repeating: "x", count: line % 200))")
      }
      // Junk is passed on; what reads it here as text repairs it.
      #expect(own.suffix(2).map { Array($0.unicodeScalars).count } == [3, 1])
    }
    #expect(lines.filter { $0.hasPrefix("program ") } == (0..<500).map { "program \($0)" })
    #expect(lines.count == 3 + 500 + 3 * 2002)
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `when nobody reads the program's output, other children go on, and a kill ends the one that fills it`(
    method: [String]
  ) throws {
    let program = try Program("FixturePlainMain", "blocked", environment: method)
    #expect(try program.lines() == ["main", "0", "2", "4", "WorkerDiedError"])
    #expect(program.wait() == SIGKILL)
  }

  @Test(arguments: NoChildLeftTests.methods)
  func `the error of a child that died has the end of its standard error`(method: [String]) throws {
    let lines = try Program("FixturePlainMain", "last-words", environment: method).lines()
    #expect(lines.contains("words the disk is full"))
    #expect(lines.contains { $0.hasPrefix("detail ") && $0.contains("index too large") })
  }

  @Test(arguments: StartMethod.allCases) func `nothing is left when labelled children have ended`(method: StartMethod)
    async
  {
    switch method {
    case .spawn: await #expect(processExitsWith: .success) { try startLabelled(.spawn) }
    case .forkServer: await #expect(processExitsWith: .success) { try startLabelled(.forkServer) }
    }
  }
}

private func quiet() {}

private func startLabelled(_ method: StartMethod) throws {
  let before = Set(pipes())
  for _ in 0..<10 {
    let child = ChildProcess(target: quiet, startMethod: method, output: .labelled)
    child.start()
    try child.join()
  }
  ForkServer.stop()
  #expect(Set(pipes()).subtracting(before) == [])
  #expect(zombies() == [])
}

private func pipes() -> [String] {
  (0..<256).compactMap { number in
    var target = [UInt8](repeating: 0, count: 64)
    let count = unsafe target.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/fd/\(number)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let text = String(decoding: target.prefix(max(0, count)), as: UTF8.self)
    return text.hasPrefix("pipe:") ? "\(number) \(text)" : nil
  }
}
