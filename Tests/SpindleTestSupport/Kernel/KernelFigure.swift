import CSpindle

/// A number that the kernel tells about a process or thread: the one in the line `KEY: 123 kB` of a file in /proc.
///
///     kernelFigure("/proc/self/smaps_rollup", "Private_Dirty")     // kilobytes
package func kernelFigure(_ file: String, _ key: String) -> Int? {
  kernelFile(file).flatMap { line(key, in: $0) }.flatMap { Int($0.prefix { $0.isNumber }) }
}

/// Which of its sleeps a thread is in: how often it has gone to sleep. Nil while it runs, or could: a thread that waits
/// for a processor is not asleep. The same number at two moments says that it has slept all the time between.
package func currentSleep(ofThread thread: Int32, in process: String = "self") -> Int? {
  // One look: state and number belong together.
  guard let text = kernelFile("/proc/\(process)/task/\(thread)/status"), line("State", in: text)?.first == "S" else {
    return nil
  }
  return line("voluntary_ctxt_switches", in: text).flatMap { Int($0) }
}

/// The sleeps that threads are in once all have been in one for a while: four looks, 50 ms apart, that agree.
package func sleepsWhenCalm(_ look: () -> [Int?]) -> [Int?] {
  var last = look()
  var agreeing = 1
  while agreeing < 4 {
    spindle_nap(50_000_000)
    let now = look()
    agreeing = now == last && now.allSatisfy { $0 != nil } ? agreeing + 1 : 1
    last = now
  }
  return last
}

/// The text of a file in /proc; nil when there is none, or nothing in it.
func kernelFile(_ file: String) -> String? {
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  let count = unsafe bytes.withUnsafeMutableBytes { unsafe spindle_read_file(file, $0.baseAddress!, $0.count) }
  return count > 0 ? String(decoding: bytes.prefix(Int(count)), as: UTF8.self) : nil
}

/// What follows `key` and a colon at the start of a line.
private func line(_ key: String, in text: String) -> Substring? {
  for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
    return line.dropFirst(key.count + 1).drop { $0 == " " || $0 == "\t" }
  }
  return nil
}
