import Glibc
import SpindleCLI
import SpindleTestSupport
import Synchronization
import Testing

/// Worker processes of the command that are killed while they have counts that nobody else has.
@Suite(.watchdog(seconds: 120), .oneAtATime) struct DeadWorkerTests {
  /// Files each large enough to be a batch of its own.
  private func tree(files: Int) -> Scratch {
    let scratch = Scratch()
    let words = "one Two three " + String(repeating: "four ", count: 30_000)
    for number in 0..<files { scratch.file("\(number)", words) }
    return scratch
  }

  /// The children of this process that are the same program: its worker processes.
  private static var workers: [pid_t] {
    names(in: "/proc/self/task").flatMap { thread in
      text(of: "/proc/self/task/\(thread)/children").split(separator: " ").compactMap { pid_t($0) }
    }.filter { target(of: "/proc/\($0)/exe") == target(of: "/proc/self/exe") }
  }

  @Test(arguments: [1, 2])
  func `workers that are killed before they have handed over cost no count`(workers: Int) throws {
    let files = 24
    let scratch = tree(files: files)
    let asked = Atomic<Int>(0)
    let killed = Atomic<Int>(0)
    // The finder asks twice for each file. When it has been let in with more batches than its queue holds, a worker has taken some;
    // no call ends before the finder does, which is here.
    let work = Work(paths: [FilePath(scratch.path)], workers: workers, top: 3, queueCapacity: 4) {
      if asked.wrappingAdd(1, ordering: .relaxed).newValue == 2 * 8 {
        for worker in Self.workers where kill(worker, SIGKILL) == 0 { killed.wrappingAdd(1, ordering: .relaxed) }
      }
      return false
    }
    let counting = Counting()
    let search = countOnProcesses(work, into: counting)
    #expect(killed.load(ordering: .relaxed) >= 1)
    let (summary, outcome) = counting.result(work, found: search.files, problems: search.problems)
    #expect(outcome.files == files && outcome.problems.isEmpty && outcome.bytes == files * 150_014)
    #expect(summary.words == UInt64(files * 30_003) && summary.unique == 4)
    #expect(summary.top.first == WordSummary.Entry(word: "four", count: UInt64(files * 30_000)))
  }

  @Test func `workers that do nothing but die leave the main process to count`() throws {
    let files = 24
    let scratch = tree(files: files)
    let work = Work(paths: [FilePath(scratch.path)], workers: 1, top: 0) {
      for worker in Self.workers { _ = kill(worker, SIGKILL) }
      return false
    }
    let counting = Counting()
    let search = countOnProcesses(work, into: counting)
    let (summary, outcome) = counting.result(work, found: search.files, problems: search.problems)
    #expect(outcome.files == files && summary.words == UInt64(files * 30_003))
  }

  // MARK: /proc

  private static func names(in path: String) -> [String] {
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

  private static func text(of path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  private static func target(of link: String) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe readlink(link, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}
