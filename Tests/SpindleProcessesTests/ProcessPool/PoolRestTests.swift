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

/// The worker of a pool of one.
private func worker(of pool: ProcessPool) throws -> Int32 { try pool.submit(Work.processID).result() }

@Suite(.oneAtATime, .watchdog(seconds: 60)) struct PoolRestTests {
  @Test(arguments: [StartMethod.spawn, .forkServer])
  func `idle workers do not wake up`(startMethod: StartMethod) throws {
    try withProcessPool(maxWorkers: 2, startMethod: startMethod) { pool throws in
      for future in (0..<1000).map({ pool.submit(Work.square, $0) }) { _ = try future.result() }
      // The server's too, which has nothing to do either.
      let workers = children()
      #expect(workers.contains(try worker(of: pool)))
      let look = { workers.flatMap(sleeps) }
      let before = sleepsWhenCalm(look)
      #expect(before.count >= workers.count)
      sleep(1)
      #expect(look() == before)
    }
  }
}
