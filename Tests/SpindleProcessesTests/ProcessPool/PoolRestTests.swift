import Glibc
import Spindle
import SpindleTestSupport
import Testing

/// Which sleeps the threads of a process are in.
private func sleeps(of process: Int32) -> [Int?] {
  guard let directory = unsafe opendir("/proc/\(process)/task") else { return [] }
  defer { unsafe closedir(directory) }
  var sleeps: [Int?] = []
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    if let thread = Int32(name) { sleeps.append(currentSleep(ofThread: thread, in: "\(process)")) }
  }
  return sleeps
}

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct PoolRestTests {
  @Test func `idle workers do not wake up`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      for future in (0..<1000).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      let workers = children()
      #expect(!workers.isEmpty)
      let look = { workers.flatMap(sleeps) }
      let before = sleepsWhenCalm(look)
      #expect(before.count >= workers.count)
      sleep(1)
      #expect(look() == before)
    }
  }

  @Test func `an idle worker has little memory of its own`() throws {
    try withProcessPool(maxWorkers: 1) { pool throws in
      for future in (0..<1000).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      _ = try pool.submit(Work.echo, [UInt8](repeating: 1, count: 4_000_000)).result()
      let worker = try #require(children().first)
      let clean = try #require(kernelFigure("/proc/\(worker)/smaps_rollup", "Private_Clean"))
      let dirty = try #require(kernelFigure("/proc/\(worker)/smaps_rollup", "Private_Dirty"))
      // Kilobytes. A program of tests, in a debug build, is larger than most.
      #expect(clean + dirty < 16_000)
    }
  }
}
