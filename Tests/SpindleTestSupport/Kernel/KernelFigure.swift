import CSpindle

/// A number that the kernel tells in a file of /proc: the first of the line `key: 123`. Nil without such a line, or file.
///
///     kernelFigure("/proc/self/task/\(id)/status", "voluntary_ctxt_switches")     // how often that thread went to sleep
package func kernelFigure(_ file: String, _ key: String) -> Int? {
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  let count = unsafe bytes.withUnsafeMutableBytes { unsafe spindle_read_file(file, $0.baseAddress!, $0.count) }
  guard count > 0 else { return nil }
  for line in String(decoding: bytes.prefix(Int(count)), as: UTF8.self).split(separator: "\n")
  where line.hasPrefix(key + ":") {
    return Int(line.dropFirst(key.count + 1).drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber })
  }
  return nil
}
