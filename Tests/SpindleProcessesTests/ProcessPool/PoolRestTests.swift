import Glibc
import Spindle
import SpindleTestSupport
import Testing

/// How often the threads of a process have gone to sleep.
private func sleeps(of process: Int32) -> Int {
  guard let directory = unsafe opendir("/proc/\(process)/task") else { return 0 }
  defer { unsafe closedir(directory) }
  var sum = 0
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    if Int(name) != nil { sum += kernelFigure("/proc/\(process)/task/\(name)/status", "voluntary_ctxt_switches") ?? 0 }
  }
  return sum
}

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct PoolRestTests {
  @Test func `idle workers do not wake up`() throws {
    try withProcessPool(maxWorkers: 2) { pool throws in
      for future in (0..<1000).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      let workers = children()
      #expect(!workers.isEmpty)
      // Until all have gone to sleep.
      var before = workers.map(sleeps)
      while true {
        usleep(50_000)
        let now = workers.map(sleeps)
        if now == before { break }
        before = now
      }
      sleep(1)
      #expect(workers.map(sleeps) == before)
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
